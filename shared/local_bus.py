"""The bus of the single local process. No queue of its own: the outbox is the durable log.

The relay publishes, which calls the subscribers. A subscriber that fails leaves the outbox row to be relayed again;
its attempts, delay and dead letter stand in its own database, so one poison message blocks no other and nobody else.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import asyncpg
import structlog

from shared.bus import Handler, PublishError, handle_in_time
from shared.database import Connection, Database
from shared.logs import describe
from shared.messages import Message, encode
from shared.topology import RETRY_DELAYS, queues_for

log = structlog.get_logger()


class LocalBus:
    """Shared by the services of one process; each reaches it through its own `LocalEndpoint`."""

    def __init__(self, retry_delays: Sequence[float] = RETRY_DELAYS) -> None:
        self.retry_delays = [timedelta(seconds=delay) for delay in retry_delays]
        self.subscribers: dict[str, _Subscriber] = {}

    async def publish(self, message: Message) -> None:
        """Deliver to every queue of the message's type; raises PublishError unless each is done with it."""
        queues = queues_for(message.type)
        done = await asyncio.gather(*(self._deliver(queue, message) for queue in queues))
        waiting = [queue for queue, is_done in zip(queues, done, strict=True) if not is_done]
        if waiting:
            raise PublishError(f"not yet handled by {', '.join(waiting)}")

    async def _deliver(self, queue: str, message: Message) -> bool:
        subscriber = self.subscribers.get(queue)
        return subscriber is not None and await subscriber.deliver(message)


class LocalEndpoint:
    """One service's end of the local bus: publishes to all, keeps its deliveries in its own database."""

    def __init__(self, bus: LocalBus, database: Database) -> None:
        self._bus = bus
        self._database = database

    async def publish(self, message: Message) -> None:
        """Deliver to every queue of the message's type; raises PublishError unless each is done with it."""
        await self._bus.publish(message)

    async def consume(self, queue: str, handle: Handler) -> None:
        """Subscribe until cancelled."""
        subscriber = _Subscriber(queue, handle, self._database, self._bus.retry_delays)
        self._bus.subscribers[queue] = subscriber
        try:
            await asyncio.Event().wait()
        finally:
            del self._bus.subscribers[queue]
            await subscriber.drain()

    async def close(self) -> None:
        """Nothing is held open."""


class _Subscriber:
    def __init__(self, queue: str, handle: Handler, database: Database, delays: list[timedelta]) -> None:
        self._queue = queue
        self._handle = handle
        self._database = database
        self._delays = delays
        self._one_at_a_time = asyncio.Lock()

    async def deliver(self, message: Message) -> bool:
        """Return whether this subscriber is done with the message: handled, or dead after its last attempt."""
        async with self._one_at_a_time:
            async with self._database.connection() as connection:
                state = await _state(connection, self._queue, message)
            if state in ("dead", "resting"):
                return state == "dead"
            try:
                with structlog.contextvars.bound_contextvars(service=self._queue.partition(".")[0]):
                    await handle_in_time(self._handle, message)
            except Exception as error:  # noqa: BLE001 - whatever a handler raises is this message's failure alone
                return await self._failed(message, error)
            if state == "again":
                async with self._database.connection() as connection:
                    await _clear(connection, self._queue, message)
            return True

    async def _failed(self, message: Message, error: Exception) -> bool:
        why = describe(error)
        async with self._database.connection() as connection:
            dead = await _fail(connection, self._queue, message, why, self._delays)
        log.warning("message failed", queue=self._queue, type=message.type, message=str(message.id), why=why, dead=dead)
        return dead

    async def drain(self) -> None:
        async with self._one_at_a_time:
            pass


async def _state(connection: Connection, queue: str, message: Message) -> str:
    state = await connection.fetchval(
        "SELECT CASE WHEN dead THEN 'dead' WHEN retry_at > clock_timestamp() THEN 'resting' ELSE 'again' END"
        " FROM local_deliveries WHERE queue = $1 AND message_id = $2",
        queue,
        message.id,
    )
    return state or "new"


async def _fail(connection: Connection, queue: str, message: Message, why: str, delays: list[timedelta]) -> bool:
    return bool(
        await connection.fetchval(
            "INSERT INTO local_deliveries AS d (queue, message_id, type, body, attempts, retry_at, error)"
            " VALUES ($1, $2, $3, $4, 1, clock_timestamp() + ($5::interval[])[1], $6)"
            " ON CONFLICT (queue, message_id) DO UPDATE SET attempts = d.attempts + 1, error = excluded.error,"
            " retry_at = clock_timestamp() + coalesce(($5::interval[])[d.attempts + 1], '0'),"
            " dead = d.attempts >= cardinality($5::interval[]) RETURNING dead",
            queue,
            message.id,
            message.type,
            encode(message).decode(),
            delays,
            why,
        )
    )


async def _clear(connection: Connection, queue: str, message: Message) -> None:
    await connection.execute("DELETE FROM local_deliveries WHERE queue = $1 AND message_id = $2", queue, message.id)


async def dead_letters(connection: Connection, queue: str) -> list[asyncpg.Record]:
    """Return the messages that `queue` has given up, the oldest first; `retry_at` is when that was."""
    return await connection.fetch(
        "SELECT message_id, type, attempts, error, retry_at, body FROM local_deliveries"
        " WHERE queue = $1 AND dead ORDER BY retry_at",
        queue,
    )


async def retry(connection: Connection, queue: str, chosen: str | None) -> int:
    """Owe the bus the one dead letter, or all, from the outbox of the same database, and return how many."""
    return int(
        await connection.fetchval(
            "WITH revived AS (DELETE FROM local_deliveries WHERE queue = $1 AND dead"
            " AND ($2::text IS NULL OR message_id::text = $2) RETURNING message_id, type, body),"
            " owed AS (INSERT INTO outbox (message_id, type, body) SELECT message_id, type, body FROM revived"
            " ON CONFLICT (message_id) DO NOTHING) SELECT count(*) FROM revived",
            queue,
            chosen,
        )
    )


async def drop(connection: Connection, queue: str, chosen: str | None) -> int:
    """Delete the one dead letter, or all, and return how many."""
    return int(
        await connection.fetchval(
            "WITH dropped AS (DELETE FROM local_deliveries WHERE queue = $1 AND dead"
            " AND ($2::text IS NULL OR message_id::text = $2) RETURNING message_id) SELECT count(*) FROM dropped",
            queue,
            chosen,
        )
    )
