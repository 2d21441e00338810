"""What somebody else's machine writes to us: a value for each kind of message, whatever its bytes are."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from email.parser import BytesParser
from email.policy import compat32
from email.utils import parseaddr
from typing import NamedTuple

from icalendar import Calendar, Component

from services.notification.bounces import Bounced, Headers, field, read_report

LARGEST = 1_000_000  # bytes that are looked at of one message; a report stands before what it returns (RFC 6522, 3)
MOST_PARTS = 50  # one that has more parts within parts was written to keep its readers busy
ADDRESSED = ("To", "Delivered-To", "X-Original-To", "Envelope-To")
NESTS = re.compile(rb"(?:multipart|message)/", re.IGNORECASE)
TAG = re.compile(r"\+([a-z2-7]{42})@", re.IGNORECASE)
PARSER = BytesParser(policy=compat32)  # the newer policies stumble over headers that are none


class Declined(NamedTuple):
    """A calendar's reply that somebody will not come (RFC 5546, 3.2.3)."""

    tags: tuple[str, ...]  # in the addresses that it came to
    sender: str  # as the message claims
    uid: str


class AutoReply(NamedTuple):
    """Written by no person, to be answered by nobody (RFC 3834, 2)."""


class Other(NamedTuple):
    """Nothing that we do anything with."""

    why: str


Received = Bounced | Declined | AutoReply | Other


def read(content: bytes, recipients: Iterable[str] = ()) -> Received:
    """Return what the message is (RFC 5322); never raises. `recipients` are the envelope's, if they are known."""
    content = content[:LARGEST]
    if len(NESTS.findall(content)) > MOST_PARTS:
        return Other("too many parts within parts")
    try:
        return _read(PARSER.parsebytes(content), tuple(recipients), content)
    except Exception as error:  # noqa: BLE001 - strangers choose the bytes, and parsers stumble in many ways
        return Other(f"not readable: {type(error).__name__}")


def _read(message: Headers, recipients: tuple[str, ...], content: bytes) -> Received:
    tags = _tags(message, recipients)
    report = hashlib.sha256(field(message, "Message-ID").encode() or content).hexdigest()
    if bounced := read_report(message, tags, report):
        return bounced
    if _is_automatic(message, {"no", "auto-generated"}):
        return AutoReply()
    if uid := _declined(message):
        return Declined(tags, parseaddr(field(message, "From"))[1].lower(), uid)
    return AutoReply() if _is_automatic(message, {"no"}) else Other("neither a report nor a calendar's reply")


def _tags(message: Headers, recipients: tuple[str, ...]) -> tuple[str, ...]:
    stated = [str(value) for name in ADDRESSED for value in message.get_all(name, [])]
    return tuple(tag for text in (*recipients, *stated) for tag in TAG.findall(text))


def _is_automatic(message: Headers, by_people: set[str]) -> bool:
    """Return whether a machine has answered in somebody's stead.

    A calendar that somebody has pressed a button in sends what it then says as auto-generated, not as auto-replied.
    """
    submitted = field(message, "Auto-Submitted").partition(";")[0].strip().lower()
    return (
        (submitted or "no") not in by_people
        or any(name in message for name in ("X-Autoreply", "X-Autorespond", "List-Id"))
        or field(message, "Precedence").lower() in {"bulk", "junk", "list", "auto_reply"}
        or field(message, "Return-Path") == "<>"
    )


def _declined(message: Headers) -> str | None:
    """Return the UID of what somebody declines, if the message is a calendar's reply that says so."""
    for component in _calendars(message):
        if str(component.get("METHOD", "")).upper() != "REPLY":
            continue
        for event in component.walk("VEVENT"):
            attendees = event.get("ATTENDEE", [])
            for attendee in attendees if isinstance(attendees, list) else [attendees]:
                if str(attendee.params.get("PARTSTAT", "")).upper() == "DECLINED":
                    return str(event.get("UID", "")) or None
    return None


def _calendars(message: Headers) -> Iterator[Component]:
    for part in message.walk():
        if part.get_content_type() in ("text/calendar", "application/ics"):
            content = part.get_payload(decode=True)
            if isinstance(content, bytes):
                yield Calendar.from_ical(content.decode("utf-8", "replace"))
