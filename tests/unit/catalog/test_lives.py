"""What a seminar's page shows as time goes, and when that changes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.lives import (
    Chapter,
    Countdown,
    Part,
    chapters,
    countdown,
    moved_from,
    next_change,
    on_now,
    shown,
    true_until,
)
from services.catalog.model import Life, Seminar
from tests.documents import seminars
from tests.factories import DEADLINE, END, NOW, OSLO, START, UNHURRIED, make_seminar, make_talk

INSTANT = timedelta(microseconds=1)
FILM = "https://film.example.org/planstrategi"
moments = st.datetimes(datetime(2023, 2, 1), datetime(2023, 11, 15), timezones=st.just(UTC))


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2023, 6, 1, hour, minute, tzinfo=OSLO)


def make_programme(*talks: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"title": "Hva vet vi", "start": "10:00", "end": "11:45", "talks": talks},
        {"pause": True, "start": "11:45", "end": "12:00"},
        {"title": "Hva kan gjøres", "start": "12:15", "end": "13:15"},
    ]


# --- what is on ---


@pytest.mark.parametrize(
    ("moment", "on"),
    [
        (START - INSTANT, None),
        (START, Part(0)),
        (at(11, 45) - INSTANT, Part(0)),
        (at(11, 45), Part(1)),
        (at(12), None),
        (at(12, 15), Part(2)),
        (END - INSTANT, Part(2)),
        (END, None),
    ],
)
def test_where_talks_have_no_times_their_block_is_on(moment: datetime, on: Part | None) -> None:
    seminar = make_seminar(programme=make_programme(make_talk(), make_talk()))

    assert on_now(seminar, moment) == on


@pytest.mark.parametrize(
    ("moment", "on"),
    [
        (at(10), Part(0)),
        (at(10, 10), Part(0, 0)),
        (at(10, 30), Part(0, 2)),
        (at(11) - INSTANT, Part(0, 2)),
        (at(11), Part(0)),
        (at(11, 15), Part(0, 3)),
        (at(11, 45) - INSTANT, Part(0, 3)),
        (at(11, 45), Part(1)),
    ],
)
def test_a_talk_is_on_from_its_start_to_its_end_or_else_until_the_next_one(moment: datetime, on: Part) -> None:
    talks = (
        make_talk(start="10:10"),
        make_talk(),
        make_talk(start="10:30", end="11:00"),
        make_talk(start="11:15"),
    )

    assert on_now(make_seminar(programme=make_programme(*talks)), moment) == on


@pytest.mark.parametrize("overrides", [{"cancelled": True}, {"status": "draft"}, {"programme": []}], ids=str)
def test_nothing_is_on_where_there_is_nothing_to_see(overrides: dict[str, Any]) -> None:
    assert on_now(make_seminar(**overrides), at(10, 30)) is None


# --- how long it is until the start ---


@pytest.mark.parametrize(
    ("moment", "left"),
    [
        (NOW, Countdown(10, 1, 0)),
        (START - timedelta(days=1), Countdown(1, 0, 0)),
        (START - timedelta(hours=23, minutes=59), Countdown(0, 23, 59)),
        (START - timedelta(seconds=61), Countdown(0, 0, 2)),
        (START - timedelta(seconds=60), Countdown(0, 0, 1)),
        (START - INSTANT, Countdown(0, 0, 1)),
        (START, None),
        (END, None),
    ],
)
def test_the_countdown_counts_days_hours_and_minutes_that_have_begun(moment: datetime, left: Countdown | None) -> None:
    assert countdown(make_seminar(), moment) == left


@pytest.mark.parametrize(("day", "hours"), [("2023-03-26", 23), ("2023-10-29", 25)])
def test_the_countdown_over_the_night_that_clocks_change_is_the_time_that_passes(day: str, hours: int) -> None:
    seminar = make_seminar(start=f"{day}T10:00", end=f"{day}T12:00", programme=[], attendance={"online": {}})
    day_before = datetime.fromisoformat(f"{day}T10:00").replace(tzinfo=OSLO) - timedelta(days=1)

    assert countdown(seminar, day_before) == Countdown(hours // 24, hours % 24, 0)


@pytest.mark.parametrize("overrides", [{"cancelled": True}, {"status": "draft"}], ids=str)
def test_there_is_no_countdown_to_what_is_not_coming(overrides: dict[str, Any]) -> None:
    assert countdown(make_seminar(**overrides), NOW) is None


# --- whether it was moved ---


@pytest.mark.parametrize(
    ("days", "moved_by"),
    [([], None), ([0], None), ([0, 0], None), ([-7, 0], -7), ([-14, -7, 0, 0], -7), ([0, 7, 0], 7)],
    ids=str,
)
def test_a_seminar_was_moved_from_the_last_other_start_that_was_announced(
    days: list[int], moved_by: int | None
) -> None:
    starts = [START + timedelta(days=distance) for distance in days]

    before = moved_from(make_seminar(), starts)

    assert before == (None if moved_by is None else START + timedelta(days=moved_by))


# --- chapters ---


def make_recorded(programme: list[dict[str, Any]], **recording: str) -> Seminar:
    return make_seminar(programme=programme, recording={"url": FILM} | recording)


def test_what_is_known_to_start_at_a_time_is_a_chapter_of_the_recording() -> None:
    programme = make_programme(make_talk(start="10:10"), make_talk())

    found = chapters(make_recorded(programme, starts="09:58"))

    assert found == {
        Part(0): Chapter(120, f"{FILM}#t=120"),
        Part(0, 0): Chapter(720, f"{FILM}#t=720"),
        Part(2): Chapter(8220, f"{FILM}#t=8220"),
    }


def test_a_chapters_link_is_made_as_its_player_wants_it() -> None:
    found = chapters(make_recorded(make_programme(), starts="10:00", chapters="{url}?t={seconds}&from={seconds}s"))

    assert found[Part(2)].url == f"{FILM}?t=8100&from=8100s"


def test_what_came_before_the_recording_began_is_no_chapter() -> None:
    found = chapters(make_recorded(make_programme(make_talk(start="10:30")), starts="10:05"))

    assert list(found) == [Part(0, 0), Part(2)]


def test_there_are_no_chapters_while_it_is_not_known_when_the_recording_begins() -> None:
    assert chapters(make_recorded(make_programme())) == {}
    assert chapters(make_seminar()) == {}


@pytest.mark.parametrize(("day", "hours"), [("2023-03-26", 3), ("2023-10-29", 5)])
def test_a_chapter_over_the_hour_that_clocks_change_lies_where_it_was_filmed(day: str, hours: int) -> None:
    programme = [{"title": "Hva kan gjøres", "start": "05:00", "end": "06:00"}]
    seminar = make_seminar(
        start=f"{day}T01:00",
        end=f"{day}T06:00",
        programme=programme,
        attendance={"online": {}},
        recording={"url": FILM, "starts": "01:00"},
    )

    assert chapters(seminar)[Part(0)].seconds == hours * 3600


# --- when the page changes ---


def test_a_page_changes_with_the_deadline_the_start_the_programme_and_the_end() -> None:
    seminar = make_seminar(opens="2023-05-23T09:00+02:00", programme=make_programme(make_talk(start="10:30")))
    changes = []
    moment = next_change(seminar, NOW)
    while moment:
        changes.append(moment)
        moment = next_change(seminar, moment)

    opens = datetime(2023, 5, 23, 9, tzinfo=OSLO)
    programme = [at(10, 30), at(11, 45), at(12), at(12, 15)]
    assert changes == [opens, DEADLINE + INSTANT, START, *programme, END]


@pytest.mark.parametrize("overrides", [{"cancelled": True}, {"status": "draft"}], ids=str)
def test_the_clock_changes_nothing_of_what_is_cancelled_or_a_draft(overrides: dict[str, Any]) -> None:
    assert next_change(make_seminar(**overrides), NOW) is None


@UNHURRIED
@given(seminars, moments, st.data())
def test_nothing_changes_before_the_next_change_and_something_does_then(
    seminar: Seminar, now: datetime, data: st.DataObject
) -> None:
    following = next_change(seminar, now)

    last = following - INSTANT if following else datetime(2024, 1, 1, tzinfo=UTC)
    between = data.draw(st.datetimes(now.replace(tzinfo=None), last.replace(tzinfo=None), timezones=st.just(UTC)))
    assert now <= last
    assert shown(seminar, now) == shown(seminar, between) == shown(seminar, last)
    assert following is None or shown(seminar, following) != shown(seminar, now)


@UNHURRIED
@given(seminars, st.lists(moments, min_size=2, max_size=2).map(sorted))
def test_no_seminar_goes_back_to_an_earlier_life(seminar: Seminar, two: list[datetime]) -> None:
    order = list(Life)

    earlier, later = (seminar.life(moment) for moment in two)

    assert order.index(earlier) <= order.index(later)


@UNHURRIED
@given(seminars)
def test_every_seminar_that_was_announced_comes_to_its_end(seminar: Seminar) -> None:
    moment, lives = datetime(2023, 2, 1, tzinfo=UTC), []
    while following := next_change(seminar, moment):
        moment = following
        lives.append(seminar.life(moment))

    announced = seminar.document.status == "published" and not seminar.cancelled
    assert lives[-1:] == [Life.COMPLETED] * announced


# --- how long a page is true ---


@pytest.mark.parametrize(
    ("moment", "until"),
    [
        (START - timedelta(minutes=3), START - timedelta(minutes=2)),
        (START - timedelta(minutes=2, seconds=30), START - timedelta(minutes=2)),
        (START - timedelta(minutes=2) - INSTANT, START - timedelta(minutes=2)),
        (START - INSTANT, START),
        (START, at(11, 45)),
        (END, None),
        (DEADLINE, DEADLINE + INSTANT),  # the deadline is no whole minute from the start
    ],
)
def test_a_page_is_true_until_its_countdown_or_something_else_changes(moment: datetime, until: datetime | None) -> None:
    seminar = make_seminar(programme=make_programme(make_talk(), make_talk()))

    assert true_until(seminar, moment) == until


@given(seminar=seminars, now=moments)
@UNHURRIED
def test_until_then_everything_stays_as_it_is_and_then_something_is_different(seminar: Seminar, now: datetime) -> None:
    until = true_until(seminar, now)

    if until is None:
        assert next_change(seminar, now) is None
        return
    everything = [(shown(seminar, moment), countdown(seminar, moment)) for moment in (now, until - INSTANT, until)]
    assert until > now
    assert everything[0] == everything[1] != everything[2]
