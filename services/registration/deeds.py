"""What organisers do to people's registrations: one deed, one transaction, one line in the log."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from services.registration import commands, store, store_audit, store_people, store_sign_ups, store_waiting_list
from services.registration.admission import Admitted, admit_all, register
from services.registration.commands import VersionConflictError, lock
from services.registration.model import (
    Details,
    Refusal,
    RefusedError,
    Registration,
    SignUp,
    email_key,
    free_seats,
    local_day,
    recognised,
    refuse,
)
from services.registration.signing_up import UnknownSeminarError
from services.registration.store_audit import Action, Deed
from services.registration.telling import News, messages_of, tell
from services.registration.waiting_list import promote
from shared import outbox
from shared.database import Connection
from shared.messages import Attendance, RegistrationStatus, SeminarSnapshot

LINKS_A_DAY = 20  # e-mails with the link to one address; organisers are not who would flood it


class KnownError(ValueError):
    """The address stands already; `registration` is whose it is."""

    def __init__(self, registration: UUID) -> None:
        super().__init__(str(registration))
        self.registration = registration


class WithdrawnError(ValueError):
    """The registration was cancelled: there is nothing to do to it any more."""


class NotWaitingError(ValueError):
    """Somebody who does not wait cannot be moved up."""


class NoSeatError(ValueError):
    """There is no free seat to give."""


class EnoughLinksError(ValueError):
    """The link has been sent often enough today."""


class Organiser(NamedTuple):
    """Who does it, and when."""

    name: str
    now: datetime


async def add(connection: Connection, given: SignUp, by: Organiser) -> Registration:
    """Sign somebody up, be it for the waiting list.

    Raises UnknownSeminarError, KnownError, RefusedError, UnfitError.
    """
    seminar = await store.lock_seminar(connection, given.seminar)
    if seminar is None:
        raise UnknownSeminarError(given.seminar)
    standing = await store_people.standing_with(connection, seminar.slug, given.email)
    if standing:
        raise KnownError(standing)
    met = await store_sign_ups.meet(connection, seminar.slug, [], [])
    (verdict,) = admit_all(seminar, [given], met.known, met.standings, by.now, cause="organiser")
    if isinstance(verdict, Exception):
        raise verdict
    (added,) = await enrol(connection, seminar, [(given, verdict)], "add", by)
    return added


async def enrol(
    connection: Connection,
    seminar: SeminarSnapshot,
    admitted: Iterable[tuple[SignUp, Admitted]],
    action: Action,
    by: Organiser,
) -> list[Registration]:
    """Keep those who were admitted, in their order, and tell of them; the seminar's row is locked by the caller."""
    news = [
        News(f"registration.{verdict.status}", register(uuid4(), seminar, given, verdict, by.now), verdict.place)
        for given, verdict in admitted
    ]
    registrations = [one.registration for one in news]
    if registrations:
        await store_sign_ups.insert(connection, registrations, messages_of(news, by.now, cause="organiser"))
        await store_audit.audit_all(connection, [_deed(by, action, registration) for registration in registrations])
    return registrations


async def correct(
    connection: Connection, registration: UUID, details: Details, by: Organiser, *, read: int | None = None
) -> Registration:
    """Correct somebody's details, their address too, or how they attend; `read` is the version that this builds on.

    Raises WithdrawnError, VersionConflictError, KnownError, RefusedError, UnfitError.
    """
    standing, seminar = await _lock(connection, registration)
    if read is not None and read != standing.version:
        raise VersionConflictError
    details = recognised(details, local_day(seminar))
    changed = tuple(f for f in Details.model_fields if getattr(details, f) != getattr(standing.details, f))
    if not changed:
        return standing
    if by.now >= seminar.end and changed != ("email",):  # the recording goes to an address, too
        raise RefusedError(Refusal.OVER)
    corrected = await _readdress(connection, standing, details.email) if "email" in changed else standing
    if changed == ("email",):
        await tell(connection, corrected, "registration.changed", by.now, cause="organiser")
    else:
        corrected = await commands.change(connection, registration, details, by.now, cause="organiser")
    action: Action = "switch" if "attendance" in changed else "correct"
    await store_audit.audit(connection, _deed(by, action, standing, changed))
    return corrected


