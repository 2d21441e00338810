r"""The bus over RabbitMQ: quorum queues, publisher confirms, a ladder of retry queues, dead letters.

A service's broker user needs no more than to configure `^<service>\.`, to write there and to `fagseminar`, and to read
there and, for its bindings, `fagseminar`. So retries and dead letters go through the service's own direct exchange
`<service>.delivery`, never through the default one, which would let every service write to every queue.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import aio_pika
import structlog
from aio_pika import DeliveryMode, ExchangeType
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import DeliveryError

from shared.bus import Handler, PublishError, handle_in_time, no_stray_cancellation
from shared.logs import describe
from shared.messages import MalformedMessageError, Message, decode, encode
from shared.topology import EXCHANGE, QUEUES, RETRY_DELAYS, UNCONSUMED

PREFETCH = 16  # messages handled side by side
DELIVERY_LIMIT = 20  # deliveries without an answer, as when a message kills its process; then the broker gives it up
NEVER = 1_000_000  # deliveries; RabbitMQ 4 would otherwise drop a dead letter that was looked at 20 times
TIMEOUT = 5.0  # seconds for one exchange of words with the broker
SET_UP = 30.0  # seconds for declaring a topology
HEARTBEAT = 10  # seconds; whoever says nothing for three of them is gone
WATCH = 5.0  # seconds between looks whether a consumer still stands at the broker
DRAIN = 10.0  # seconds that running handlers get when their consumer is cancelled; later ones are delivered again
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds between attempts to get back to the broker
REQUEUE_PAUSE = 1.0  # seconds; a broker that takes no retry is not to spend the delivery limit at once

log = structlog.get_logger()


# --- topology ---


def dead_queue(queue: str) -> str:
    """Return the name of the queue of the messages that `queue` has given up."""
    return f"{queue}.dead"


def retry_queue(queue: str, delay: float) -> str:
    """Return the name of the queue where messages rest for `delay` seconds; a changed ladder gets new names."""
    return f"{queue}.retry.{_milliseconds(delay)}"


def delivery_exchange(queue: str) -> str:
    """Return the name of the exchange through which the service that owns `queue` reaches its own queues by name."""
    return f"{queue.partition('.')[0]}.delivery"


async def declare(url: str, *, retry_delays: Sequence[float] = RETRY_DELAYS) -> None:
    """Declare the whole topology; nothing changes where it stands already.

    Raises ConnectionError or TimeoutError if the broker cannot be reached, and AMQPError if it refuses, as it does for
    a queue that stands with other arguments.
    """
    async with _connected(url) as connection, _within(SET_UP), connection.channel() as channel:
        await channel.declare_exchange(EXCHANGE, ExchangeType.TOPIC, durable=True)
        for queue in QUEUES:
            await declare_queue(channel, queue, retry_delays)


async def declare_queue(channel: AbstractChannel, queue: str, retry_delays: Sequence[float]) -> AbstractQueue:
    """Declare the queue with its bindings, its retry queues and its dead letters: what its own service may declare."""
    delivery = delivery_exchange(queue)
    await channel.declare_exchange(delivery, ExchangeType.DIRECT, durable=True)
    await _quorum(channel, dead_queue(queue), {"x-delivery-limit": NEVER})
    for delay in retry_delays:
        rest = {"x-message-ttl": _milliseconds(delay), **_dead_lettering(queue, queue)}
        await _quorum(channel, retry_queue(queue, delay), rest)
    limit = {"x-delivery-limit": DELIVERY_LIMIT, **_dead_lettering(queue, dead_queue(queue))}
    declared = await _quorum(channel, queue, limit)
    for message_type in sorted(QUEUES[queue]):
        await declared.bind(EXCHANGE, message_type)
    return declared


async def _quorum(channel: AbstractChannel, name: str, arguments: Mapping[str, str | int]) -> AbstractQueue:
    declared = await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum", **arguments})
    await declared.bind(delivery_exchange(name), name)
    return declared


def _dead_lettering(queue: str, target: str) -> dict[str, str | int]:
    return {
        "x-dead-letter-exchange": delivery_exchange(queue),
        "x-dead-letter-routing-key": target,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",  # at-least-once dead-lettering demands it
    }


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


async def dead_letters(url: str, queue: str) -> list[str]:
    """Return the ids of the messages that `queue` has given up; they stay where they are."""
    async with _connected(url) as connection, _within(SET_UP):
        channel = await connection.channel()
        dead = await channel.get_queue(dead_queue(queue))
        found = []
        while letter := await dead.get(fail=False):
            found.append(letter.message_id or "")
        return found


# --- the bus ---


class RabbitBus:
    """One service's end of the broker: a connection for publishing, and one for each queue that it consumes.

    They are apart because a broker short of memory stops reading from whoever publishes, and acks must get through.
    `timeout`, `watch` and `drain` are in seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        retry_delays: Sequence[float] = RETRY_DELAYS,
        timeout: float = TIMEOUT,
        watch: float = WATCH,
        drain: float = DRAIN,
    ) -> None:
        self._url = url
        self._retry_delays = retry_delays
        self._watch = watch
        self._drain = drain
        self._publisher = _Publisher(url, timeout)

    async def publish(self, message: Message) -> None:
        """Return once the broker has confirmed the message for every queue; raises PublishError otherwise, in time."""
        envelope = aio_pika.Message(
            encode(message),
            content_type="application/cloudevents+json",
            delivery_mode=DeliveryMode.PERSISTENT,
            message_id=str(message.id),
            type=message.type,
            correlation_id=message.correlationid,
        )
        await self._publisher.publish(EXCHANGE, message.type, envelope, mandatory=message.type not in UNCONSUMED)

    async def consume(self, queue: str, handle: Handler) -> None:
        """Hand the queue's messages to `handle` until cancelled, whatever becomes of connection, channel and queue."""
        await _Consumer(
            self._url, queue, handle, self._publisher, self._retry_delays, watch=self._watch, drain=self._drain
        ).run()

    async def close(self) -> None:
        """Let go of the broker; consumers let go of it when they are cancelled."""
        await self._publisher.close()


