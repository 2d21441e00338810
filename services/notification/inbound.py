"""`python -m services.notification inbound [RECIPIENT…]`: one message on standard input, as a mail server pipes it.

Nothing is ever answered to whom it comes from. A bounce is believed by the tag that only we can make; a decline
changes nothing, and offers to cancel to the address that has signed up.
"""

import sys
from typing import BinaryIO
from uuid import NAMESPACE_OID, uuid5

import asyncpg
import structlog

from services.notification import commands, store
from services.notification.addresses import tagged_with
from services.notification.bounces import Bounced
from services.notification.replies import LARGEST, AutoReply, Declined, Other, Received, read
from services.notification.settings import Settings
from services.notification.store_inbound import find_confirmed
from shared.clock import Clock, SystemClock
from shared.database import Connection, open_database
from shared.inbox import accept
from shared.messages import RegistrationSnapshot

EX_OK, EX_TEMPFAIL = 0, 75  # sysexits.h: a mail server is done with it, or keeps it and tries again
INBOX = "notification.inbound"

log = structlog.get_logger()


async def receive(settings: Settings, recipients: list[str]) -> int:
    """Read the message and do what follows from it; return the exit status for the mail server."""
    return await handle(settings, read(take(sys.stdin.buffer), recipients), SystemClock())


def take(stream: BinaryIO) -> bytes:
    """Return as much of the message as is looked at; the rest is read too, as a server wants to be rid of it."""
    content = stream.read(LARGEST)
    while stream.read(LARGEST):
        pass
    return content


async def handle(settings: Settings, received: Received, clock: Clock) -> int:
    """Do what follows from the message, and say in one line of the log what that was."""
    try:
        done = await _handle(settings, received, clock)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        log.warning("message kept by the mail server", what=type(received).__name__, why=error)
        return EX_TEMPFAIL
    log.info("message from outside", what=type(received).__name__, done=done)
    return EX_OK


async def _handle(settings: Settings, received: Received, clock: Clock) -> str:
    match received:
        case AutoReply():
            return "ignored"
        case Other(why):
            return f"ignored: {why}"
        case Bounced() | Declined():
            async with open_database(settings.database_url, connections=1) as database, database.transaction() as open_:
                if isinstance(received, Bounced):
                    return await _note_bounce(open_, settings, received, clock)
                return await _offer_to_cancel(open_, settings, received, clock)


async def _note_bounce(connection: Connection, settings: Settings, bounced: Bounced, clock: Clock) -> str:
    email = tagged_with(settings, "bounce", bounced.tags)
    if email is None:
        return "ignored: no address of ours that an e-mail is returned to"
    if not await accept(connection, INBOX, uuid5(NAMESPACE_OID, f"{email} {bounced.report}")):
        return "ignored: seen before"
    if not bounced.failed:
        return f"noted: status {bounced.status}"
    noted = await commands.note_bounce(connection, email, bounced, clock.now(), settings.public_url)
    return f"bounced: status {bounced.status}" if noted else "ignored: that e-mail is not on its way"


async def _offer_to_cancel(connection: Connection, settings: Settings, declined: Declined, clock: Clock) -> str:
    registration = await _who_declines(connection, settings, declined)
    if registration is None:
        return "ignored: nobody who is registered for that"
    offered = await commands.offer_to_cancel(connection, registration, clock.now())
    return "offered to cancel, once" if offered else "ignored: they have no seat"


async def _who_declines(connection: Connection, settings: Settings, declined: Declined) -> RegistrationSnapshot | None:
    """Return the registration that the reply is about: by the address it came to, else by whom it claims to be from."""
    seminar = declined.uid.rpartition("@")[0]
    identifier = tagged_with(settings, "reply", declined.tags)
    if identifier is None:
        return await find_confirmed(connection, seminar, declined.sender)
    registration = await store.get_registration(connection, identifier)
    return registration if registration and registration.seminar == seminar else None
