"""Who is admitted, and what people may tell of themselves."""

from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.registration.model import (
    MOST_PROMOTED,
    Refusal,
    RefusedError,
    admit,
    email_key,
    free_seats,
    refuse,
    snapshot,
)
from shared.messages import Attendance, RegistrationStatus, SeminarSnapshot
from shared.web.problems import field_errors
from tests.factories import (
    DEADLINE,
    END,
    NOW,
    START,
    UNHURRIED,
    make_details,
    make_registration,
    make_sign_up,
    make_snapshot,
)

INSTANT = timedelta(microseconds=1)
IN_PERSON, ONLINE = Attendance.IN_PERSON, Attendance.ONLINE

seats = st.integers(0, 200)
moments = st.sampled_from([m + d for m in (NOW, DEADLINE, START, END) for d in (-INSTANT, 0 * INSTANT, INSTANT)])
seminars = st.builds(
    make_snapshot,
    capacity=st.none() | seats,
    status=st.sampled_from(["published", "cancelled"]),
    opens=st.none() | moments,
)


def wrong(**overrides: Any) -> list[str]:
    """Return the fields that are wrong with a sign-up; a rule of the whole names its field first."""
    with pytest.raises(ValidationError) as refused:
        make_sign_up(**overrides)
    return [e["detail"].partition(":")[0] if e["field"] == "body" else e["field"] for e in field_errors(refused.value)]


# --- who is admitted ---


@pytest.mark.parametrize(
    ("capacity", "taken", "status"),
    [
        (60, 0, RegistrationStatus.CONFIRMED),
        (60, 59, RegistrationStatus.CONFIRMED),
        (60, 60, RegistrationStatus.WAITLISTED),
        (60, 90, RegistrationStatus.WAITLISTED),
        (0, 0, RegistrationStatus.WAITLISTED),
        (None, 100_000, RegistrationStatus.CONFIRMED),
    ],
)
def test_who_signs_up_gets_a_seat_while_there_is_one_and_else_a_place_in_the_line(
    capacity: int | None, taken: int, status: RegistrationStatus
) -> None:
    assert admit(make_snapshot(capacity=capacity), IN_PERSON, taken, NOW) is status


@pytest.mark.parametrize(
    ("overrides", "attendance", "now", "refusal"),
    [
        ({}, IN_PERSON, NOW, None),
        ({}, IN_PERSON, DEADLINE, None),
        ({}, IN_PERSON, DEADLINE + INSTANT, Refusal.DEADLINE_PASSED),
        ({}, ONLINE, DEADLINE + INSTANT, None),
        ({}, ONLINE, START, None),
        ({}, ONLINE, END - INSTANT, None),
        ({}, ONLINE, END, Refusal.OVER),
        ({}, IN_PERSON, END, Refusal.OVER),
        ({"status": "cancelled"}, ONLINE, NOW, Refusal.CANCELLED),
        ({"status": "cancelled"}, ONLINE, END, Refusal.CANCELLED),
        ({"attendance": {"online": {}}}, IN_PERSON, NOW, Refusal.NOT_OFFERED),
        ({"opens": NOW}, ONLINE, NOW - INSTANT, Refusal.NOT_OPEN),
        ({"opens": NOW}, ONLINE, NOW, None),
    ],
)
def test_each_reason_to_refuse_has_its_name(
    overrides: dict[str, Any], attendance: Attendance, now: datetime, refusal: Refusal | None
) -> None:
    assert refuse(make_snapshot(**overrides), attendance, now) is refusal


@UNHURRIED
@given(seminars, st.sampled_from(Attendance), seats, moments)
def test_whoever_is_not_refused_is_admitted_and_nobody_else(
    seminar: SeminarSnapshot, attendance: Attendance, taken: int, now: datetime
) -> None:
    refusal = refuse(seminar, attendance, now)

    if refusal is None:
        assert admit(seminar, attendance, taken, now) in (RegistrationStatus.CONFIRMED, RegistrationStatus.WAITLISTED)
    else:
        with pytest.raises(RefusedError) as refused:
            admit(seminar, attendance, taken, now)
        assert refused.value.refusal is refusal


