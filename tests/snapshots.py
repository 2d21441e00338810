"""Messages as the services send them, with whatever a test wants otherwise."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from shared.messages import (
    Attendance,
    AttendanceMode,
    Message,
    RegistrationSnapshot,
    RegistrationStatus,
    ReminderRule,
    SeminarSnapshot,
    Venue,
)

OSLO = ZoneInfo("Europe/Oslo")
BEGINNING = datetime(2023, 5, 22, 9, 0, tzinfo=OSLO).astimezone(UTC)
START = datetime(2023, 6, 1, 10, 0, tzinfo=OSLO).astimezone(UTC)
END = datetime(2023, 6, 1, 13, 15, tzinfo=OSLO).astimezone(UTC)
DAY_BEFORE = ReminderRule(before_start="P1D", attendance=tuple(Attendance))
QUARTER_BEFORE = ReminderRule(before_start="PT15M", attendance=(Attendance.ONLINE,))

_numbers = itertools.count(1)


def make_seminar(**overrides: Any) -> SeminarSnapshot:
    values: dict[str, Any] = {
        "slug": "planstrategi-4-0",
        "revision": 1,
        "status": "published",
        "title": "Planstrategi 4.0 – småkommuner og de gode hjelperne",
        "start": START,
        "end": END,
        "zone": "Europe/Oslo",
        "venue": Venue(name="Akersgata 64", address="Akersgata 64, Oslo"),
        "attendance": {
            Attendance.IN_PERSON: AttendanceMode(capacity=60, deadline=datetime(2023, 5, 29, 21, 59, 59, tzinfo=UTC)),
            Attendance.ONLINE: AttendanceMode(),
        },
        "reminders": (DAY_BEFORE, QUARTER_BEFORE),
    }
    return SeminarSnapshot(**values | overrides)


def make_registration(**overrides: Any) -> RegistrationSnapshot:
    number = next(_numbers)
    values: dict[str, Any] = {
        "id": uuid4(),
        "version": 1,
        "seminar": "planstrategi-4-0",
        "status": RegistrationStatus.CONFIRMED,
        "attendance": Attendance.ONLINE,
        "name": f"Kari Nordmann {number}",
        "email": f"kari{number}@solund.example.no",
        "language": "nb",
        "registered_at": BEGINNING + timedelta(seconds=1),
        "confirmed_at": BEGINNING + timedelta(seconds=1),
    }
    return RegistrationSnapshot(**values | overrides)


def make_message(data: SeminarSnapshot | RegistrationSnapshot, kind: str = "") -> Message:
    if isinstance(data, SeminarSnapshot):
        source, usual = "/catalog", "seminar.published" if data.revision == 1 else "seminar.changed"
        subject = data.slug
    else:
        source, usual = "/registration", f"registration.{data.status}" if data.version == 1 else "registration.changed"
        subject = str(data.id)
    return Message(source=source, type=kind or usual, subject=subject, time=BEGINNING, data=data)
