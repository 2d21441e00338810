"""What a seminar's registrations come to: seats, origins, needs, answers, coverage and the curve."""

import re
from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registration.alphabet import norwegian
from services.registration.coverage import coverage
from services.registration.curve import LONGEST, Came, curve, path
from services.registration.organisations import directory, recognise
from services.registration.tally import (
    Group,
    Origin,
    Reply,
    Room,
    Said,
    answered,
    by_county,
    by_kind,
    cancelled,
    grouped,
    rooms,
)
from shared.messages import Attendance, Option, Question, RegistrationStatus
from tests.factories import make_snapshot

IN_PERSON, ONLINE = Attendance.IN_PERSON, Attendance.ONLINE
CONFIRMED, WAITLISTED, CANCELLED = RegistrationStatus
DAY = date(2023, 6, 1)

groups = st.lists(
    st.builds(
        Group,
        attendance=st.sampled_from(Attendance),
        status=st.sampled_from(RegistrationStatus),
        online_meanwhile=st.booleans(),
        came=st.booleans(),
        people=st.integers(1, 50),
        heads=st.integers(50, 500),
    )
)
days = st.lists(
    st.builds(
        Came,
        day=st.dates(DAY, DAY + timedelta(days=600)),
        attendance=st.sampled_from(Attendance),
        people=st.integers(1, 50),
    )
)


def origin(organisation: str | None, attendance: Attendance = IN_PERSON, people: int = 1) -> Origin:
    found = recognise(organisation, None, DAY)
    return Origin(found, found, attendance, people)


def group(
    attendance: Attendance,
    status: RegistrationStatus,
    people: int,
    heads: int,
    *,
    meanwhile: bool = False,
    came: bool = False,
) -> Group:
    return Group(attendance, status, meanwhile, came, people, heads)


# --- seats ---


def test_who_waits_and_attends_online_meanwhile_is_counted_there_too() -> None:
    found = rooms(
        make_snapshot(capacity=2),
        [
            group(IN_PERSON, CONFIRMED, 2, 2, came=True),
            group(IN_PERSON, WAITLISTED, 3, 3),
            group(IN_PERSON, WAITLISTED, 4, 4, meanwhile=True),
            group(ONLINE, CONFIRMED, 5, 9),
            group(ONLINE, CANCELLED, 6, 6),
        ],
    )

    assert found == {IN_PERSON: Room(2, 2, 7, 2, 2), ONLINE: Room(9, 13, 0, 0, None)}
    assert (found[IN_PERSON].free, found[ONLINE].free) == (0, None)


@given(groups, st.none() | st.integers(0, 100))
def test_everybody_is_counted_once_where_they_stand(found: list[Group], capacity: int | None) -> None:
    standing = rooms(make_snapshot(capacity=capacity), found)

    waiting = sum(room.waiting for room in standing.values())
    confirmed = sum(g.people for g in found if g.status is CONFIRMED)
    meanwhile = sum(g.people for g in found if g.status is WAITLISTED and g.online_meanwhile)
    assert sum(room.confirmed for room in standing.values()) == confirmed + meanwhile
    assert confirmed + waiting + cancelled(found) == sum(g.people for g in found)
    assert all(room.free is None or 0 <= room.free <= (room.capacity or 0) for room in standing.values())


# --- where they come from ---


def test_people_are_counted_by_kind_of_organisation_and_by_county() -> None:
    origins = [
        origin("Solund kommune", people=2),
        origin("bergen", ONLINE),
        origin("Vestland fylkeskommune"),
        origin("Statsforvalteren i Vestland"),
        origin("Rådgiverne AS", people=4),
        origin(None),
    ]

    assert {line.name: line.total for line in by_kind(origins)} == {
        "municipality": 3,
        "county_authority": 1,
        "state_governor": 1,
        "other": 5,
    }
    assert [(line.name, line.total) for line in by_county(origins)] == [("Vestland", 5), ("", 5)]
    assert by_county(origins)[0].people == {IN_PERSON: 4, ONLINE: 1}


def test_a_municipality_is_covered_by_whoever_comes_from_there() -> None:
    origins = [origin("Solund kommune"), origin("Bergen kommune", ONLINE), origin("Vestland fylkeskommune")]

    vestland = next(county for county in coverage(directory(DAY), origins) if county.name == "Vestland")

    assert (vestland.covered, vestland.municipalities, vestland.percent) == (2, 43, 4)
    assert {"Solund kommune", "Bergen kommune"}.isdisjoint(one.name for one in vestland.missing)


