"""Dead letters over both buses: messages that a queue has given up, to be looked at, tried again or dropped.

A retried message may reach again who has handled it already: every consumer's inbox absorbs that.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, NamedTuple, Protocol, cast

import asyncpg
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import AMQPChannelError

from shared import local_bus
from shared.broker import SET_UP, RefusedError, connected, dead_queue, delivery_exchange, in_time
from shared.database import Connection
from shared.publisher import Publisher, attempts_of, resent
from shared.topology import queues_of

MOST = 100_000  # letters held at once; what is more comes with the next command


class DeadLetter(NamedTuple):
    """A message that a queue has given up; `error` and `since` are those of the last attempt, as far as known."""

    queue: str
    id: str
    type: str
    attempts: int
    error: str
    since: datetime | None
    body: str


class DeadQueue(Protocol):
    """The dead letters of one queue. Where one is to be chosen, None means all that are there when it begins."""

    name: str

    async def letters(self) -> list[DeadLetter]:
        """Return them, and leave them where they are."""
        ...

    async def retry(self, chosen: str | None) -> int:
        """Bring them to their queue again, as if never tried, and return how many; a crash doubles, never loses."""
        ...

    async def drop(self, chosen: str | None) -> int:
        """Remove them for good, and return how many."""
        ...


def dead_queues(service: str, bus_url: str, database_url: str) -> list[DeadQueue]:
    """Return the dead letters of each queue that `service` consumes, over the bus that `bus_url` names."""
    if bus_url.startswith("local:"):
        return [LocalDeadQueue(database_url, queue) for queue in queues_of(service)]
    return [RabbitDeadQueue(bus_url, queue) for queue in queues_of(service)]


# --- over RabbitMQ ---


class RabbitDeadQueue:
    """In `<queue>.dead`, which the service's own broker user may read, write to through its exchange, and no more."""

    def __init__(self, url: str, queue: str) -> None:
        self.name = queue
        self._url = url

    async def letters(self) -> list[DeadLetter]:
        """Return them, and leave them where they are."""
        async with self._held() as held:
            return [_letter(self.name, letter) for letter in held]

    async def retry(self, chosen: str | None) -> int:
        """Publish them to their queue, without their history; each is acked once the broker has confirmed that."""
        publisher = Publisher(self._url)

        async def publish(letter: AbstractIncomingMessage) -> None:
            await publisher.publish(delivery_exchange(self.name), self.name, resent(letter, {}))

        try:
            return await self._settle(chosen, publish)
        finally:
            await publisher.close()

    async def drop(self, chosen: str | None) -> int:
        """Remove them for good, and return how many."""

        async def nothing(_: AbstractIncomingMessage) -> None:
            pass

        return await self._settle(chosen, nothing)

    async def _settle(self, chosen: str | None, first: Callable[[AbstractIncomingMessage], Awaitable[None]]) -> int:
        async with self._held() as held:
            meant = [letter for letter in held if chosen in (None, letter.message_id)]
            for letter in meant:
                await first(letter)
                await in_time(letter.ack())
            return len(meant)

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[list[AbstractIncomingMessage]]:
        """Lend as many letters as stand there now; those that are not acked by then stay dead."""
        async with connected(self._url) as connection:
            try:
                queue = await in_time(_open(connection, dead_queue(self.name)))
            except AMQPChannelError as error:
                raise RefusedError(f"the broker refuses {dead_queue(self.name)}: {error}") from error
            held: list[AbstractIncomingMessage] = []
            try:
                # Until there is none left: the count that a declaration answers with lags behind what was given back.
                while len(held) < MOST and (letter := await in_time(queue.get(fail=False))):
                    held.append(letter)
                yield held
            finally:
                with suppress(Exception):  # a lost connection gives them back, too
                    await in_time(_give_back(held, queue.channel), SET_UP)


async def _open(connection: AbstractConnection, name: str) -> AbstractQueue:
    channel = await connection.channel()
    return await channel.get_queue(name)


async def _give_back(held: list[AbstractIncomingMessage], channel: AbstractChannel) -> None:
    """Return what was not acked, so that whoever looks next finds it: a closing channel does so at its leisure."""
    for letter in held:
        if not letter.processed:
            await letter.nack()
    await channel.close()  # answered after the acks, which a closing connection may cut off


def _letter(queue: str, letter: AbstractIncomingMessage) -> DeadLetter:
    error, since = str(letter.headers.get("x-error", "unknown")), letter.timestamp
    if death := _death(queue, letter):
        error, since = f"given up by the broker: {death.get('reason')}", death.get("time")
    body = letter.body.decode(errors="replace")
    return DeadLetter(queue, letter.message_id or "", letter.type or "", attempts_of(letter), error, since, body)


def _death(queue: str, letter: AbstractIncomingMessage) -> Mapping[str, Any] | None:
    """Return what the broker notes if it was itself that gave the message up, and not its handler."""
    deaths = cast("list[Mapping[str, Any]]", letter.headers.get("x-death") or [])
    return next((death for death in deaths if death.get("queue") == queue), None)


# --- over the local bus ---


class LocalDeadQueue:
    """In the subscriber's database, so that another process can work with them while the bus runs."""

    def __init__(self, database_url: str, queue: str) -> None:
        self.name = queue
        self._database_url = database_url

    async def letters(self) -> list[DeadLetter]:
        """Return them, and leave them where they are."""
        async with self._connected() as connection:
            rows = await local_bus.dead_letters(connection, self.name)
        return [
            DeadLetter(
                self.name,
                str(row["message_id"]),
                row["type"],
                row["attempts"],
                row["error"],
                row["retry_at"],
                row["body"],
            )
            for row in rows
        ]

    async def retry(self, chosen: str | None) -> int:
        """Move them to the outbox of their database, whose relay hands them to the bus again."""
        async with self._connected() as connection:
            return await local_bus.retry(connection, self.name, chosen)

    async def drop(self, chosen: str | None) -> int:
        """Remove them for good, and return how many."""
        async with self._connected() as connection:
            return await local_bus.drop(connection, self.name, chosen)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        connection = await asyncpg.connect(self._database_url, server_settings={"timezone": "UTC"})
        try:
            yield connection
        finally:
            await connection.close()
