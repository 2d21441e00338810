"""What is not wrong with a document, but its organiser would want to hear before people do."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from services.catalog.document import Document
from services.catalog.fields import in_zone
from services.catalog.holidays import holiday
from shared.faults import NOTHING
from shared.messages import LANGUAGES, Attendance, Language

NAMES: dict[Language, str] = {"nb": "Norwegian Bokmål", "nn": "Norwegian Nynorsk", "en": "English"}
SUNDAY = 7  # its number in ISO 8601


class Kind(StrEnum):
    """What a warning is about."""

    HOLIDAY = "holiday"
    SUNDAY = "sunday"
    NEVER_OPEN = "never-open"
    CAPACITY = "capacity"
    LIVESTREAM = "livestream"
    REMINDER = "reminder"
    TRANSLATION = "translation"


class Caution(NamedTuple):
    """A warning at a field: `text` is English and a key of the catalogues, as are the `values` for its %(…)s."""

    field: str
    kind: Kind
    text: str
    values: Mapping[str, str] = NOTHING


def warnings(document: Document) -> list[Caution]:
    """Return what the organiser would thank us for saying; none of it keeps a document from being published."""
    return [
        *_days_off(document),
        *_never_open(document),
        *_room_and_stream(document),
        *_not_reminded(document),
        *_untranslated("", document.model_dump()),
    ]


def _days_off(document: Document) -> Iterator[Caution]:
    if name := holiday(document.start.date()):
        yield Caution("start", Kind.HOLIDAY, "The seminar is on a public holiday: %(holiday)s.", {"holiday": name})
    elif document.start.isoweekday() == SUNDAY:
        yield Caution("start", Kind.SUNDAY, "The seminar is on a Sunday.")
    for field, deadline in _deadlines(document):
        if name := holiday(deadline.date()):
            yield Caution(field, Kind.HOLIDAY, "The deadline is on a public holiday: %(holiday)s.", {"holiday": name})
        elif deadline.isoweekday() == SUNDAY:
            yield Caution(field, Kind.SUNDAY, "The deadline is on a Sunday.")


def _deadlines(document: Document) -> Iterator[tuple[str, datetime]]:
    for attendance, mode in document.attendance.items():
        if mode.deadline:
            yield f"attendance.{attendance}.deadline", mode.deadline


def _never_open(document: Document) -> Iterator[Caution]:
    for field, deadline in _deadlines(document):
        if document.opens and document.opens > in_zone(deadline, document.zone):
            yield Caution(field, Kind.NEVER_OPEN, "Sign-up opens after this deadline, so nobody can sign up.")


def _room_and_stream(document: Document) -> Iterator[Caution]:
    room = document.attendance.get(Attendance.IN_PERSON)
    if room and room.capacity is None:
        field = "attendance.in_person.capacity"
        yield Caution(field, Kind.CAPACITY, "There is no limit to how many can attend in person.")
    streamed = document.livestream and document.livestream.url
    if Attendance.ONLINE in document.attendance and not (streamed or document.recording):
        yield Caution("livestream.url", Kind.LIVESTREAM, "The livestream has no address yet.")


def _not_reminded(document: Document) -> Iterator[Caution]:
    """Those online get the link by the reminder; whoever comes in person has it in the calendar."""
    for rule in document.reminders:
        if Attendance.ONLINE in rule.attendance and (rule.before_start or (rule.at and rule.at < document.end)):
            return
    if Attendance.ONLINE in document.attendance:
        yield Caution("reminders", Kind.REMINDER, "Nobody who attends online is reminded before the seminar.")


def _untranslated(field: str, value: Any) -> Iterator[Caution]:
    """Look for texts that are there in some languages and not in others; one text for all lacks nothing."""
    if isinstance(value, dict) and value and value.keys() <= set(LANGUAGES):
        for language in (language for language in LANGUAGES if language not in value):
            yield Caution(
                f"{field}.{language}",
                Kind.TRANSLATION,
                "This text is missing in one language: %(language)s.",
                {"language": NAMES[language]},
            )
    elif isinstance(value, dict | tuple):
        for name, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _untranslated(f"{field}.{name}".lstrip("."), part)
