"""One effect per message and consumer, however often it is delivered."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import structlog

from shared.bus import Handler
from shared.database import Connection, Database
from shared.messages import Message

Handlers = Mapping[str, Callable[[Connection, Message], Awaitable[None]]]

KEPT = 30  # days that an inbox row outlives its message; no broker keeps one longer than its retries

INTERVAL = 3600.0  # seconds between looks

log = structlog.get_logger()


def once(database: Database, queue: str, handlers: Handlers, learnt: Callable[[], None] = lambda: None) -> Handler:
    """Return a handler that runs the one for the message's type, and remembers it in the same transaction.

    After the commit `learnt` is called, to wake loops that the effect concerns.
    """

    async def handle(message: Message) -> None:
        with structlog.contextvars.bound_contextvars(correlation_id=message.correlationid):
            async with database.transaction() as connection:
                if not await accept(connection, queue, message.id):
                    log.info("message seen before", queue=queue, type=message.type, message=str(message.id))
                    return
                await handlers[message.type](connection, message)
            learnt()
            log.info("message handled", queue=queue, type=message.type, message=str(message.id))

    return handle


async def accept(connection: Connection, queue: str, message: UUID) -> bool:
    """Return whether this consumer has not had the message before, and remember it with the caller's commit."""
    row = await connection.fetchval(
        "INSERT INTO inbox (queue, message_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true",
        queue,
        message,
    )
    return row is not None


async def forget_old(database: Database) -> None:
    """Delete what no delivery can concern any more, now and then, until cancelled."""
    while True:
        async with database.connection() as connection:
            await connection.execute(
                "DELETE FROM inbox WHERE received_at < clock_timestamp() - make_interval(days => $1)", KEPT
            )
        await asyncio.sleep(INTERVAL)
