"""A message's journey from one service's outbox to what two others make of it, the same over both buses."""

import asyncio
import itertools
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self
from uuid import UUID

import aio_pika
import asyncpg
import pytest
import structlog
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import ChannelNotFoundEntity

from local.rabbitmq import RabbitMQ
from shared import local_bus, outbox
from shared.broker import declare
from shared.bus import Bus, Handler
from shared.database import Connection, Database, open_database
from shared.dead_letters import DeadQueue, LocalDeadQueue, RabbitDeadQueue
from shared.inbox import once
from shared.messages import Message
from shared.rabbitmq import RabbitBus
from shared.topology import EXCHANGE, QUEUES, permissions
from tests.contracts.steps import nothing

SERVICES = ("catalog", "registration", "notification")
NewDatabase = Callable[[str], Awaitable[str]]
Control = Callable[..., Awaitable[None]]
Hook = Callable[[str, Message], Awaitable[None]]

EFFECTS = (
    "CREATE TABLE effects (position bigint GENERATED ALWAYS AS IDENTITY, queue text, message_id uuid, correlation text)"
)
NEWEST = "CREATE TABLE newest (queue text, subject text, revision integer, PRIMARY KEY (queue, subject))"


class Journey(ABC):
    """Catalog publishes, registration and notification consume, all relay. The databases stay when processes go."""

    retry_delays = (0.1, 0.2)

    def __init__(self, urls: dict[str, str]) -> None:
        self.urls = urls
        self.before_effect: Hook = nothing  # in the effect's transaction
        self.after_commit: Hook = nothing  # before the bus learns of it
        self.consuming: dict[str, asyncio.Task[None]] = {}
        self._delivered: Counter[tuple[str, UUID]] = Counter()

    @abstractmethod
    def ends(self) -> Callable[[str, Database], Bus]:
        """Return what makes each service's end of the bus."""

    @abstractmethod
    def dead_queue(self, queue: str) -> DeadQueue:
        """Return where the messages lie that `queue` has given up."""

    async def dead(self, queue: str) -> list[str]:
        """Return the ids of the messages that `queue` has given up."""
        return [letter.id for letter in await self.dead_queue(queue).letters()]

    @abstractmethod
    async def close_queues(self) -> None:
        """Stop consuming, and leave the messages for the queues nowhere to go."""

    async def open_queues(self) -> None:
        """Have the whole topology there before anybody publishes or consumes, as the migration job does."""
        self.start_consumers()

    async def __aenter__(self) -> Self:
        for service in ("registration", "notification"):
            await self.look(service, EFFECTS)
            await self.look(service, NEWEST)
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._stack = AsyncExitStack()
        end = self.ends()
        self.databases = {s: await self._stack.enter_async_context(open_database(self.urls[s])) for s in SERVICES}
        self.buses = {service: end(service, self.databases[service]) for service in SERVICES}
        self.start_consumers()
        self._relays = {service: outbox.Relay(self.databases[service], self.buses[service]) for service in SERVICES}
        self.start_relays()

    def start_relays(self) -> None:
        self._relaying = [asyncio.create_task(relay.run()) for relay in self._relays.values()]

    async def stop_relays(self) -> None:
        await _cancel(*self._relaying)

    def start_consumers(self) -> None:
        for queue in QUEUES:
            self.start_consumer(queue)

    def start_consumer(self, queue: str) -> asyncio.Task[None]:
        self.consuming[queue] = asyncio.create_task(self._consume(queue))
        return self.consuming[queue]

    async def stop_consumers(self) -> None:
        await _cancel(*self.consuming.values())

    async def stop(self) -> None:
        await self.stop_relays()
        await self.stop_consumers()
        for bus in self.buses.values():
            await bus.close()
        await self._stack.aclose()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def _consume(self, queue: str) -> None:
        service = queue.partition(".")[0]
        await self.buses[service].consume(queue, self._handler(queue, self.databases[service]))

    def _handler(self, queue: str, database: Database) -> Handler:
        async def effect(connection: Connection, message: Message) -> None:
            await self.before_effect(queue, message)
            await _leave_effect(connection, queue, message)

        handle_once = once(database, queue, dict.fromkeys(QUEUES[queue], effect))

        async def handle(message: Message) -> None:
            try:
                await handle_once(message)
                await self.after_commit(queue, message)
            finally:
                self._delivered[queue, message.id] += 1

        return handle

    async def record(self, *messages: Message) -> None:
        """Commit a change that owes `messages`, as a process would, be the others up or down."""
        async with open_database(self.urls["catalog"], connections=1) as database, database.transaction() as connection:
            for message in messages:
                await outbox.record(connection, message)
        self._relays["catalog"].nudge()

    async def publish(self, message: Message) -> None:
        await self.buses["catalog"].publish(message)

    async def delivered(self, queue: str, message: Message) -> int:
        """Return how often the message was handed to the queue's handler and that has ended, well or not."""
        return self._delivered[queue, message.id]

    async def effects(self, queue: str) -> list[UUID]:
        rows = await self._look_after(queue, "SELECT message_id FROM effects WHERE queue = $1 ORDER BY position")
        return [row["message_id"] for row in rows]

    async def correlations(self, queue: str) -> list[str]:
        rows = await self._look_after(queue, "SELECT correlation FROM effects WHERE queue = $1")
        return [row["correlation"] for row in rows]

    async def newest(self, queue: str) -> list[int]:
        rows = await self._look_after(queue, "SELECT revision FROM newest WHERE queue = $1")
        return [row["revision"] for row in rows]

    async def owed(self) -> list[int]:
        """Return how often each message that the bus has not taken yet was offered."""
        return [row["attempts"] for row in await self.look("catalog", "SELECT attempts FROM outbox")]

    async def _look_after(self, queue: str, statement: str) -> list[asyncpg.Record]:
        return await self.look(queue.partition(".")[0], statement, queue)

    async def look(self, service: str, statement: str, *arguments: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.urls[service])
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()