def test_no_share_is_full_as_long_as_somebody_is_missing() -> None:
    rogaland = [one for one in directory(DAY) if one.county == "Rogaland" and one.kind == "municipality"]
    origins = [Origin(one, one, IN_PERSON, 1) for one in rogaland]

    shares = [
        next(c for c in coverage(directory(DAY), there) if c.name == "Rogaland").percent
        for there in (origins[1:], origins)
    ]

    assert shares[0] < shares[1] == 100


def test_missing_municipalities_stand_in_norwegian_order() -> None:
    names = [one.name for one in coverage(directory(DAY), [])[-1].missing]

    assert names == sorted(names, key=norwegian)
    assert sorted(["Åsnes", "Øyer", "Ærø", "Zeta", "Árdal", "Berg"], key=norwegian) == [
        "Árdal",
        "Berg",
        "Zeta",
        "Ærø",
        "Øyer",
        "Åsnes",
    ]


# --- needs and answers ---


def test_spellings_of_one_need_are_counted_together_as_most_wrote_it() -> None:
    said = [Said("vegan", 1), Said("Vegan", 2), Said(" VEGAN ", 1), Said("uten  gluten", 1), Said("Uten gluten", 1)]

    assert grouped(said) == (Said("Vegan", 4), Said("Uten gluten", 2))


@given(st.lists(st.builds(Said, text=st.text(max_size=5), people=st.integers(1, 9))))
def test_nobodys_need_is_lost_or_counted_twice(said: list[Said]) -> None:
    found = grouped(said)

    folded = Counter(" ".join(each.text.split()).casefold() for each in said)
    assert sum(each.people for each in found) == sum(each.people for each in said)
    assert len(found) == len(folded)


def test_answers_are_counted_by_option_those_too_that_nobody_chose() -> None:
    options = tuple(Option(id=name, text=name) for name in ("a", "b", "c"))
    several = Question(id="s", text="Hva?", kind="several", options=options)
    own = Question(id="t", text="Hvem?", kind="text")

    found = answered(
        [several, own],
        [
            Reply("s", ("a", "b"), 2),
            Reply("s", ("b",), 1),
            Reply("t", "Ola", 1),
            Reply("t", "ola", 2),
            Reply("x", "y", 1),
        ],
    )

    assert found[0].replies == (Said("a", 2), Said("b", 3), Said("c", 0))
    assert found[1].replies == (Said("ola", 3),)


# --- the curve ---


@given(days)
def test_the_curve_only_rises_day_by_day_and_ends_at_everybody(came: list[Came]) -> None:
    found = curve(came)

    for attendance, totals in found.totals.items():
        assert list(totals) == sorted(totals)
        assert (totals[-1] if totals else 0) == sum(each.people for each in came if each.attendance is attendance)
    assert len(found.days) <= LONGEST
    assert all(later - day == timedelta(days=1) for day, later in zip(found.days, found.days[1:], strict=False))
    assert not came or found.days[-1] == max(each.day for each in came)


@given(st.lists(st.integers(0, 1000), max_size=50), st.integers(1, 800), st.integers(1, 400))
def test_the_line_stays_inside_its_box_and_goes_from_edge_to_edge(added: list[int], width: int, height: int) -> None:
    totals = [sum(added[: place + 1]) for place in range(len(added))]
    drawn = path(totals, max(totals, default=0), width, height)

    xs = [float(x) for x in re.findall(r"H([\d.]+)", drawn)]
    ys = [float(y) for y in re.findall(r"V([\d.]+)", drawn)]
    assert xs == sorted(xs)
    assert ys == sorted(ys, reverse=True)
    assert all(0 <= y <= height for y in ys)
    assert len(ys) == len(totals)
    assert not totals or (abs(xs[-1] - width) < 0.1 and (ys[-1] == 0) == (totals[-1] > 0))


@pytest.mark.parametrize(
    ("totals", "drawn"), [((), ""), ((1,), "M0 10V0H100"), ((1, 2), "M0 10V5H50V0H100"), ((0, 0), "M0 10V10H50V10H100")]
)
def test_the_line_is_drawn_in_steps(totals: tuple[int, ...], drawn: str) -> None:
    assert path(totals, max(totals, default=0), 100, 10) == drawn
