"""Calendars as icalendar reads them back, and as the rules of RFC 5545 read line by line, by other means than ours."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from shared.calendar import Entry, Method, calendar, uid
from tests.factories import END, NOW, OSLO, START, UNHURRIED

WINTER = datetime(2023, 12, 1, 9, tzinfo=UTC)
LONG = "Småkommuner og bærekraft; «planstrategi 4.0», og de gode hjelperne – " * 8
LINE = re.compile(r'[A-Z-]+(;[A-Z-]+=("[^"]*"|[^";:,]*))*:.*')

printable = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=200)


def make_entry(**overrides: Any) -> Entry:
    sound: dict[str, Any] = {
        "uid": "planstrategi-4-0@seminars.example.org",
        "sequence": 1,
        "summary": "Planstrategi 4.0",
        "description": "Et fagseminar\n\nhttps://seminars.example.org/seminars/planstrategi-4-0",
        "location": "Akersgata 64, Oslo",
        "url": "https://seminars.example.org/seminars/planstrategi-4-0",
        "start": START,
        "end": END,
        "zone": "Europe/Oslo",
        "organiser": "plan@example.org",
    }
    return Entry(**sound | overrides)


def made(*entries: Entry, method: Method = "PUBLISH") -> bytes:
    return calendar(list(entries), method, NOW)


def lines(content: bytes) -> list[str]:
    """Return the content lines, unfolded (RFC 5545, 3.1)."""
    return content.decode().replace("\r\n ", "").split("\r\n")[:-1]


def line(content: bytes, name: str) -> str:
    """Return the one line of the event, alarms and zones apart, that has this name."""
    inside = "\n".join(lines(content)).partition("BEGIN:VEVENT")[2].partition("BEGIN:VALARM")[0]
    (found,) = re.findall(rf"^{name}[;:].*$", inside, re.MULTILINE)
    return str(found)


def last_sunday(year: int, month: int) -> date:
    day = date(year, month, 31)
    return day - timedelta(days=(day.weekday() + 1) % 7)


def instant(local: str) -> datetime:
    """Return the instant of a local time in Oslo by the letter of the directive, not by a library."""
    naive = datetime.strptime(local, "%Y%m%dT%H%M%S")  # noqa: DTZ007 - the zone is what is worked out here
    summer = last_sunday(naive.year, 3) <= naive.date() < last_sunday(naive.year, 10)  # no test starts that night
    return naive.replace(tzinfo=UTC) - timedelta(hours=2 if summer else 1)


# --- as a whole ---


def test_the_object_opens_and_closes_as_it_should_and_says_who_made_it_and_how() -> None:
    read = lines(made(make_entry()))

    assert read[0] == "BEGIN:VCALENDAR"
    assert read[-1] == "END:VCALENDAR"
    assert "VERSION:2.0" in read
    assert [entry for entry in read if entry.startswith("PRODID:")]


def test_every_line_ends_with_cr_lf_and_none_stands_alone() -> None:
    content = made(make_entry(description=LONG + "\n\n" + LONG))

    assert content.endswith(b"\r\n")
    assert content.count(b"\r") == content.count(b"\n") == content.count(b"\r\n")


@UNHURRIED
@given(summary=printable, location=printable)
def test_no_line_is_longer_than_75_octets_and_every_one_is_well_formed(summary: str, location: str) -> None:
    content = made(make_entry(summary=summary, location=location, description=LONG))

    assert all(len(physical) <= 75 for physical in content.split(b"\r\n"))
    assert all(LINE.fullmatch(logical) for logical in lines(content))


@UNHURRIED
@given(summary=printable, location=printable)
def test_what_is_written_is_read_back_by_a_calendar(summary: str, location: str) -> None:
    (event,) = Calendar.from_ical(made(make_entry(summary=summary, location=location))).walk("VEVENT")

    assert str(event["summary"]) == summary
    assert str(event["location"]) == location


def test_commas_semicolons_and_new_lines_are_escaped() -> None:
    content = made(make_entry(summary="Kaffe, te; kake\\is", description="først\nså"))

    assert line(content, "SUMMARY") == r"SUMMARY:Kaffe\, te\; kake\\is"
    assert line(content, "DESCRIPTION") == r"DESCRIPTION:først\nså"


def test_no_text_can_add_a_line_of_its_own() -> None:
    content = made(make_entry(summary="x\r\nATTENDEE:mailto:mallory@example.org"))

    assert "ATTENDEE:mailto:mallory@example.org" not in lines(content)


def test_several_seminars_stand_in_one_object_with_one_zone() -> None:
    content = made(make_entry(uid="a@example.org"), make_entry(uid="b@example.org"))

    assert lines(content).count("BEGIN:VEVENT") == 2
    assert lines(content).count("BEGIN:VTIMEZONE") == 1


def test_no_seminars_are_an_object_all_the_same() -> None:
    assert lines(made())[0] == "BEGIN:VCALENDAR"


# --- time ---


def test_the_zone_is_given_by_the_rules_as_they_stand() -> None:
    content = lines(made(make_entry()))
    zone = content[content.index("BEGIN:VTIMEZONE") : content.index("END:VTIMEZONE")]

    assert "TZID:Europe/Oslo" in zone
    assert zone.count("BEGIN:STANDARD") == zone.count("BEGIN:DAYLIGHT") == 1
    assert "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10" in zone
    assert "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3" in zone
    assert [entry for entry in zone if entry.startswith("TZOFFSETTO:")] == ["TZOFFSETTO:+0100", "TZOFFSETTO:+0200"]
    assert not any(entry.startswith("RDATE") for entry in zone)


@pytest.mark.parametrize(("start", "local"), [(START, "20230601T100000"), (WINTER, "20231201T100000")])
def test_a_seminar_in_oslo_stands_at_its_local_time_with_the_zone(start: datetime, local: str) -> None:
    content = made(make_entry(start=start, end=start + timedelta(hours=3)))

    assert line(content, "DTSTART") == f"DTSTART;TZID=Europe/Oslo:{local}"
    assert line(content, "DTEND").startswith("DTEND;TZID=Europe/Oslo:")
    assert instant(local) == start


@UNHURRIED
@given(st.datetimes(datetime(2000, 1, 1, 4), datetime(2036, 12, 31, 20)))
def test_the_instant_that_a_calendar_works_out_is_the_one_that_was_meant(local: datetime) -> None:
    start = local.replace(microsecond=0, hour=max(local.hour, 4), tzinfo=OSLO)  # not in the night that clocks change

    content = made(make_entry(start=start.astimezone(UTC), end=start.astimezone(UTC)))

    (event,) = Calendar.from_ical(content).walk("VEVENT")
    assert instant(line(content, "DTSTART").partition(":")[2]) == start
    assert event.decoded("dtstart") == start


def test_a_seminar_in_another_zone_stands_in_utc_and_needs_no_zone() -> None:
    content = made(make_entry(zone="Europe/London"))

    assert line(content, "DTSTART") == "DTSTART:20230601T080000Z"
    assert line(content, "DTEND") == "DTEND:20230601T111500Z"
    assert b"VTIMEZONE" not in content


def test_the_stamp_is_the_instant_of_making_in_utc() -> None:
    assert line(made(make_entry()), "DTSTAMP") == "DTSTAMP:20230522T070000Z"


def test_a_quarter_of_an_hour_before_the_start_it_rings() -> None:
    content = lines(made(make_entry()))
    alarm = content[content.index("BEGIN:VALARM") : content.index("END:VALARM")]

    assert "TRIGGER:-PT15M" in alarm
    assert "ACTION:DISPLAY" in alarm
    assert any(entry.startswith("DESCRIPTION:") for entry in alarm)


# --- revisions, methods, cancelling ---


def test_the_same_seminar_has_the_same_uid_wherever_and_whenever_it_is_told_of() -> None:
    addresses = ["https://seminars.example.org", "http://seminars.example.org:8000", "https://seminars.example.org/x"]

    assert {uid("planstrategi-4-0", address) for address in addresses} == {"planstrategi-4-0@seminars.example.org"}


@pytest.mark.parametrize("revision", [1, 7])
def test_the_sequence_is_the_revision(revision: int) -> None:
    assert line(made(make_entry(sequence=revision)), "SEQUENCE") == f"SEQUENCE:{revision}"


@pytest.mark.parametrize("method", ["PUBLISH", "REQUEST", "CANCEL"])
def test_the_method_stands_once_and_outside_the_event(method: Method) -> None:
    content = lines(made(make_entry(), method=method))

    assert [entry for entry in content if entry.startswith("METHOD:")] == [f"METHOD:{method}"]
    assert content.index(f"METHOD:{method}") < content.index("BEGIN:VEVENT")


def test_who_asked_for_a_calendar_of_their_own_is_an_attendee_of_whom_nothing_is_asked() -> None:
    content = made(make_entry(attendee="kari@example.org"), method="REQUEST")

    attendee = line(content, "ATTENDEE")
    assert attendee.endswith(":mailto:kari@example.org")
    assert "PARTSTAT=ACCEPTED" in attendee
    assert "RSVP=FALSE" in attendee
    assert line(content, "ORGANIZER") == "ORGANIZER:mailto:plan@example.org"


def test_what_is_published_for_all_names_no_attendee() -> None:
    assert b"ATTENDEE" not in made(make_entry(attendee="kari@example.org"))


def test_without_an_organiser_there_is_no_such_line() -> None:
    assert b"ORGANIZER" not in made(make_entry(organiser=None))


def test_a_seminar_that_stands_is_confirmed() -> None:
    assert line(made(make_entry()), "STATUS") == "STATUS:CONFIRMED"


@pytest.mark.parametrize("method", ["PUBLISH", "CANCEL"])
def test_a_cancelled_seminar_says_so_and_rings_no_more(method: Method) -> None:
    content = made(make_entry(cancelled=True, sequence=2), method=method)

    assert line(content, "STATUS") == "STATUS:CANCELLED"
    assert line(content, "SEQUENCE") == "SEQUENCE:2"
    assert b"VALARM" not in content