async def _leave_effect(connection: Connection, queue: str, message: Message) -> None:
    correlation = structlog.contextvars.get_contextvars().get("correlation_id")
    await connection.execute(
        "INSERT INTO effects (queue, message_id, correlation) VALUES ($1, $2, $3)", queue, message.id, correlation
    )
    await connection.execute(
        "INSERT INTO newest AS held VALUES ($1, $2, $3) ON CONFLICT (queue, subject)"
        " DO UPDATE SET revision = excluded.revision WHERE held.revision < excluded.revision",
        queue,
        message.subject,
        getattr(message.data, "revision", 0),
    )


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class LocalJourney(Journey):
    """Over the bus of the single process."""

    def ends(self) -> Callable[[str, Database], Bus]:
        bus = local_bus.LocalBus(self.retry_delays)
        return lambda _, database: local_bus.LocalEndpoint(bus, database)

    def dead_queue(self, queue: str) -> DeadQueue:
        return LocalDeadQueue(self.urls[queue.partition(".")[0]], queue)

    async def close_queues(self) -> None:
        await self.stop_consumers()


class Broker:
    """A vhost, to look behind the bus with."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def delete_queue(self, queue: str) -> None:
        async with self.channel() as channel:
            await channel.queue_delete(queue)

    async def consumers(self, queue: str) -> int | None:
        """Return how many consumers the broker knows, None if there is no such queue."""
        try:
            async with self.channel() as channel:
                return (await channel.get_queue(queue)).declaration_result.consumer_count
        except ChannelNotFoundEntity:
            return None

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[AbstractChannel]:
        """Lend a channel of a user who may do everything."""
        async with await aio_pika.connect(self.url) as connection, connection.channel() as channel:
            yield channel


class RabbitJourney(Broker, Journey):
    """Over a vhost of its own."""

    watch = 0.5
    drain = 0.2

    def __init__(self, urls: dict[str, str], broker: str) -> None:
        Broker.__init__(self, broker)
        Journey.__init__(self, urls)
        self.users = dict.fromkeys(SERVICES, broker)

    def ends(self) -> Callable[[str, Database], Bus]:
        return lambda service, _: RabbitBus(
            self.users[service], retry_delays=self.retry_delays, timeout=1.0, watch=self.watch, drain=self.drain
        )

    def dead_queue(self, queue: str) -> DeadQueue:
        return RabbitDeadQueue(self.users[queue.partition(".")[0]], queue)

    async def close_queues(self) -> None:
        await self.stop_consumers()
        for queue in QUEUES:
            await self.delete_queue(queue)

    async def open_queues(self) -> None:
        await self.stop_relays()  # while one queue is there alone, it would take what both are to get
        await declare(self.url, retry_delays=self.retry_delays)
        self.start_relays()
        await super().open_queues()


@pytest.fixture
async def urls(new_database: NewDatabase) -> dict[str, str]:
    made = await asyncio.gather(*(new_database(service) for service in SERVICES))
    return dict(zip(SERVICES, made, strict=True))


@pytest.fixture
async def local_journey(urls: dict[str, str]) -> AsyncIterator[LocalJourney]:
    async with LocalJourney(urls) as journey:
        yield journey


@pytest.fixture
async def rabbit_journey(urls: dict[str, str], rabbitmq: RabbitMQ, vhost: str) -> AsyncIterator[RabbitJourney]:
    async with RabbitJourney(urls, rabbitmq.url(vhost)) as journey:
        yield journey


@pytest.fixture(params=["local", "rabbit"])
def journey(request: pytest.FixtureRequest) -> Journey:
    """Return the journey over either bus; only the one over RabbitMQ needs a node."""
    chosen: Journey = request.getfixturevalue(f"{request.param}_journey")
    return chosen


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.outbox.POLL", 0.1)


@pytest.fixture(scope="session")
def spare_vhosts() -> list[str]:
    return []


@pytest.fixture
async def vhost(rabbitmq: RabbitMQ, spare_vhosts: list[str]) -> str:
    """Return the name of a vhost that nobody else uses, with the topology in it."""
    if not spare_vhosts:
        spare_vhosts += [f"journey-{next(_numbers)}" for _ in range(20)]
        await _add_vhosts(rabbitmq, spare_vhosts)
    name = spare_vhosts.pop()
    await declare(rabbitmq.url(name), retry_delays=Journey.retry_delays)
    return name


async def _add_vhosts(node: RabbitMQ, names: list[str]) -> None:
    """Add them in one command, which takes as long for twenty as for one."""
    definitions = {"vhosts": [{"name": name} for name in names], "permissions": node._permissions(names)}
    await node._control("import_definitions", text=json.dumps(definitions))


@pytest.fixture
def broker(rabbitmq: RabbitMQ, vhost: str) -> Broker:
    return Broker(rabbitmq.url(vhost))


@pytest.fixture
def control(rabbitmq: RabbitMQ) -> Control:
    """Return `rabbitmqctl` for the node."""
    return rabbitmq._control


@pytest.fixture
async def users(rabbitmq: RabbitMQ, vhost: str) -> dict[str, str]:
    """Return each service's URL, with a broker user who may do in `vhost` what the topology says, no more."""
    may = {service: permissions(service) for service in SERVICES}
    place = {service: {"user": service, "vhost": vhost} for service in SERVICES}
    definitions = {
        "users": [{"name": service, "tags": "", **rabbitmq._hashed(service)} for service in SERVICES],
        "permissions": [
            {**place[s], "configure": may[s].configure, "write": may[s].write, "read": may[s].read} for s in SERVICES
        ],
        "topic_permissions": [
            {**place[s], "exchange": EXCHANGE, "write": may[s].publish, "read": may[s].bind} for s in SERVICES
        ],
    }
    await rabbitmq._control("import_definitions", text=json.dumps(definitions))
    return {service: rabbitmq.url(vhost, user=service) for service in SERVICES}


_numbers = itertools.count()
