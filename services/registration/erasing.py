"""Forgetting people: by their own wish, or because their seminar has long been over."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.registration import store, store_erasing
from services.registration.commands import lock
from services.registration.model import local_day
from services.registration.organisations import entries
from services.registration.telling import tell_erased
from services.registration.waiting_list import promote
from shared import erasing
from shared.database import Connection
from shared.messages import RegistrationStatus, SeminarSnapshot

TOGETHER = 500  # people in one transaction


async def erase(connection: Connection, registration: UUID, now: datetime) -> None:
    """Forget somebody by their own wish; who still was to come withdraws thereby, and frees their seat."""
    standing, seminar = await lock(connection, registration)
    withdraws = standing.status is not RegistrationStatus.CANCELLED and now < seminar.end
    if withdraws:
        await store.cancel(connection, registration, now)
    await _erase_all(connection, seminar, [registration], now)
    if withdraws:
        await promote(connection, seminar, now)


async def erase_some(connection: Connection, kept_for: timedelta, now: datetime) -> bool:
    """Forget some people of a seminar that has been over for so long; return False if there is none."""
    slug = await store_erasing.over_since(connection, now - kept_for)
    seminar = await store.lock_seminar(connection, slug) if slug else None
    if seminar is None:
        return False
    await _erase_all(connection, seminar, await store_erasing.kept(connection, seminar.slug, TOGETHER), now)
    return True


async def _erase_all(
    connection: Connection, seminar: SeminarSnapshot, registrations: Sequence[UUID], now: datetime
) -> None:
    """Forget them here, and have everybody else do so."""
    known = [entry.label for entry in entries(local_day(seminar))]
    erased = await store_erasing.erase(connection, registrations, known, now)
    await erasing.forget_unsent(connection, (str(one.id) for one in erased))
    await tell_erased(connection, erased, now)
