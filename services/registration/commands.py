"""Signing up and changing one's mind: one use case, one function, one transaction of the caller's."""

from datetime import datetime
from typing import TypeVar
from uuid import UUID

from services.registration import questions, store, store_waiting_list
from services.registration.admission import is_open_online
from services.registration.model import (
    Cause,
    Details,
    Refusal,
    RefusedError,
    Registration,
    SignUp,
    admit,
    cut_off,
    local_day,
    recognised,
)
from services.registration.signing_up import Outcome, Submission, mail_links, sign_up_all
from services.registration.telling import tell
from services.registration.waiting_list import promote
from shared.database import Connection
from shared.messages import Attendance, RegistrationStatus, SeminarSnapshot

T = TypeVar("T", bound=Details)


class VersionConflictError(ValueError):
    """The registration has changed since it was read."""


async def sign_up(connection: Connection, given: SignUp, now: datetime) -> Outcome:
    """Register somebody for a seminar; an address that stands already is mailed its link instead.

    Raises UnknownSeminarError, RefusedError, UnfitError.
    """
    (answer,) = await sign_up_all(connection, given.seminar, [Submission(given)], now)
    if isinstance(answer, Exception):
        raise answer
    return answer


async def request_link(connection: Connection, seminar: SeminarSnapshot, email: str, now: datetime) -> None:
    """Have the link of what stands for the address mailed to its owner, a few times a day at most."""
    await mail_links(connection, seminar, [(email, "")], now)


async def cancel(
    connection: Connection, registration: UUID, now: datetime, *, cause: Cause = "oneself"
) -> Registration:
    """Withdraw, once; a seat that this frees goes to the first in line. Raises RefusedError after the end."""
    standing, seminar = await lock(connection, registration)
    if standing.status is RegistrationStatus.CANCELLED:
        return standing
    if now >= seminar.end:
        raise RefusedError(Refusal.OVER)
    cancelled = await store.cancel(connection, registration, now)
    await tell(connection, cancelled, "registration.cancelled", now, cause=cause)
    await promote(connection, seminar, now, cause=cause)
    return cancelled


async def change(
    connection: Connection,
    registration: UUID,
    details: Details,
    now: datetime,
    *,
    read: int | None = None,
    cause: Cause = "oneself",
) -> Registration:
    """Correct one's details and switch attendance; `read` is the version that the change builds on, if given.

    Raises VersionConflictError, RefusedError, UnfitError.
    """
    standing, seminar = await lock(connection, registration)
    if read is not None and read != standing.version:
        raise VersionConflictError
    details = recognised(details, local_day(seminar))
    if standing.status is RegistrationStatus.CANCELLED or details == standing.details:
        return standing
    if now >= seminar.end:
        raise RefusedError(Refusal.OVER)
    if details.answers != standing.details.answers:
        questions.check(seminar.questions, details.attendance, details.answers)
    elif details.attendance is not standing.details.attendance:  # one tap: what the others are asked can wait
        remaining = questions.fitting(seminar.questions, details.attendance, details.answers)
        details = details.model_copy(update={"answers": remaining})
    if details.attendance is standing.details.attendance:
        details = await _with_meanwhile(connection, seminar, details, standing.status, now)
    changed = await store.correct(connection, registration, details, now)
    if details.attendance is not standing.details.attendance:
        changed = await _attend(connection, seminar, changed, details, now)
    await tell(connection, changed, "registration.changed", now, cause=cause)
    await promote(connection, seminar, now, cause=cause)
    return changed


async def _attend(
    connection: Connection, seminar: SeminarSnapshot, standing: Registration, details: Details, now: datetime
) -> Registration:
    status = admit(seminar, details.attendance, await _taken(connection, seminar, details.attendance), now)
    details = await _with_meanwhile(connection, seminar, details, status, now)
    return await store.attend(connection, standing.id, details, status, now)


async def _taken(connection: Connection, seminar: SeminarSnapshot, attendance: Attendance) -> int:
    """Count the seats that are occupied or queued for, if there is an end to them."""
    mode = seminar.attendance.get(attendance)
    return await store.taken(connection, seminar.slug, attendance) if mode and mode.capacity is not None else 0


async def _with_meanwhile(
    connection: Connection, seminar: SeminarSnapshot, details: T, status: RegistrationStatus, now: datetime
) -> T:
    """Return the details with online meanwhile only for who waits, and while there is room online."""
    if not details.online_meanwhile:
        return details
    open_ = is_open_online(seminar, await _taken(connection, seminar, Attendance.ONLINE), now)
    return details.model_copy(update={"online_meanwhile": status is RegistrationStatus.WAITLISTED and open_})


async def learn_of_seminar(connection: Connection, seminar: SeminarSnapshot, now: datetime) -> None:
    """Keep the newest revision; seats that it adds go to the first in line."""
    if await store.keep_seminar(connection, seminar):  # which holds the seminar's row until the commit
        await promote(connection, seminar, now)
        for attendance in seminar.attendance:
            await store_waiting_list.keep_cut_off(connection, seminar.slug, attendance, cut_off(seminar, attendance))


async def lock(connection: Connection, registration: UUID) -> tuple[Registration, SeminarSnapshot]:
    """Lock the seminar before the registration is read, in the order that sign-ups do."""
    found = await store.get(connection, registration)
    if found is None:
        raise LookupError(str(registration))
    seminar = await store.lock_seminar(connection, found.seminar)
    standing = await store.get(connection, registration)
    if seminar is None or standing is None:
        raise LookupError(str(registration))
    return standing, seminar
