"""Calendar entries (RFC 5545, RFC 5546): the same UID for a seminar in every file and e-mail, a SEQUENCE that rises."""

from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from icalendar import Alarm, Calendar, Event, Timezone, vCalAddress, vDuration, vText, vUri

from shared.messages import Frozen

Method = Literal["PUBLISH", "REQUEST", "CANCEL"]

# As the rules stand (Directive 2000/84/EC), not as a list of past changes.
OSLO = Timezone.from_ical(
    "BEGIN:VTIMEZONE\r\nTZID:Europe/Oslo\r\n"
    "BEGIN:STANDARD\r\nDTSTART:19961027T030000\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\n"
    "TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nTZNAME:CET\r\nEND:STANDARD\r\n"
    "BEGIN:DAYLIGHT\r\nDTSTART:19970330T020000\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\n"
    "TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nTZNAME:CEST\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n"
)
ALARM = timedelta(minutes=15)  # before the start
REFRESH = timedelta(hours=1)  # between two looks at a calendar that is subscribed to


class Entry(Frozen):
    """What a calendar is told of a seminar."""

    uid: str
    sequence: int
    summary: str
    description: str
    location: str
    url: str
    start: datetime
    end: datetime
    zone: str
    organiser: str | None = None  # an e-mail address
    attendee: str | None = None  # an e-mail address, for REQUEST and CANCEL (RFC 5546, 3.2)
    cancelled: bool = False
    created: datetime | None = None
    changed: datetime | None = None


class Subscription(Frozen):
    """What a calendar that is subscribed to says of itself (RFC 7986, 5)."""

    name: str
    url: str


def uid(slug: str, public_url: str) -> str:
    """Return the one UID of a seminar (RFC 5545, 3.8.4.7)."""
    host = public_url.partition("://")[2].partition("/")[0].partition(":")[0]
    return f"{slug}@{host}"


def calendar(
    entries: list[Entry], method: Method, stamped: datetime, subscription: Subscription | None = None
) -> bytes:
    """Return the iCalendar object that carries `entries`, stamped with the instant it was made.

    A subscription does not ring: it holds what its reader has not signed up for.
    """
    made = Calendar()
    made.add("prodid", "-//Fagseminar//Fagseminar//NO")
    made.add("version", "2.0")
    made.add("method", method)
    if subscription:
        _describe(made, subscription)
    if any(entry.zone == "Europe/Oslo" for entry in entries):
        made.add_component(OSLO)
    for entry in entries:
        event = _event(entry, method, stamped)
        if not (entry.cancelled or subscription):
            event.add_component(_alarm(entry.summary))
        made.add_component(event)
    content: bytes = made.to_ical()
    return content


def _event(entry: Entry, method: Method, stamped: datetime) -> Event:
    event = Event()
    zone = ZoneInfo(entry.zone) if entry.zone == "Europe/Oslo" else UTC
    event.add("uid", entry.uid)
    event.add("sequence", entry.sequence)
    event.add("dtstamp", stamped.astimezone(UTC))
    event.add("dtstart", entry.start.astimezone(zone))
    event.add("dtend", entry.end.astimezone(zone))
    event.add("summary", entry.summary)
    event.add("description", entry.description)
    event.add("location", entry.location)
    event.add("url", entry.url)
    event.add("status", "CANCELLED" if entry.cancelled else "CONFIRMED")
    if entry.organiser:
        event.add("organizer", vCalAddress(f"mailto:{entry.organiser}"))
    if entry.attendee and method != "PUBLISH":
        event.add("attendee", _attendee(entry.attendee))
    for name, moment in (("created", entry.created), ("last-modified", entry.changed)):
        if moment:
            event.add(name, moment.astimezone(UTC))
    return event


def _describe(made: Calendar, subscription: Subscription) -> None:
    """Say it twice: as the standard has it, and as calendars did before there was one."""
    made.add("name", vText(subscription.name))
    made.add("x-wr-calname", vText(subscription.name))
    made.add("source", vUri(subscription.url, params={"VALUE": "URI"}))
    made.add("refresh-interval", vDuration(REFRESH, params={"VALUE": "DURATION"}))
    made.add("x-published-ttl", vDuration(REFRESH))


def _attendee(address: str) -> vCalAddress:
    attendee = vCalAddress(f"mailto:{address}")
    attendee.params["PARTSTAT"] = vText("ACCEPTED")  # they signed up; nothing is asked of them
    attendee.params["RSVP"] = vText("FALSE")
    return attendee


def _alarm(summary: str) -> Alarm:
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", summary)
    alarm.add("trigger", -ALARM)
    return alarm
