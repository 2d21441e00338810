"""Signing up and changing one's mind: one use case, one function, one transaction of the caller's."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from services.registration import questions, store
from services.registration.model import (
    Details,
    Refusal,
    RefusedError,
    Registration,
    SignUp,
    admit,
    free_seats,
    snapshot,
)
from shared import outbox
from shared.database import Connection
from shared.messages import Attendance, Message, RegistrationStatus, SeminarSnapshot

LINKS_A_DAY = 3  # e-mails with the link that one address can be made to get by others


class UnknownSeminarError(LookupError):
    """No seminar with that slug is known here."""


class VersionConflictError(ValueError):
    """The registration has changed since it was read."""


class Outcome(NamedTuple):
    """What whoever signs up is told: the same whether the address was known or not."""

    id: UUID
    status: RegistrationStatus


async def sign_up(connection: Connection, given: SignUp, now: datetime) -> Outcome:
    """Register somebody for a seminar; an address that stands already is mailed its link instead.

    Raises UnknownSeminarError, RefusedError, UnfitError.
    """
    seminar = await store.lock_seminar(connection, given.seminar)
    if seminar is None:
        raise UnknownSeminarError(given.seminar)
    taken = await store.taken(connection, seminar.slug, given.attendance)
    status = admit(seminar, given.attendance, taken.confirmed + taken.waitlisted, now)
    questions.check(seminar.questions, given.attendance, given.answers)
    outcome = Outcome(uuid4(), status)
    registration = await store.insert(connection, outcome.id, seminar.slug, given, status, now)
    if registration is None:
        await request_link(connection, seminar, given.email, now)
    else:
        await _tell(connection, registration, f"registration.{status}", now)
    return outcome


async def request_link(connection: Connection, seminar: SeminarSnapshot, email: str, now: datetime) -> None:
    """Have the link of what stands for the address mailed to its owner, a few times a day at most."""
    today = now.astimezone(ZoneInfo(seminar.zone)).date()
    row = await store.request_link(connection, seminar.slug, email, today, LINKS_A_DAY)
    if row is not None:
        registration, request = store.requested(row)
        await _tell(connection, registration, "registration.link_requested", now, link_request=request)


async def cancel(connection: Connection, registration: UUID, now: datetime) -> Registration:
    """Withdraw, once; a seat that this frees goes to the first in line. Raises RefusedError after the end."""
    standing, seminar = await _lock(connection, registration)
    if standing.status is RegistrationStatus.CANCELLED:
        return standing
    if now >= seminar.end:
        raise RefusedError(Refusal.OVER)
    cancelled = await store.cancel(connection, registration, now)
    await _tell(connection, cancelled, "registration.cancelled", now)
    await promote(connection, seminar, now)
    return cancelled


async def change(
    connection: Connection, registration: UUID, details: Details, now: datetime, *, read: int | None = None
) -> Registration:
    """Correct one's details and switch attendance; `read` is the version that the change builds on, if given.

    Raises VersionConflictError, RefusedError, UnfitError.
    """
    standing, seminar = await _lock(connection, registration)
    if read is not None and read != standing.version:
        raise VersionConflictError
    if standing.status is RegistrationStatus.CANCELLED or details == standing.details:
        return standing
    if now >= seminar.end:
        raise RefusedError(Refusal.OVER)
    if (details.attendance, details.answers) != (standing.details.attendance, standing.details.answers):
        questions.check(seminar.questions, details.attendance, details.answers)
    changed = await store.correct(connection, registration, details)
    if details.attendance is not standing.details.attendance:
        changed = await _attend(connection, seminar, changed, details, now)
    await _tell(connection, changed, "registration.changed", now)
    await promote(connection, seminar, now)
    return changed


async def _attend(
    connection: Connection, seminar: SeminarSnapshot, standing: Registration, details: Details, now: datetime
) -> Registration:
    taken = await store.taken(connection, seminar.slug, details.attendance)
    status = admit(seminar, details.attendance, taken.confirmed + taken.waitlisted, now)
    return await store.attend(connection, standing.id, details, status, now)


async def promote(connection: Connection, seminar: SeminarSnapshot, now: datetime) -> list[Registration]:
    """Give the seats that are free to the first in line; the seminar's row is locked by the caller."""
    promoted = []
    for attendance in Attendance:
        taken = await store.taken(connection, seminar.slug, attendance)
        seats = min(free_seats(seminar, attendance, taken.confirmed, now), taken.waitlisted)
        if seats:
            promoted += await store.promote(connection, seminar.slug, attendance, seats, now)
    for registration in promoted:
        await _tell(connection, registration, "registration.promoted", now)
    return promoted


async def learn_of_seminar(connection: Connection, seminar: SeminarSnapshot, now: datetime) -> None:
    """Keep the newest revision; seats that it adds go to the first in line."""
    if await store.keep_seminar(connection, seminar):  # which holds the seminar's row until the commit
        await promote(connection, seminar, now)


async def _lock(connection: Connection, registration: UUID) -> tuple[Registration, SeminarSnapshot]:
    """Lock the seminar before the registration is read, in the order that sign-ups do."""
    found = await store.get(connection, registration)
    if found is None:
        raise LookupError(str(registration))
    seminar = await store.lock_seminar(connection, found.seminar)
    standing = await store.get(connection, registration)
    if seminar is None or standing is None:
        raise LookupError(str(registration))
    return standing, seminar


async def _tell(
    connection: Connection, registration: Registration, kind: str, now: datetime, *, link_request: int | None = None
) -> None:
    place = await store.place_in_queue(connection, registration.id)
    await outbox.record(
        connection,
        Message(
            source="/registration",
            type=kind,
            subject=str(registration.id),
            time=now,
            data=snapshot(registration, place=place, link_request=link_request),
        ),
    )
