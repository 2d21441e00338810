"""The seminar document: what is wrong with it and what would be right, its lives, and the example that ships."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from local.importing import ImportRefusedError, read_document
from services.catalog.document import Document
from services.catalog.model import Life, Seminar, snapshot
from services.registration.model import refuse
from shared.faults import faults_in
from shared.messages import Attendance, Language, Text
from shared.web.problems import field_errors
from shared.web.texts import worded
from tests.factories import (
    DEADLINE,
    END,
    NOW,
    OSLO,
    START,
    UNHURRIED,
    make_body,
    make_document,
    make_seminar,
    make_talk,
)

EXAMPLE = Path(__file__).parents[3] / "examples" / "planstrategi-4-0.yaml"
INSTANT = timedelta(microseconds=1)

instants = st.datetimes(datetime(2023, 5, 1), datetime(2023, 7, 1), timezones=st.just(UTC))


def complaints(**overrides: Any) -> dict[str, str]:
    """Return what is said of a document, by field."""
    with pytest.raises(ValidationError) as refused:
        make_document(**overrides)
    return {error["field"]: error["detail"] for error in field_errors(refused.value)}


def make_block(**overrides: Any) -> dict[str, Any]:
    return {"title": "Hva vet vi", "start": "10:00", "end": "11:45"} | overrides


# --- what is wrong with it, and what would be right ---

FILM = "https://film.example.org/planstrategi"
CHAPTERS = [
    ("{url}?t=60", "{seconds}"),
    ("{url}?t={minutes}&s={seconds}", "{url}?t={seconds}"),
    ("{url.__class__}{seconds}", "{url}?t={seconds}"),
    ("{seconds}", "https:// or http://"),
    ("javascript:{seconds}", "https:// or http://"),
]
YES: dict[str, Any] = {"id": "yes", "text": "Ja"}


def make_question(**overrides: Any) -> dict[str, Any]:
    sound = {"id": "bus", "text": "Buss?", "kind": "choice", "options": [YES, {"id": "no", "text": "Nei"}]}
    return {field: value for field, value in (sound | overrides).items() if value is not ...}


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"slug": ...}, "slug", "is needed"),
    ({"slug": "Planstrategi 4.0"}, "slug", "such as planstrategi-4-0"),
    ({"slug": "planstrategi--4"}, "slug", "such as planstrategi-4-0"),
    ({"slug": "planstrategi\n"}, "slug", "such as planstrategi-4-0"),
    ({"slug": "x" * 81}, "slug", "80"),
    ({"status": "cancelled"}, "status", "'draft', 'published'"),
    ({"title": ...}, "title", "is needed"),
    ({"title": " "}, "title", "blank"),
    ({"title": {}}, "title", "blank"),
    ({"title": {"nb": "Planstrategi", "nn": " "}}, "title.nn", "blank"),
    ({"title": {"nb": "Planstrategi", "de": "Planung"}}, "title.de", "nb, nn or en"),
    ({"title": {"nb": 4}}, "title.nb", "a text"),
    ({"title": ["x"]}, "title", "a text"),
    ({"title": "Plan\nstrategi"}, "title", "one line"),
    ({"title": "=?utf-8?q?x?="}, "title", "=?"),
    ({"description": {"en": "a\0b"}}, "description.en", "control characters"),
    ({"description": "\ud800"}, "description", "control characters"),
    ({"serving": ""}, "serving", "blank"),
    ({"organisers": ["Distriktssenteret", ""]}, "organisers.1", "blank"),
    ({"partners": ["UiT", {"nb": ""}]}, "partners.1.nb", "blank"),
    ({"start": ...}, "start", "is needed"),
    ({"start": "1 June"}, "start", "such as 2023-06-01T10:00"),
    ({"start": "2023-06-01T10:00Z"}, "start", "local to the seminar's zone"),
    ({"start": "2023-06-01T10:00+02:00"}, "start", "local to the seminar's zone"),
    ({"end": ...}, "end", "is needed"),
    ({"end": "2023-06-01T10:00"}, "end", "after the start"),
    ({"end": "2023-05-31T13:15"}, "end", "after the start"),
    ({"zone": "Europe/Bergen"}, "zone", "Europe/Oslo"),
    ({"zone": "../../etc/passwd"}, "zone", "Europe/Oslo"),
    ({"opens": "2023-05-22T09:00"}, "opens", "such as 2023-05-22T09:00+02:00"),
    ({"opens": "2023-06-01T13:15+02:00"}, "opens", "before the end"),
    ({"start": "1969-12-31T10:00"}, "start", "such as 2023-06-01T10:00"),
    ({"end": "9000-01-01T10:00"}, "end", "such as 2023-06-01T10:00"),
    ({"start": "20230601"}, "start", "such as 2023-06-01T10:00"),
    ({"start": 1685606400}, "start", "such as 2023-06-01T10:00"),
    ({"start": "2023-06-31T10:00"}, "start", "such as 2023-06-01T10:00"),
    ({"venue": {"name": "Akersgata 64"}}, "venue.address", "is needed"),
    ({"venue": None}, "venue", "in person"),
    ({"venue": ...}, "venue", "in person"),
    ({"attendance": ...}, "attendance", "is needed"),
    ({"attendance": {}}, "attendance", "at least 1"),
    ({"attendance": {"hybrid": {}}}, "attendance.hybrid", "'in_person', 'online'"),
    ({"attendance": {"online": {"capacity": -1}}}, "attendance.online.capacity", "0"),
    ({"attendance": {"online": {"capacity": 1_000_001}}}, "attendance.online.capacity", "1000000"),
    ({"attendance": {"online": {"capacity": "many"}}}, "attendance.online.capacity", "whole number"),
    ({"attendance": {"online": {"deadline": "2023-06-01T13:16"}}}, "attendance.online.deadline", "after the end"),
    (
        {"attendance": {"online": {"deadline": "2023-05-29T12:00Z"}}},
        "attendance.online.deadline",
        "local to the seminar's zone",
    ),
    ({"attendance": {"online": {"deadline": "2023-03-26T02:30"}}}, "attendance.online.deadline", "skipped"),
    ({"reminders": [{"at": "2022-10-30T02:30"}]}, "reminders.0.at", "twice"),
    ({"attendance": {"online": {"seats": 60}}}, "attendance.online.seats", "not known here"),
    ({"livestream": {"url": "stream.example.org"}}, "livestream.url", "URL"),
    ({"livestream": {"url": "javascript:alert(1)"}}, "livestream.url", "https:// or http://"),
    ({"livestream": {"access": "secret"}}, "livestream.access", "'public', 'registered'"),
    ({"recording": {}}, "recording.url", "is needed"),
    ({"recording": {"url": "ftp://example.org/film"}}, "recording.url", "https:// or http://"),
    *(({"recording": {"url": FILM, "chapters": link}}, "recording.chapters", right) for link, right in CHAPTERS),
    ({"recording": {"url": FILM, "starts": "09:58+02:00"}}, "recording.starts", "such as 10:00"),
    ({"livestream": {"url": "https://stream.example.org/a b"}}, "livestream.url", "URL"),
    ({"livestream": {"url": "https://stream.example.org/\0"}}, "livestream.url", "URL"),
    ({"programme": [make_block(start="10.00 to")]}, "programme.0.start", "such as 10:00"),
    ({"programme": [make_block(start="25:00")]}, "programme.0.start", "such as 10:00"),
    ({"programme": [make_block(start="1000")]}, "programme.0.start", "such as 10:00"),
    ({"programme": [make_block(end="11:45Z")]}, "programme.0.end", "zone"),
    ({"programme": [make_block(start="10:00Z")]}, "programme.0.start", "zone"),
    ({"programme": [make_block(talks=[make_talk(start="10:00+02:00")])]}, "programme.0.talks.0.start", "zone"),
    ({"programme": [make_block(end="10:00")]}, "programme.0.end", "after the start"),
    ({"programme": [make_block(title="")]}, "programme.0.title", "blank"),
    ({"programme": [{"start": "10:00", "end": "11:00"}]}, "programme.0.title", "unless it is a pause"),
    ({"programme": [make_block(talks=[{"title": ""}])]}, "programme.0.talks.0.title", "blank"),
    ({"programme": [make_block(talks=[make_talk(start="09:59")])]}, "programme.0.talks.0.start", "from 10:00 to 11:45"),
    (
        {"programme": [make_block(talks=[make_talk(start="11:00", end="11:46")])]},
        "programme.0.talks.0.end",
        "from 10:00 to 11:45",
    ),
    (
        {"programme": [make_block(talks=[make_talk(start="11:00", end="10:30")])]},
        "programme.0.talks.0.end",
        "after the start",
    ),
    ({"programme": [make_block(talks=[make_talk(end="11:00")])]}, "programme.0.talks.0.start", "where there is an end"),
    ({"programme": [make_block(talks=[make_talk(start="11:45")])]}, "programme.0.talks.0.start", "from 10:00 to 11:45"),
    (
        {"programme": [make_block(talks=[make_talk(start="10:00", end="10:30"), make_talk(start="10:29")])]},
        "programme.0.talks.1.start",
        "not be before 10:30",
    ),
    (
        {"programme": [make_block(talks=[make_talk(start="10:30"), make_talk(), make_talk(start="10:30")])]},
        "programme.0.talks.2.start",
        "after 10:30",
    ),
    (
        {"programme": [make_block(talks=[make_talk(speakers=[{"role": "ordfører"}])])]},
        "programme.0.talks.0.speakers.0.name",
        "or an affiliation",
    ),
    ({"programme": [make_block(), make_block(start="11:44", end="12:00")]}, "programme.1.start", "before 11:45"),
    ({"programme": [make_block(start="09:59")]}, "programme.0.start", "before 10:00"),
    ({"programme": [make_block(end="13:16")]}, "programme.0.end", "after 13:15"),
    ({"end": "2023-06-02T13:15"}, "programme", "one seminar for each day"),
    ({"reminders": [{"attendance": ["online"]}]}, "reminders.0.before_start", "or after_end, or at"),
    ({"reminders": [{"before_start": "P1D", "after_end": "P1D"}]}, "reminders.0.after_end", "stand alone"),
    ({"reminders": [{"before_start": "P1D", "at": "2023-05-31T10:00"}]}, "reminders.0.at", "stand alone"),
    ({"reminders": [{"before_start": "P1D", "attendance": []}]}, "reminders.0.attendance", "at least 1"),
    ({"reminders": [{"at": "2023-05-31T10:00Z"}]}, "reminders.0.at", "local to the seminar's zone"),
    *(
        ({"reminders": [{"before_start": duration}]}, "reminders.0.before_start", "such as P1D or PT15M")
        for duration in ("1 day", "", "P", "PT", "P1DT", "P1Y", "P1M", "PT30S", "-P1D", "P1.5D", "p1d", "P1D ", "P٣D")
    ),
    (
        {"contact": {"name": "Planavdelingen", "email": "plan\0@example.org"}},
        "contact.email",
        "such as post@example.org",
    ),
    ({"contact": {"name": "Planavdelingen", "email": "plan"}}, "contact.email", "such as post@example.org"),
    ({"contact": {"email": "plan@example.org"}}, "contact.name", "is needed"),
    ({"questions": [make_question(id="Buss")]}, "questions.0.id", "small letters"),
    ({"questions": [make_question(), make_question()]}, "questions.1.id", "used twice"),
    ({"questions": [make_question(text=...)]}, "questions.0.text", "is needed"),
    ({"questions": [make_question(kind="date")]}, "questions.0.kind", "one of"),
    ({"questions": [make_question(kind="text")]}, "questions.0.options", "only for a question"),
    ({"questions": [make_question(options=[])]}, "questions.0.options", "two options or more"),
    ({"questions": [make_question(options=[YES, YES])]}, "questions.0.options.1.id", "used twice"),
    ({"questions": [make_question(required="maybe")]}, "questions.0.required", "true or false"),
    ({"questions": [make_question(attendance=[])]}, "questions.0.attendance", "at least 1"),
    ({"questions": [make_question(id=f"q{n}") for n in range(21)]}, "questions", "at most 20"),
    (
        {"attendance": {"in_person": {"promote_until": "2023-06-02"}}},
        "attendance.in_person.promote_until",
        "must not be after the end",
    ),
    ({"titel": "x"}, "titel", "not known here"),
    ({"venue": {"name": "A", "address": "B", "floor": "3"}}, "venue.floor", "not known here"),
]


@pytest.mark.parametrize(("overrides", "field", "right"), WRONG, ids=str)
def test_what_is_wrong_is_said_of_its_field_with_what_would_be_right(
    overrides: dict[str, Any], field: str, right: str
) -> None:
    said = complaints(**overrides)

    assert list(said) == [field]
    assert right in said[field]


def test_all_fields_that_are_wrong_are_named_at_once() -> None:
    said = complaints(slug="A B", title="", start="soon", programme=[make_block(end="late")])

    assert list(said) == ["slug", "title", "start", "programme.0.end"]


def test_rules_over_several_fields_are_all_looked_at_also_where_other_fields_are_wrong() -> None:
    said = complaints(
        title="",
        end="2023-06-01T09:00",
        attendance={"online": {"deadline": "2023-03-26T02:30"}, "in_person": {"deadline": "2022-10-30T02:30"}},
        livestream={"url": "stream"},
        programme=[
            make_block(start="09:00", talks=[make_talk(start="08:00", speakers=[{}]), make_talk(start="08:00")]),
            make_block(title=None, start="11:00", end="10:00"),
        ],
        reminders=[{"before_start": "P1D", "at": "2023-05-31T10:00"}, {}, {"before_start": "1 day"}],
        colour="red",
    )

    assert set(said) == {
        "title",
        "end",
        "attendance.online.deadline",
        "attendance.in_person.deadline",
        "livestream.url",
        "programme.0.talks.0.start",
        "programme.0.talks.0.speakers.0.name",
        "programme.0.talks.1.start",
        "programme.1.title",
        "programme.1.start",
        "programme.1.end",
        "reminders.0.at",
        "reminders.1.before_start",
        "reminders.2.before_start",
        "colour",
    }


@pytest.mark.parametrize("field", ["title", "zone", "start", "end", "attendance", "livestream", "reminders", "contact"])
def test_a_field_that_is_wrong_hides_no_fault_that_has_nothing_to_do_with_it(field: str) -> None:
    said = complaints(**{field: ["?"], "programme": [make_block(title=None)], "questions": [make_question(id="?")]})

    assert {name.partition(".")[0] for name in said} == {field, "programme", "questions"}


def test_a_block_that_ends_before_it_starts_is_the_only_thing_wrong_with_its_talks() -> None:
    said = complaints(programme=[make_block(end="09:00", talks=[make_talk(start="10:30", end="11:00")])])

    assert list(said) == ["programme.0.end"]


def test_a_block_may_overlap_none_of_those_before_it() -> None:
    long, short, late = (
        {"start": a, "end": b} for a, b in (("10:00", "12:00"), ("10:30", "10:45"), ("11:00", "13:00"))
    )

    said = complaints(programme=[make_block(**times) for times in (long, short, late)])

    assert list(said) == ["programme.1.start", "programme.2.start"]


@pytest.mark.parametrize(
    ("language", "detail"),
    [
        ("nb", "kan ikke være før 10:30, når foredraget foran slutter"),
        ("nn", "kan ikkje vere før 10:30, når foredraget framfor sluttar"),
        ("en", "must not be before 10:30, when the talk before it ends"),
    ],
)
def test_what_is_wrong_can_be_said_in_the_organisers_language(language: Language, detail: str) -> None:
    talks = [make_talk(start="10:00", end="10:30"), make_talk(start="10:15")]
    with pytest.raises(ValidationError) as refused:
        make_document(programme=[make_block(talks=talks)])

    (fault,) = faults_in(refused.value)

    assert worded(fault, language) == detail
    assert fault.field == "programme.0.talks.1.start"


def test_what_is_wrong_is_said_without_repeating_what_was_sent() -> None:
    said = complaints(slug="4711 x", zone="4711", start="4711", livestream={"url": "4711"}, status="4711", end=4711)

    assert len(said) == 6
    assert "4711" not in str(said.values())


@pytest.mark.parametrize(
    "overrides",
    [
        {"attendance": {"online": {}}, "venue": ...},
        {"attendance": {"in_person": {"capacity": 0}}},
        {"attendance": {"online": {"deadline": "2023-06-01T13:15"}}},
        {"programme": [make_block(), make_block(start="11:45", end="13:15")]},
        {"programme": [make_block(talks=[make_talk(start="10:00", end="11:30"), make_talk(start="11:30")])]},
        {"programme": [make_block(talks=[make_talk(start="10:30"), {"title": "Uten tid"}, make_talk(start="11:00")])]},
        {"programme": [make_block(talks=[make_talk(speakers=[])])]},
        {"reminders": [{"before_start": d} for d in ("P1D", "P2W", "PT15M", "PT24H", "P1DT12H30M", "P1W1D")]},
        {"reminders": [{"after_end": "PT1H"}, {"at": "2023-05-31T10:00"}]},
        {"start": "2023-06-01T22:00", "end": "2023-06-02T02:00", "programme": []},
        {"title": "Planstrategi"},
        {"contact": {"name": {"nb": "Planavdelingen"}}},
        {"status": "draft"},
        {"partners": ["Distriktssenteret", {"nb": "Høgskolen i Innlandet"}]},
        {"description": "To bolker:\r\n\r\n- Hva vet vi\n- Hva kan gjøres"},
        {"recording": {"url": FILM, "starts": "09:58", "chapters": "{url}?t={seconds}"}},
    ],
    ids=str,
)
def test_what_is_right_is_taken(overrides: dict[str, Any]) -> None:
    assert make_document(**overrides).slug


def test_a_document_read_back_from_json_is_the_same() -> None:
    document = make_document(opens="2023-05-22T09:00+02:00", livestream={"url": "https://stream.example.org"})

    assert Document.model_validate_json(document.model_dump_json()) == document
    assert Document(**document.model_dump(mode="json")) == document


def test_the_line_ends_of_a_browser_are_kept_as_those_of_a_file() -> None:
    document = make_document(description={"nb": "To bolker:\r\n\r\n- Hva vet vi"}, summary="Én\r\nto")

    assert document.description == {"nb": "To bolker:\n\n- Hva vet vi"}
    assert document.summary == "Én\nto"


def test_an_address_of_the_web_is_kept_as_it_was_written() -> None:
    document = make_document(recording={"url": "https://example.org/Film?a=1#t=2"})

    assert document.recording
    assert document.recording.url == "https://example.org/Film?a=1#t=2"


# --- the nights that clocks change ---


@pytest.mark.parametrize(
    ("field", "start", "end"),
    [
        ("start", "2023-03-26T02:30", "2023-03-26T10:00"),  # skipped
        ("start", "2023-03-26T02:00", "2023-03-26T10:00"),
        ("end", "2023-03-25T20:00", "2023-03-26T02:59:59"),
        ("start", "2023-10-29T02:30", "2023-10-29T10:00"),  # comes twice
        ("start", "2023-10-29T02:00", "2023-10-29T10:00"),
        ("end", "2023-10-28T20:00", "2023-10-29T02:59:59"),
    ],
)
def test_a_time_that_is_skipped_or_comes_twice_is_refused(field: str, start: str, end: str) -> None:
    said = complaints(start=start, end=end, programme=[], attendance={"online": {}})

    assert list(said) == [field]
    assert "skipped or comes twice in Europe/Oslo" in said[field]


def test_a_programme_has_no_time_that_is_skipped_or_comes_twice() -> None:
    block = make_block(start="01:30", end="02:30", talks=[make_talk(start="02:15"), make_talk(start="02:20")])

    for day in ("2023-03-26", "2023-10-29"):
        said = complaints(
            start=f"{day}T01:00", end=f"{day}T04:00", programme=[block], attendance={"online": {}}, reminders=[]
        )

        assert list(said) == ["programme.0.end", "programme.0.talks.0.start", "programme.0.talks.1.start"]


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2023-03-26T01:59", "2023-03-26T03:00", 1 / 60),  # the clock jumps over the hour between
        ("2023-03-25T10:00", "2023-03-26T10:00", 23),
        ("2023-10-28T10:00", "2023-10-29T10:00", 25),
        ("2023-10-29T01:59", "2023-10-29T03:00", 2 + 1 / 60),
        ("2023-06-01T10:00", "2023-06-01T13:15", 3.25),
    ],
)
def test_a_seminar_over_the_night_that_clocks_change_lasts_as_long_as_it_lasts(
    start: str, end: str, hours: float
) -> None:
    seminar = make_seminar(start=start, end=end, programme=[], attendance={"online": {}})

    told = snapshot(seminar)

    assert (told.end - told.start.astimezone(UTC)).total_seconds() == pytest.approx(hours * 3600)


@pytest.mark.parametrize(
    ("zone", "start"),
    [("Europe/Oslo", START), ("Europe/London", START + timedelta(hours=1)), ("UTC", START + timedelta(hours=2))],
)
def test_times_are_local_to_the_seminars_zone(zone: str, start: datetime) -> None:
    seminar = make_seminar(zone=zone)

    assert seminar.start == start
    assert seminar.at(time(11, 45)) == start + timedelta(minutes=105)
    assert snapshot(seminar).attendance[Attendance.IN_PERSON].deadline == DEADLINE + (start - START)


def test_winter_and_summer_have_their_own_instants() -> None:
    winter = make_seminar(start="2023-12-01T10:00", end="2023-12-01T13:15", attendance={"online": {}})

    assert winter.start == datetime(2023, 12, 1, 9, tzinfo=UTC)
    assert make_seminar().start == datetime(2023, 6, 1, 8, tzinfo=UTC)


# --- lives ---


@pytest.mark.parametrize(
    ("moment", "life"),
    [
        (NOW, Life.PUBLISHED),
        (START - INSTANT, Life.PUBLISHED),
        (START, Life.LIVE),
        (END - INSTANT, Life.LIVE),
        (END, Life.COMPLETED),
    ],
)
def test_a_seminar_lives_by_the_clock(moment: datetime, life: Life) -> None:
    assert make_seminar().life(moment) is life


@UNHURRIED
@given(instants)
def test_a_draft_is_a_draft_and_a_cancelled_seminar_cancelled_whatever_the_time(now: datetime) -> None:
    assert make_seminar(status="draft").life(now) is Life.DRAFT
    assert make_seminar(cancelled=True).life(now) is Life.CANCELLED
    assert make_seminar(status="draft", cancelled=True).life(now) is Life.CANCELLED


@UNHURRIED
@given(instants, instants)
def test_a_seminar_never_goes_back_to_an_earlier_life(one: datetime, other: datetime) -> None:
    lives = [Life.PUBLISHED, Life.LIVE, Life.COMPLETED]

    earlier, later = (make_seminar().life(moment) for moment in sorted([one, other]))

    assert lives.index(earlier) <= lives.index(later)


# --- open for sign-up ---


@pytest.mark.parametrize(
    ("attendance", "moment", "is_open"),
    [
        (Attendance.IN_PERSON, NOW, True),
        (Attendance.IN_PERSON, DEADLINE, True),
        (Attendance.IN_PERSON, DEADLINE + INSTANT, False),
        (Attendance.ONLINE, DEADLINE + INSTANT, True),
        (Attendance.ONLINE, START, True),
        (Attendance.ONLINE, END - INSTANT, True),
        (Attendance.ONLINE, END, False),
    ],
)
def test_one_can_sign_up_until_the_deadline_or_else_the_end(
    attendance: Attendance,
    moment: datetime,
    is_open: bool,  # noqa: FBT001 - a table's column
) -> None:
    assert make_seminar().is_open(attendance, moment) is is_open


def test_nobody_can_sign_up_before_sign_up_opens() -> None:
    seminar = make_seminar(opens="2023-05-22T12:00+02:00")
    opens = datetime(2023, 5, 22, 12, tzinfo=OSLO)

    assert not seminar.is_open(Attendance.ONLINE, opens - INSTANT)
    assert seminar.is_open(Attendance.ONLINE, opens)


def test_what_is_not_offered_is_not_open() -> None:
    assert not make_seminar(attendance={"online": {}}).is_open(Attendance.IN_PERSON, NOW)


modes = st.fixed_dictionaries(
    {},
    optional={
        attendance: st.fixed_dictionaries(
            {"deadline": st.none() | st.sampled_from(["2023-05-29T23:59:59", "2023-06-01T13:15", "2023-06-01T10:00"])}
        )
        for attendance in ("in_person", "online")
    },
).filter(bool)
seminars = st.builds(
    make_seminar,
    attendance=modes,
    opens=st.none() | st.sampled_from(["2023-05-22T09:00+02:00", "2023-06-01T12:00+02:00"]),
    cancelled=st.booleans(),
)
moments = instants | st.sampled_from(
    [m + d for m in (NOW, DEADLINE, START, END) for d in (-INSTANT, 0 * INSTANT, INSTANT)]
)


@UNHURRIED
@given(seminars, st.sampled_from(Attendance), moments)
def test_what_the_page_calls_open_is_what_sign_up_takes(
    seminar: Seminar, attendance: Attendance, now: datetime
) -> None:
    assert seminar.is_open(attendance, now) == (refuse(snapshot(seminar), attendance, now) is None)


@UNHURRIED
@given(st.sampled_from(Attendance), moments)
def test_a_draft_is_open_to_nobody(attendance: Attendance, now: datetime) -> None:
    assert not make_seminar(status="draft").is_open(attendance, now)


# --- what the others are told ---


def test_the_streams_own_address_and_the_recordings_stay_here() -> None:
    seminar = make_seminar(
        livestream={"url": "https://stream.example.org/x", "access": "registered"},
        recording={"url": "https://film.example.org/x"},
    )

    told = snapshot(seminar)

    assert "example.org/x" not in told.model_dump_json()
    assert told.stream_access == "registered"
    assert told.recorded


def test_the_others_are_told_the_whole_of_the_rest() -> None:
    seminar = make_seminar(
        revision=3,
        cancelled=True,
        opens="2023-05-22T09:00+02:00",
        organisers=["Distriktssenteret"],
        partners=["Høgskolen i Innlandet"],
        serving="Kaffe",
        reminders=[{"at": "2023-05-31T10:00", "attendance": ["online"]}, {"before_start": "P1D"}],
    )

    told = snapshot(seminar)

    assert (told.slug, told.revision, told.status) == ("planstrategi-4-0", 3, "cancelled")
    assert (told.start, told.end, told.zone) == (START, END, "Europe/Oslo")
    assert told.attendance[Attendance.IN_PERSON].capacity == 60
    assert told.attendance[Attendance.ONLINE].deadline is None
    assert told.reminders[0].at == datetime(2023, 5, 31, 8, tzinfo=UTC)
    assert told.reminders[1].attendance == tuple(Attendance)
    assert [block.pause for block in told.programme] == [False, True]
    assert told.programme[0].talks[0].speakers[0].affiliation == "Holtålen kommune"
    assert told.organisers == ("Distriktssenteret",)
    assert told.partners == ("Høgskolen i Innlandet",)
    assert told.serving == "Kaffe"
    assert told.contact
    assert told.contact.email == "plan@example.org"


# --- the file ---


def written(folder: Path, text: str) -> Path:
    path = folder / "seminar.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "scalar", ["10:00", "no", "on", "29", "1e3", "0x10", "2023-06-01", "2023-06-01T10:00", "4.0", ".5", "~x", "1_000"]
)
def test_a_scalar_of_the_file_is_loaded_as_the_text_that_stands_there(tmp_path: Path, scalar: str) -> None:
    document = read_document(written(tmp_path, f"slug: x\nvalue: {scalar}\nlist: [{scalar}]\n"))

    assert document["value"] == scalar
    assert document["list"] == [scalar]


@pytest.mark.parametrize("nothing", ["null", "~", ""])
def test_nothing_is_loaded_as_nothing(tmp_path: Path, nothing: str) -> None:
    assert read_document(written(tmp_path, f"slug: x\nvalue: {nothing}\n"))["value"] is None


def test_a_quoted_null_is_text(tmp_path: Path) -> None:
    assert read_document(written(tmp_path, 'slug: x\nvalue: "null"\n'))["value"] == "null"


def test_a_country_a_number_and_times_survive_the_file_into_the_document(tmp_path: Path) -> None:
    text = (
        "slug: no\ntitle: 29\nstart: 2023-06-01T10:00\nend: 2023-06-01T13:15\naudience: no\n"
        "attendance: {online: {capacity: 29, deadline: 2023-05-29T23:59:59}}\n"
        "programme: [{title: on, start: 10:00, end: 11:45}, {pause: true, start: 11:45, end: 12:00}]\n"
        "livestream: {access: registered}\n"
    )

    document = Document(**read_document(written(tmp_path, text)))

    assert (document.slug, document.title, document.audience) == ("no", "29", "no")
    assert document.attendance[Attendance.ONLINE].capacity == 29
    assert [(b.title, b.pause, b.start, b.end) for b in document.programme] == [
        ("on", False, time(10), time(11, 45)),
        (None, True, time(11, 45), time(12)),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("slug: [", "line 1"),
        ("slug: x\n  start: {", "line 2"),
        ("- slug", "slug: missing"),
        ("title: x", "slug: missing"),
        ("", "slug: missing"),
        ("slug: !!python/object/apply:os.system ['true']", "no YAML"),
    ],
)
def test_a_file_that_is_no_seminar_is_refused_with_the_reason(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ImportRefusedError, match=said):
        read_document(written(tmp_path, text))


def test_a_file_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(ImportRefusedError, match=r"nowhere\.yaml: No such file"):
        read_document(tmp_path / "nowhere.yaml")


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("slug: x\ntitle: Småkommuner".encode("latin-1"))

    with pytest.raises(ImportRefusedError, match="no YAML"):
        read_document(path)


# --- the example, against what the ministry announced ---

TALKS = [
    # block, title, speakers as (name, role, affiliation)
    (
        0,
        "Forventningene til distriktskommunene",
        [("Sigrun Wiggen Prestbakmo", "statssekretær", "Kommunal- og distriktsdepartementet")],
    ),
    (
        0,
        "Småkommuner og bærekraft i kommunal planlegging",
        [("Aase Kristine Lundberg", None, "Nordlandsforskning")],
    ),
    (
        0,
        "Arealstrategi-piloten: erfaringer fra Nord Norge og Trøndelag",
        [("Nils Aarsæther", None, "UiT Norges Arktiske Universitet")],
    ),
    (
        0,
        "Strategisk planlegging - et oxymoron",
        [("Torill Ringholm", None, "UiT Norges Arktiske Universitet")],
    ),
    (
        0,
        "Distriktskommune 0 - tett på distriktskommunene",
        [(None, None, "RURALIS"), (None, None, "Nordlandsforskning")],
    ),
    (0, "Plankultur", [(None, None, "Holtålen kommune")]),
    (2, "Fokus på Planstrategi 4.0", [("Karoline Kvalvik", None, "Troms og Finnmark fylkeskommune")]),
    (2, "Vi lager web-veileder", [("Hildegunn Nordtug", None, "Distriktssenteret")]),
    (2, "Nettverkene - You'll never walk alone", [("Aksel Hagen", None, "Høgskolen i Innlandet")]),
    (
        2,
        "Hva trenger vi",
        [
            ("Gunn Åmdal Mongstad", "ordfører", "Solund kommune"),
            ("Marit Meløy", "prosjektleder «Karasjok inn i fremtiden»", "Karasjok kommune"),
        ],
    ),
    (
        2,
        "Hva gjør vi for å hjelpe",
        [
            ("Frida Farstad Brevik", "plansamordner", "Statsforvalteren i Møre og Romsdal"),
            ("Anne Caroline Haugan", "leder kommunalseksjonen", "Trøndelag fylkeskommune"),
        ],
    ),
]


@pytest.fixture(scope="module")
def example() -> Document:
    return Document(**read_document(EXAMPLE))


def in_nb(text: Text | None) -> str:
    return text["nb"] if isinstance(text, dict) else text or ""


@pytest.mark.parametrize(("block", "title", "speakers"), TALKS, ids=[talk[1] for talk in TALKS])
def test_the_example_has_each_talk_with_its_speakers_roles_and_affiliations(
    example: Document, block: int, title: str, speakers: list[tuple[str | None, str | None, str | None]]
) -> None:
    (talk,) = [talk for talk in example.programme[block].talks if in_nb(talk.title).startswith(title)]

    said = [(s.name, in_nb(s.role) or None, in_nb(s.affiliation) or None) for s in talk.speakers]
    assert said == speakers


def test_the_example_has_no_talk_that_was_not_announced_and_keeps_their_order(example: Document) -> None:
    titles = [in_nb(talk.title) for block in example.programme for talk in block.talks]

    assert len(titles) == len(TALKS)
    assert all(said.startswith(announced) for said, (_, announced, _) in zip(titles, TALKS, strict=True))


def test_the_examples_programme_has_two_blocks_and_a_pause(example: Document) -> None:
    assert [(in_nb(b.title), b.pause, b.start, b.end) for b in example.programme] == [
        ("Hva vet vi", False, time(10), time(11, 45)),
        ("", True, time(11, 45), time(12)),
        ("Hva kan gjøres", False, time(12), time(13, 15)),
    ]


def test_the_example_says_what_when_and_where(example: Document) -> None:
    seminar = Seminar(document=example, revision=1)

    assert in_nb(example.title) == "Planstrategi 4.0 – småkommuner og de gode hjelperne"
    assert seminar.start == datetime(2023, 6, 1, 10, tzinfo=ZoneInfo("Europe/Oslo"))
    assert seminar.end == datetime(2023, 6, 1, 13, 15, tzinfo=ZoneInfo("Europe/Oslo"))
    assert example.start.isoweekday() == 4
    assert example.venue
    assert example.venue.address == "Akersgata 64, Oslo"
    assert set(example.attendance) == {Attendance.IN_PERSON, Attendance.ONLINE}


def test_the_example_names_who_invites_and_with_whom(example: Document) -> None:
    assert [in_nb(organiser) for organiser in example.organisers] == [
        "Kommunal- og distriktsdepartementet, planavdelingen"
    ]
    assert [in_nb(partner) for partner in example.partners] == [
        "Distriktssenteret",
        "UiT Norges Arktiske Universitet",
        "Høgskolen i Innlandet",
    ]


@pytest.mark.parametrize("audience", ["mindre distriktskommunene", "fylkeskommuner", "statsforvaltere"])
def test_the_example_says_for_whom_it_is(example: Document, audience: str) -> None:
    assert audience in in_nb(example.audience)


@pytest.mark.parametrize("promise", ["gratis", "kaffe i forkant", "enkel servering i etterkant"])
def test_the_example_says_that_it_is_free_and_what_is_served(example: Document, promise: str) -> None:
    assert promise in in_nb(example.serving)


def test_the_example_takes_sign_ups_for_the_room_through_29_may_and_online_until_the_end(example: Document) -> None:
    seminar = Seminar(document=example, revision=1)

    assert seminar.is_open(Attendance.IN_PERSON, datetime(2023, 5, 29, 23, 59, tzinfo=OSLO))
    assert not seminar.is_open(Attendance.IN_PERSON, datetime(2023, 5, 30, tzinfo=OSLO))
    assert seminar.is_open(Attendance.ONLINE, END - INSTANT)


@pytest.mark.parametrize(
    "fact",
    [
        "nasjonale forventninger",
        "kommunal og regional planlegging",
        "bistand",
        "klima- og miljøpolitiske",
        "attraktivt sted å bo",
        "to bolker",
        "forskningsbasert kunnskapsgrunnlag",
        "planstrategi 4.0",
        "gode hjelpere",
        "strømmes på denne siden",
        "opptaket",
    ],
)
def test_the_example_tells_what_the_announcement_told(example: Document, fact: str) -> None:
    assert fact in in_nb(example.description)


def test_the_example_is_streamed_to_all_and_not_recorded_yet(example: Document) -> None:
    assert example.livestream
    assert example.livestream.access == "public"
    assert example.recording is None


def test_the_example_speaks_all_three_languages_where_it_speaks_itself(example: Document) -> None:
    for text in (example.summary, example.description, example.audience, example.serving):
        assert isinstance(text, dict)
        assert set(text) == {"nb", "nn", "en"}
    assert make_body()["slug"] == example.slug


def test_a_deadline_that_is_only_a_date_lasts_until_that_day_is_over() -> None:
    document = make_document(attendance={"online": {"deadline": "2023-05-29"}})

    mode = document.attendance[Attendance.ONLINE]
    assert mode.deadline == datetime(2023, 5, 29, 23, 59, 59)