@UNHURRIED
@given(seats, seats)
def test_admitting_one_after_the_other_never_oversells(capacity: int, people: int) -> None:
    seminar = make_snapshot(capacity=capacity)

    statuses = [admit(seminar, IN_PERSON, taken, NOW) for taken in range(people)]

    assert statuses.count(RegistrationStatus.CONFIRMED) == min(capacity, people)
    assert statuses == sorted(statuses)  # "confirmed" before "waitlisted": nobody overtakes


# --- seats for those who wait ---


@UNHURRIED
@given(seminars, seats, moments)
def test_those_who_wait_get_what_is_free_and_no_more(seminar: SeminarSnapshot, confirmed: int, now: datetime) -> None:
    free = free_seats(seminar, Attendance.IN_PERSON, confirmed, now)

    capacity = seminar.attendance[IN_PERSON].capacity
    assert free >= 0
    assert capacity is None or confirmed + free <= max(capacity, confirmed)


@pytest.mark.parametrize(("confirmed", "free"), [(0, 60), (58, 2), (60, 0), (61, 0)])
def test_free_is_what_nobody_has(confirmed: int, free: int) -> None:
    assert free_seats(make_snapshot(), Attendance.IN_PERSON, confirmed, NOW) == free


def test_a_room_without_a_limit_takes_all_who_wait() -> None:
    assert free_seats(make_snapshot(capacity=None), Attendance.IN_PERSON, 1000, NOW) == MOST_PROMOTED


@pytest.mark.parametrize(
    ("overrides", "now"),
    [
        ({}, DEADLINE + INSTANT),
        ({}, END),
        ({"status": "cancelled"}, NOW),
        ({"attendance": {"online": {}}}, NOW),
    ],
)
def test_nobody_is_given_a_seat_when_plans_are_made_or_there_is_nothing_to_come_to(
    overrides: dict[str, Any], now: datetime
) -> None:
    assert free_seats(make_snapshot(**overrides), Attendance.IN_PERSON, 0, now) == 0


def test_on_the_deadline_itself_seats_are_still_given() -> None:
    assert free_seats(make_snapshot(), Attendance.IN_PERSON, 0, DEADLINE) == 60


# --- what people tell of themselves ---

INVISIBLE = ["\x00", "\n", "\r", "\r\n", "\t", "\x1b", "\x7f", "\x85", "\u200b", "\u202e", "\u2028", "\ufeff", "\ud800"]


@pytest.mark.parametrize("field", ["name", "organisation", "dietary_needs"])
@pytest.mark.parametrize("character", INVISIBLE, ids=ascii)
def test_a_character_that_could_break_out_of_a_header_or_hide_in_it_is_refused(field: str, character: str) -> None:
    assert wrong(**{field: f"Kari{character}Nordmann"}) == [field]


@pytest.mark.parametrize(
    "text",
    ["=?utf-8?q?Kari=0D=0ABcc:_mallory@example.org?=", "Kari =?utf-8?b?DQpCY2M6IG0=?=", "=?"],
)
@pytest.mark.parametrize("field", ["name", "organisation", "dietary_needs"])
def test_an_encoded_word_that_could_hide_a_header_is_refused(field: str, text: str) -> None:
    assert wrong(**{field: text}) == [field]


@UNHURRIED
@given(st.text(max_size=60))
def test_no_name_that_is_taken_adds_a_header_to_an_email(name: str) -> None:
    try:
        taken = make_sign_up(name=name).name
    except ValidationError:
        return

    email = EmailMessage()
    email["Subject"] = taken
    assert email.as_bytes().count(b"\n") == len(email.as_bytes().splitlines())
    assert [line.partition(b":")[0] for line in email.as_bytes().splitlines() if not line[:1].isspace()] in (
        [b"Subject", b""],
        [b"Subject"],
    )
    assert taken == taken.strip()
    assert taken.isprintable()


@pytest.mark.parametrize("name", ["Kari Nordmann", "Áile Ž. Đoŋŋá", "O'Hara-Åsæn", "김철수", "x" * 200, " Kari "])
def test_people_are_called_what_they_are_called(name: str) -> None:
    assert make_sign_up(name=name).name == name.strip()


@pytest.mark.parametrize("name", ["", " ", "\n", "x" * 201, None, 7, ["Kari"]])
def test_a_name_is_one_line_of_text(name: Any) -> None:
    assert wrong(name=name) == ["name"]