class _Line(NamedTuple):
    connection: AbstractConnection
    channel: AbstractChannel


class _Publisher:
    """One connection, opened when it is first needed and anew when it was lost.

    Everybody who waits for it shares one opening, so an outage costs one attempt and not one a message.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self._url = url
        self._timeout = timeout
        self._opening: asyncio.Task[_Line] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def publish(self, exchange: str, key: str, message: aio_pika.Message, *, mandatory: bool = True) -> None:
        """Return once the broker has confirmed the message; raises PublishError otherwise, in time."""
        opening = self._line()
        try:
            async with _within(self._timeout):
                line = await asyncio.shield(opening)
                target = await line.channel.get_exchange(exchange, ensure=False)
                await target.publish(message, key, mandatory=mandatory)
        except DeliveryError as error:  # returned, or refused by a queue: the connection is sound
            raise PublishError(f"the broker did not take it for {key}: {error!r}") from error
        except Exception as error:
            self._discard(opening)
            raise PublishError(f"not known whether the broker took it for {key}: {error!r}") from error

    def _line(self) -> asyncio.Task[_Line]:
        if self._opening and _lost(self._opening):
            self._discard(self._opening)
        self._opening = self._opening or asyncio.create_task(self._open())
        return self._opening

    async def _open(self) -> _Line:
        connection = await _connect(self._url)
        try:
            return _Line(connection, await connection.channel(publisher_confirms=True, on_return_raises=True))
        except BaseException:
            await _close(connection)
            raise

    def _discard(self, opening: asyncio.Task[_Line]) -> None:
        if self._opening is opening:  # else somebody was faster, and this may be a new line
            self._opening = None
            task = asyncio.create_task(_hang_up(opening))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        if self._opening:
            self._discard(self._opening)
        await asyncio.gather(*self._closing)


def _lost(opening: asyncio.Task[_Line]) -> bool:
    return opening.done() and (_failed(opening) or opening.result().channel.is_closed)


def _failed(opening: asyncio.Task[_Line]) -> bool:
    return opening.cancelled() or opening.exception() is not None


async def _hang_up(opening: asyncio.Task[_Line]) -> None:
    opening.cancel()
    await asyncio.wait({opening})
    if not _failed(opening):
        await _close(opening.result().connection)


@dataclass
class _Consumer:
    """One queue's consumer and the handlers it has running."""

    url: str
    queue: str
    handle: Handler
    publisher: _Publisher
    retry_delays: Sequence[float]
    watch: float
    drain: float
    pause: float = SHORTEST_PAUSE
    running: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        try:
            while True:
                try:
                    await self._consume()
                except Exception as error:  # noqa: BLE001 - whatever it was, the queue must be consumed again
                    log.warning("consumer lost", queue=self.queue, why=repr(error))
                await asyncio.sleep(self.pause)
                self.pause = min(2 * self.pause, LONGEST_PAUSE)
        finally:
            await self._let_finish()

    async def _consume(self) -> None:
        """Consume over one connection; raises when it, the channel, the queue or the consumer is gone."""
        async with _connected(self.url) as connection:
            async with _within(SET_UP):
                channel = await connection.channel()
                await channel.set_qos(prefetch_count=PREFETCH)
                queue = await declare_queue(channel, self.queue, self.retry_delays)
                gone = await _gone(channel)
                tag = await queue.consume(self._take)
            log.info("consuming", queue=self.queue)
            self.pause = SHORTEST_PAUSE
            try:
                await self._watch(connection, gone)
            except asyncio.CancelledError:
                await _stop(queue, tag)
                await self._let_finish()
                raise

    async def _watch(self, connection: AbstractConnection, gone: set[asyncio.Future[object]]) -> None:
        """Wait until one of `gone` is done, and look at the broker too: consumers have vanished without a word."""
        while not (await asyncio.wait(gone, timeout=self.watch, return_when=asyncio.FIRST_COMPLETED))[0]:
            async with _within(TIMEOUT), connection.channel(publisher_confirms=False) as probe:
                queue = await probe.get_queue(self.queue)  # raises if it was deleted
            if not queue.declaration_result.consumer_count:
                break
        raise ConnectionError("the channel or its consumer is gone")

    async def _let_finish(self) -> None:
        if self.running:
            _, late = await asyncio.wait(self.running, timeout=self.drain)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _take(self, delivery: AbstractIncomingMessage) -> None:
        # A task of our own: the library cancels its callbacks when the channel closes, and a handler may end.
        task = asyncio.create_task(self._settle(delivery))
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    async def _settle(self, delivery: AbstractIncomingMessage) -> None:
        try:
            await self._handle(delivery)
        except PublishError as error:
            log.warning("failed message goes back", queue=self.queue, message=delivery.message_id, why=str(error))
            await asyncio.sleep(REQUEUE_PAUSE)
            answer = delivery.nack()
        else:
            answer = delivery.ack()
        with contextlib.suppress(Exception):  # the channel is gone, so the broker delivers again
            await answer

    async def _handle(self, delivery: AbstractIncomingMessage) -> None:
        """Return once the message may be acked: handled, or passed on; raises PublishError if it was neither."""
        try:
            await handle_in_time(self.handle, decode(delivery.body))
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is this message's failure alone
            await self._pass_on(delivery, error)

    async def _pass_on(self, delivery: AbstractIncomingMessage, error: Exception) -> None:
        attempts = _attempts(delivery) + 1
        dead = isinstance(error, MalformedMessageError) or attempts > len(self.retry_delays)
        target = dead_queue(self.queue) if dead else retry_queue(self.queue, self.retry_delays[attempts - 1])
        why = describe(error)
        log.warning(
            "message failed", queue=self.queue, type=delivery.type, message=delivery.message_id, why=why, dead=dead
        )
        await self.publisher.publish(delivery_exchange(self.queue), target, _again(delivery, attempts, why))