async def _readdress(connection: Connection, standing: Registration, email: str) -> Registration:
    other = await store_people.standing_with(connection, standing.seminar, email)
    if other and other != standing.id:
        raise KnownError(other)
    return await store_people.readdress(connection, standing.id, email)


async def cancel(connection: Connection, registration: UUID, by: Organiser) -> Registration:
    """Withdraw for somebody; a seat that this frees goes to the first in line. Raises WithdrawnError, RefusedError."""
    standing, _ = await _lock(connection, registration)
    cancelled = await commands.cancel(connection, registration, by.now, cause="organiser")
    await store_audit.audit(connection, _deed(by, "cancel", standing))
    return cancelled


async def move_up(connection: Connection, registration: UUID, by: Organiser) -> Registration:
    """Put somebody first in line, before those who came first. Raises NotWaitingError, RefusedError."""
    standing, _ = await _lock_waiting(connection, registration, by)
    if await store_waiting_list.place_in_queue(connection, registration) == 1:
        return standing
    moved = await store_people.move_up(connection, registration)
    await tell(connection, moved, "registration.changed", by.now, cause="organiser")
    await store_audit.audit(connection, _deed(by, "move_up", moved))
    return moved


async def give_seat(connection: Connection, registration: UUID, by: Organiser) -> Registration:
    """Give a free seat to somebody who waits, also when the waiting list is closed.

    Raises NotWaitingError, NoSeatError, RefusedError.
    """
    waiting, seminar = await _lock_waiting(connection, registration, by)
    if not await has_seat(connection, seminar, waiting.details.attendance, by.now):
        raise NoSeatError
    seated = await store_people.give_seat(connection, registration, by.now)
    await tell(connection, seated, "registration.promoted", by.now, cause="organiser")
    await store_audit.audit(connection, _deed(by, "give_seat", seated))
    await promote(connection, seminar, by.now, cause="organiser")  # who attended online meanwhile leaves a seat there
    return seated


async def has_seat(connection: Connection, seminar: SeminarSnapshot, attendance: Attendance, now: datetime) -> bool:
    """Return whether there is a free seat that an organiser can give to somebody who waits."""
    standing = await store_waiting_list.standing(connection, seminar.slug, attendance)
    return free_seats(seminar, attendance, standing.confirmed, now, cause="organiser") > 0


async def send_link(connection: Connection, registration: UUID, by: Organiser) -> None:
    """Have somebody's link mailed to them once more. Raises WithdrawnError, EnoughLinksError."""
    standing, seminar = await _lock(connection, registration)
    today = by.now.astimezone(ZoneInfo(seminar.zone)).date()
    rows = await store.request_links(connection, seminar.slug, [email_key(standing.details.email)], today, LINKS_A_DAY)
    if not rows:
        raise EnoughLinksError
    (asked, request), *_ = [store.requested(row) for row in rows]
    place = await store_waiting_list.place_in_queue(connection, registration)
    news = News("registration.link_requested", asked, place, request)
    await outbox.record_all(connection, messages_of([news], by.now))
    await store_audit.audit(connection, _deed(by, "send_link", standing))


async def _lock(connection: Connection, registration: UUID) -> tuple[Registration, SeminarSnapshot]:
    standing, seminar = await lock(connection, registration)
    if standing.status is RegistrationStatus.CANCELLED:
        raise WithdrawnError
    return standing, seminar


async def _lock_waiting(
    connection: Connection, registration: UUID, by: Organiser
) -> tuple[Registration, SeminarSnapshot]:
    standing, seminar = await _lock(connection, registration)
    if standing.status is not RegistrationStatus.WAITLISTED:
        raise NotWaitingError
    if refusal := refuse(seminar, standing.details.attendance, by.now, cause="organiser"):
        raise RefusedError(refusal)
    return standing, seminar


def _deed(by: Organiser, action: Action, whose: Registration, fields: tuple[str, ...] = ()) -> Deed:
    return Deed(by.now, by.name, action, whose.seminar, whose.id, fields)
