"""A committed change always emits its message, a rolled-back one never does.

`record` writes the message in the change's own transaction; the relay publishes it after the commit. The relay is
nudged in the process that committed and also polls, so neither a lost nudge nor a crash strands a row.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg
import structlog

from shared.background import Nudge, first_of
from shared.bus import Bus, PublishError
from shared.database import Connection, Database
from shared.messages import Message, decode, encode
from shared.topology import UNCONSUMED

RELAY_LOCK = 0x_FA65_0002  # advisory lock: one relay of a database at a time, so that messages keep their order
CHANNEL = "outbox"  # by which a replica that stands by says that there is something to relay
BATCH = 100  # messages published side by side
POLL = 1.0  # seconds between looks when nobody nudges
LONGEST_DELAY = 30.0  # seconds between attempts at one message

log = structlog.get_logger()


async def record(connection: Connection, message: Message) -> None:
    """Owe `message` to the bus from this transaction's commit on."""
    await record_all(connection, [message])


INSERT = "INSERT INTO outbox (message_id, type, body)"  # for statements that record what they change by themselves


async def record_all(connection: Connection, messages: Sequence[Message]) -> None:
    """Owe all of `messages` to the bus, in their order, from this transaction's commit on."""
    if messages:
        await connection.execute(
            f"{INSERT} SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[])",  # noqa: S608 - a constant
            *columns(messages),
        )


def columns(messages: Sequence[Message]) -> tuple[list[UUID], list[str], list[str]]:
    """Return what `INSERT` wants of the messages, a list a column."""
    correlation = structlog.contextvars.get_contextvars().get("correlation_id", "")
    stamped = [m if m.correlationid else m.model_copy(update={"correlationid": correlation}) for m in messages]
    return [m.id for m in stamped], [m.type for m in stamped], [encode(m).decode() for m in stamped]


class Relay:
    """Brings a service's outbox to the bus."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        self.nudge = Nudge()
        database.after_commit = self.nudge

    async def run(self) -> None:
        """Relay until cancelled; of several replicas one relays and the others stand by."""
        async with self._database.connection() as connection:
            while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", RELAY_LOCK):
                await self._stand_by(connection)
            try:
                await connection.add_listener(CHANNEL, self._told)
                await self._relay(connection)
            finally:
                if not connection.is_closed():
                    await connection.remove_listener(CHANNEL, self._told)
                    await connection.execute("SELECT pg_advisory_unlock($1)", RELAY_LOCK)

    async def _stand_by(self, connection: Connection) -> None:
        """Wait a while for the lock; meanwhile tell the process that holds it of what is recorded here.

        After the commit: a NOTIFY inside of transactions makes them commit one after the other.
        """
        try:
            async with asyncio.timeout(POLL):
                await self.nudge.wait()
        except TimeoutError:
            return
        await connection.execute(f"NOTIFY {CHANNEL}")

    def _told(self, *_: object) -> None:
        self.nudge()

    async def _relay(self, connection: Connection) -> None:
        while True:
            rows = await due(connection)
            if rows:
                await self._publish_all(connection, rows)
            else:
                await first_of(self.nudge.wait(), asyncio.sleep(POLL))

    async def _publish_all(self, connection: Connection, rows: Sequence[asyncpg.Record]) -> None:
        taken = await asyncio.gather(*(self._publish(row["body"]) for row in rows))
        settled = [row["message_id"] for row, done in zip(rows, taken, strict=True) if done]
        if settled:
            await settle(connection, settled)
        if len(settled) < len(rows):
            await postpone(connection, [row["message_id"] for row, done in zip(rows, taken, strict=True) if not done])

    async def _publish(self, body: str) -> bool:
        message = decode(body)
        structlog.contextvars.bind_contextvars(correlation_id=message.correlationid)  # of this task alone
        try:
            await self._bus.publish(message)
        except PublishError as error:
            log.warning("message not taken by the bus", type=message.type, message=str(message.id), why=str(error))
            return False
        say = log.debug if message.type in UNCONSUMED else log.info  # what nobody waits for is no news
        say("message published", type=message.type, message=str(message.id))
        return True


async def due(connection: Connection) -> list[asyncpg.Record]:
    """Return the oldest rows that may be tried now."""
    return await connection.fetch(
        "SELECT message_id, body FROM outbox WHERE retry_at <= clock_timestamp() ORDER BY position LIMIT $1", BATCH
    )


async def settle(connection: Connection, messages: list[UUID]) -> None:
    """Remove the rows that the bus has taken over."""
    await connection.execute("DELETE FROM outbox WHERE message_id = ANY($1)", messages)


async def postpone(connection: Connection, messages: list[UUID]) -> None:
    """Let the rows that it has not rest, twice as long each time."""
    await connection.execute(
        "UPDATE outbox SET attempts = attempts + 1, retry_at = clock_timestamp()"
        " + make_interval(secs => least($2, 0.1 * 2 ^ least(attempts, 20))) WHERE message_id = ANY($1)",
        messages,
        LONGEST_DELAY,
    )


async def pending(connection: Connection) -> int:
    """Return how many messages wait for the bus."""
    return int(await connection.fetchval("SELECT count(*) FROM outbox"))


class Backlog(NamedTuple):
    """What waits for the bus."""

    pending: int
    seconds: float  # that the oldest has waited; 0 if none does


async def backlog(connection: Connection) -> Backlog:
    """Return how many messages wait for the bus, and how long."""
    (row,) = await connection.fetch(
        "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(recorded_at)), 0)::float FROM outbox"
    )
    return Backlog(*row)
