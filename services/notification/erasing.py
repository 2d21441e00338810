"""Forgetting people: what was sent stays, to whom does not."""

from datetime import datetime

from services.notification import store, store_erasing
from shared import erasing
from shared.database import Connection
from shared.messages import Attendance, ErasedRegistration, RegistrationSnapshot, RegistrationStatus


async def erase(connection: Connection, erased: ErasedRegistration, now: datetime) -> None:
    """Forget somebody, whether known or not: an older message may come after this one, and find them gone."""
    await store.lock_registration(connection, erased.id)
    await store_erasing.erase(connection, nobody(erased, now))
    await store_erasing.close_emails(connection, erased.id)
    await erasing.note(connection, str(erased.id))


def nobody(erased: ErasedRegistration, now: datetime) -> RegistrationSnapshot:
    """Return what is kept of somebody who is forgotten: that there is no one to write to."""
    return RegistrationSnapshot(
        id=erased.id,
        version=erased.version,
        seminar=erased.seminar,
        status=RegistrationStatus.CANCELLED,
        attendance=Attendance.ONLINE,
        name="",
        email="",
        language="nb",
        registered_at=now,
    )
