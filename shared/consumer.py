"""The consuming end of RabbitMQ: one queue's consumer, watched.

A lost connection is waited out and opened anew here, since an outage must be invisible to whoever signs up. A consumer
that is gone while the connection is sound ends with ConsumerLostError, and with it the process: whoever supervises that
starts it again, and the start declares the queue anew.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import AMQPChannelError, ChannelNotFoundEntity

from shared.broker import (
    SET_UP,
    TIMEOUT,
    connected,
    dead_queue,
    declare_queue,
    delivery_exchange,
    in_time,
    retry_queue,
)
from shared.bus import ConsumerLostError, Handler, PublishError, handle_in_time
from shared.logs import describe
from shared.messages import MalformedMessageError, decode
from shared.publisher import Publisher, attempts_of, resent

PREFETCH = 16  # messages handled side by side
WATCH = 5.0  # seconds between looks whether a consumer still stands at the broker
DRAIN = 10.0  # seconds that running handlers get when their consumer is cancelled; later ones are delivered again
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds between attempts to get back to the broker
REQUEUE_PAUSE = 1.0  # seconds; a broker that takes no retry is not to spend the delivery limit at once

log = structlog.get_logger()


class Look(NamedTuple):
    """What one look at the broker and at ourselves shows."""

    consumers: int  # of the queue, those of other replicas among them
    ready: int  # messages that wait for a consumer
    taken: int  # messages that we have been given so far
    idle: bool  # whether we are done with all of them


def why_lost(before: Look | None, now: Look) -> str | None:
    """Return what tells that our consumer is gone, or None.

    The broker's count alone does not with two replicas; a message that stays while we stand idle does.
    """
    if not now.consumers:
        return "the broker counts no consumer"
    if before and before.idle and now.idle and before.ready and now.ready and before.taken == now.taken:
        return "messages stand ready, and none comes"
    return None


class _Subscription(NamedTuple):
    queue: AbstractQueue
    tag: str
    gone: set[asyncio.Future[object]]


@dataclass
class Consumer:
    """One queue's consumer and the handlers it has running; `watch` and `drain` are in seconds."""

    url: str
    queue: str
    handle: Handler
    publisher: Publisher
    retry_delays: Sequence[float]
    watch: float
    drain: float
    pause: float = SHORTEST_PAUSE
    taken: int = 0
    running: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        """Consume until cancelled; raises ConsumerLostError."""
        try:
            while True:
                try:
                    await self._consume()
                except ConsumerLostError:
                    raise
                except Exception as error:  # noqa: BLE001 - whatever it was, the queue must be consumed again
                    log.warning("broker lost", queue=self.queue, why=repr(error))
                await asyncio.sleep(self.pause)
                self.pause = min(2 * self.pause, LONGEST_PAUSE)
        finally:
            await self._let_finish()

    async def _consume(self) -> None:
        """Consume over one connection; raises ConsumerLostError, or what tells that the connection is lost."""
        async with connected(self.url) as connection:
            try:
                subscription = await in_time(self._subscribe(connection), SET_UP)
            except AMQPChannelError as error:
                raise ConsumerLostError(f"the broker refuses {self.queue}: {error}") from error
            log.info("consuming", queue=self.queue)
            self.pause = SHORTEST_PAUSE
            try:
                why = await self._watch(connection, subscription.gone)
            except asyncio.CancelledError:
                await _stop(subscription.queue, subscription.tag)
                await self._let_finish()
                raise
            raise ConsumerLostError(f"the consumer of {self.queue} is gone: {why}")

    async def _subscribe(self, connection: AbstractConnection) -> _Subscription:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=PREFETCH)
        queue = await declare_queue(channel, self.queue, self.retry_delays)
        gone = await _gone(channel)
        return _Subscription(queue, await queue.consume(self._take), gone)

    async def _watch(self, connection: AbstractConnection, gone: set[asyncio.Future[object]]) -> str:
        """Return why the consumer is gone, as soon as `gone` or a look tells; raises if the connection is lost.

        Consumers have vanished without a word, so the broker is looked at, too.
        """
        before = None
        while True:
            told, _ = await asyncio.wait(gone, timeout=self.watch, return_when=asyncio.FIRST_COMPLETED)
            try:
                now = await in_time(self._look(connection))
            except ChannelNotFoundEntity:
                return "its queue was deleted"
            if why := "its channel was closed or the broker cancelled it" if told else why_lost(before, now):
                return why
            before = now

    async def _look(self, connection: AbstractConnection) -> Look:
        async with connection.channel(publisher_confirms=False) as probe:
            found = (await probe.get_queue(self.queue)).declaration_result
        return Look(found.consumer_count or 0, found.message_count or 0, self.taken, not self.running)

    async def _let_finish(self) -> None:
        for patience in (self.drain, TIMEOUT):  # to end by themselves, then to give up
            if self.running:
                _, late = await asyncio.wait(self.running, timeout=patience)
                for task in late:
                    task.cancel()

    async def _take(self, delivery: AbstractIncomingMessage) -> None:
        # A task of our own: the library cancels its callbacks when the channel closes, and a handler may end.
        self.taken += 1
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
            await in_time(answer)

    async def _handle(self, delivery: AbstractIncomingMessage) -> None:
        """Return once the message may be acked: handled, or passed on; raises PublishError if it was neither."""
        try:
            await handle_in_time(self.handle, decode(delivery.body))
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is this message's failure alone
            await self._pass_on(delivery, error)

    async def _pass_on(self, delivery: AbstractIncomingMessage, error: Exception) -> None:
        attempts = attempts_of(delivery) + 1
        dead = isinstance(error, MalformedMessageError) or attempts > len(self.retry_delays)
        target = dead_queue(self.queue) if dead else retry_queue(self.queue, self.retry_delays[attempts - 1])
        why = describe(error)
        log.warning(
            "message failed", queue=self.queue, type=delivery.type, message=delivery.message_id, why=why, dead=dead
        )
        again = resent(delivery, {"x-attempts": attempts, "x-error": why})
        await self.publisher.publish(delivery_exchange(self.queue), target, again)


async def _gone(channel: AbstractChannel) -> set[asyncio.Future[object]]:
    """Return what is done once the channel closes or the broker cancels its consumer, as for a deleted queue."""
    cancelled: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    underlay = await channel.get_underlay_channel()
    underlay.on_consumer_cancel_callbacks.add(lambda _: cancelled.cancel())
    return {asyncio.ensure_future(channel.closed()), cancelled}


async def _stop(queue: AbstractQueue, tag: str) -> None:
    with contextlib.suppress(Exception):  # a lost channel has stopped by itself
        await in_time(queue.cancel(tag))
