"""Who has come: one use case, one function, one transaction of the caller's."""

from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from services.registration import store_door
from services.registration.model import Registration, local_day
from services.registration.store_audit import Action, Deed, audit
from services.registration.telling import tell
from shared.database import Connection
from shared.messages import Attendance, RegistrationStatus, SeminarSnapshot

Outcome = Literal["checked_in", "already", "undone", "not_in", "waitlisted", "cancelled", "online", "early", "off"]


class Checked(NamedTuple):
    """What came of it, and how the registration stands now."""

    outcome: Outcome
    registration: Registration


class Door(NamedTuple):
    """At which seminar, by whom, and when."""

    seminar: SeminarSnapshot
    by: str
    now: datetime


async def check_in(connection: Connection, door: Door, registration: UUID) -> Checked | None:
    """Note that somebody has come, once; None if they are not signed up for this seminar."""
    standing = await store_door.standing(connection, door.seminar.slug, registration)
    if standing is None:
        return None
    why = hindrance(door.seminar, standing, door.now)
    seen = None if why else await store_door.check_in(connection, registration, door.now)
    if seen:
        await _note(connection, door, "check_in", seen)
        return Checked("checked_in", seen)
    if why is None:  # another door was faster, or they have withdrawn this moment
        standing = await store_door.standing(connection, door.seminar.slug, registration) or standing
        why = hindrance(door.seminar, standing, door.now) or "already"
    return Checked(why, standing)


async def undo(connection: Connection, door: Door, registration: UUID) -> Checked | None:
    """Take it back; None if they are not signed up for this seminar."""
    standing = await store_door.standing(connection, door.seminar.slug, registration)
    if standing is None:
        return None
    unseen = await store_door.undo_check_in(connection, registration)
    if unseen is None:
        return Checked("not_in", standing)
    await _note(connection, door, "undo_check_in", unseen)
    return Checked("undone", unseen)


async def _note(connection: Connection, door: Door, action: Action, seen: Registration) -> None:
    await audit(connection, Deed(door.now, door.by, action, door.seminar.slug, seen.id))
    await tell(connection, seen, "registration.checked_in", door.now, cause="organiser")


def hindrance(seminar: SeminarSnapshot, standing: Registration, now: datetime) -> Outcome | None:
    """Return why somebody cannot be checked in, None if they can."""
    if standing.status is RegistrationStatus.CANCELLED:
        return "cancelled"
    if standing.status is RegistrationStatus.WAITLISTED:
        return "waitlisted"
    if standing.details.attendance is Attendance.ONLINE:
        return "online"
    if standing.checked_in_at:
        return "already"
    if seminar.status == "cancelled":
        return "off"
    return "early" if is_early(seminar, now) else None


def is_early(seminar: SeminarSnapshot, now: datetime) -> bool:
    """Return whether the seminar's day has not come yet: who is checked in by mistake would count as having come."""
    return now.astimezone(ZoneInfo(seminar.zone)).date() < local_day(seminar)