def test_a_name_pasted_with_a_hard_space_is_taken() -> None:
    assert make_sign_up(name="Kari\u00a0Nordmann").name.split() == ["Kari", "Nordmann"]


@pytest.mark.parametrize(
    "email",
    [
        "kari@example.org",
        "Kari.Nordmann+seminar@post.solund.kommune.no",
        "o'hara@example.org",
        "post@blåbær.no",
        "post@xn--blbr-roah.no",
        "x" * 60 + "@example.org",
    ],
)
def test_an_address_that_can_be_mailed_is_taken(email: str) -> None:
    assert make_sign_up(email=f"  {email} ").email == email


@pytest.mark.parametrize(
    "email",
    [
        "",
        "kari",
        "kari@localhost",
        "@example.org",
        "kari@example",
        "kari@example..org",
        "kari@-example.org",
        "kari.@example.org",
        ".kari@example.org",
        "ka ri@example.org",
        "kari@exam ple.org",
        '"kari"@example.org',
        "kari@[127.0.0.1]",
        "kari@127.0.0.1",
        "kari@example.org,mallory@example.org",
        "Kari <kari@example.org>",
        "kari@example.org\nBcc: mallory@example.org",
        "kari\r\n@example.org",
        "kari@example.org\x00",
        "=?utf-8?q?kari?=@example.org",
        "kåri@example.org",
        "x" * 250 + "@example.org",
        None,
        7,
    ],
)
def test_an_address_that_cannot_be_mailed_or_hides_something_is_refused(email: Any) -> None:
    assert wrong(email=email) == ["email"]


@UNHURRIED
@given(st.emails())
def test_two_spellings_of_one_address_are_one_address(email: str) -> None:
    assert email_key(f" {email.upper()} ") == email_key(email.lower())


@pytest.mark.parametrize(
    ("overrides", "fields"),
    [
        ({"name": ..., "email": ..., "attendance": ...}, ["name", "email", "attendance"]),
        ({"attendance": "hybrid"}, ["attendance"]),
        ({"attendance": "online", "headcount": 0}, ["headcount"]),
        ({"attendance": "online", "headcount": 501}, ["headcount"]),
        ({"attendance": "online", "headcount": "many"}, ["headcount"]),
        ({"headcount": 2}, ["headcount"]),
        ({"attendance": "online", "dietary_needs": "vegan"}, ["dietary_needs"]),
        ({"language": "se"}, ["language"]),
        ({"municipality": "Solund"}, ["municipality"]),
        ({"municipality": "463"}, ["municipality"]),
        ({"municipality": "46366"}, ["municipality"]),
        ({"municipality": "4636\n"}, ["municipality"]),
        ({"municipality": "٤٦٣٦"}, ["municipality"]),
        ({"seminar": "x" * 81}, ["seminar"]),
        ({"nickname": "Kari"}, ["nickname"]),
        ({"id": "1"}, ["id"]),
    ],
)
def test_every_field_that_does_not_fit_is_named(overrides: dict[str, Any], fields: list[str]) -> None:
    assert wrong(**overrides) == fields


def test_a_whole_sign_up_is_taken_as_it_is() -> None:
    given = make_sign_up(
        attendance="online", organisation="Solund kommune", municipality="4636", headcount=12, language="nn"
    )

    assert (given.organisation, given.municipality, given.headcount, given.language) == (
        "Solund kommune",
        "4636",
        12,
        "nn",
    )


def test_who_says_no_more_is_one_person_who_reads_nb() -> None:
    given = make_sign_up()

    assert (given.headcount, given.language, given.organisation) == (1, "nb", None)


# --- what the others are told ---


def test_the_others_are_told_nothing_of_diets_and_organisations() -> None:
    registration = make_registration(
        details=make_details(dietary_needs="nut allergy", organisation="Solund kommune", municipality="4636")
    )

    told = snapshot(registration, place=3, link_request=2)

    assert not any(secret in told.model_dump_json() for secret in ("nut allergy", "Solund", "4636"))
    assert (told.name, told.email, told.place, told.link_request) == ("Kari Nordmann", "kari@example.org", 3, 2)