async def _gone(channel: AbstractChannel) -> set[asyncio.Future[object]]:
    """Return what is done once the channel closes or the broker cancels its consumer, as for a deleted queue."""
    cancelled: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    underlay = await channel.get_underlay_channel()
    underlay.on_consumer_cancel_callbacks.add(lambda _: cancelled.cancel())
    return {asyncio.ensure_future(channel.closed()), cancelled}


async def _stop(queue: AbstractQueue, tag: str) -> None:
    with contextlib.suppress(Exception):  # a lost channel has stopped by itself
        async with _within(TIMEOUT):
            await queue.cancel(tag)


def _attempts(delivery: AbstractIncomingMessage) -> int:
    """Return how often handling has failed, by our own count: `x-death` does not survive republishing (3.13)."""
    attempts = delivery.headers.get("x-attempts")
    return attempts if isinstance(attempts, int) else 0


def _again(delivery: AbstractIncomingMessage, attempts: int, why: str) -> aio_pika.Message:
    headers = {name: value for name, value in delivery.headers.items() if not name.startswith("x-")}
    return aio_pika.Message(
        delivery.body,
        headers={**headers, "x-attempts": attempts, "x-error": why},
        content_type=delivery.content_type,
        delivery_mode=DeliveryMode.PERSISTENT,
        message_id=delivery.message_id,
        type=delivery.type,
        correlation_id=delivery.correlation_id,
    )


# --- connections ---


async def _connect(url: str) -> AbstractConnection:
    async with _within(2 * TIMEOUT):  # the library bounds only some steps of its handshake
        return await aio_pika.connect(url, timeout=TIMEOUT, heartbeat=HEARTBEAT)


async def _close(connection: AbstractConnection) -> None:
    """Close in bounded time: a broker short of memory does not answer."""
    closing = asyncio.ensure_future(connection.close())
    await asyncio.wait({closing}, timeout=TIMEOUT)
    closing.cancel()


@contextlib.asynccontextmanager
async def _connected(url: str) -> AsyncIterator[AbstractConnection]:
    connection = await _connect(url)
    try:
        yield connection
    finally:
        await _close(connection)


@contextlib.asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    """Bound a talk with the broker; raises TimeoutError after `seconds`, ConnectionError if the library gave it up."""
    async with asyncio.timeout(seconds):
        with no_stray_cancellation():
            yield
