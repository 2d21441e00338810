"""What organisers do to single e-mails: one deed, one function, one transaction, one line of the log."""

from uuid import UUID

from services.notification import store_deeds
from services.notification.model import State
from services.notification.store_deeds import Deed
from shared.database import Connection

__all__ = ["RETRIABLE", "Deed", "retry", "retry_domain", "stop"]
RETRIABLE = (State.FAILED, State.BOUNCED)
STOPPED = "stopped by an organiser"


async def retry(connection: Connection, email: UUID, deed: Deed) -> bool:
    """Have the e-mail tried again now; False if it has left, waits for its moment, or there was no use in it."""
    if deed.registration is None or not await store_deeds.retry(connection, email, deed.seminar, deed.registration):
        return False
    await store_deeds.audit(connection, deed)
    return True


async def stop(connection: Connection, email: UUID, deed: Deed) -> bool:
    """Close an e-mail that waits; False if it does not."""
    if deed.registration is None:
        return False
    if not await store_deeds.stop(connection, email, deed.seminar, deed.registration, STOPPED):
        return False
    await store_deeds.audit(connection, deed)
    return True


async def retry_domain(connection: Connection, domain: str, deed: Deed) -> bool:
    """Have all that failed or came back at a domain tried again now; False if there is nothing such."""
    if not await store_deeds.retry_domain(connection, deed.seminar, domain):
        return False
    await store_deeds.audit(connection, deed)
    return True
