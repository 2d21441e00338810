"""The publishing end of RabbitMQ: one connection, and nothing counts before the broker has confirmed it."""

import asyncio
from typing import NamedTuple

import aio_pika
from aio_pika import DeliveryMode
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import DeliveryError

from shared.broker import TIMEOUT, close, connect, in_time
from shared.bus import PublishError
from shared.clock import SystemClock


class _Line(NamedTuple):
    connection: AbstractConnection
    channel: AbstractChannel


class Publisher:
    """One connection, opened when it is first needed and anew when it was lost.

    Everybody who waits for it shares one opening, so an outage costs one attempt and not one a message.
    """

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        self._url = url
        self._timeout = timeout
        self._opening: asyncio.Task[_Line] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def publish(self, exchange: str, key: str, message: aio_pika.Message, *, mandatory: bool = True) -> None:
        """Return once the broker has confirmed the message; raises PublishError otherwise, in time."""
        opening = self._line()
        try:
            await in_time(_send(opening, exchange, key, message, mandatory=mandatory), self._timeout)
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
        connection = await connect(self._url)
        try:
            return _Line(connection, await in_time(_confirming(connection)))
        except BaseException:
            await close(connection)
            raise

    def _discard(self, opening: asyncio.Task[_Line]) -> None:
        if self._opening is opening:  # else somebody was faster, and this may be a new line
            self._opening = None
            task = asyncio.create_task(_hang_up(opening))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Let go of the broker, in bounded time."""
        if self._opening:
            self._discard(self._opening)
        await asyncio.gather(*self._closing)


async def _confirming(connection: AbstractConnection) -> AbstractChannel:
    return await connection.channel(publisher_confirms=True, on_return_raises=True)


async def _send(
    opening: asyncio.Task[_Line], exchange: str, key: str, message: aio_pika.Message, *, mandatory: bool
) -> None:
    line = await asyncio.shield(opening)
    target = await line.channel.get_exchange(exchange, ensure=False)
    await target.publish(message, key, mandatory=mandatory)


def _lost(opening: asyncio.Task[_Line]) -> bool:
    return opening.done() and (_failed(opening) or opening.result().channel.is_closed)


def _failed(opening: asyncio.Task[_Line]) -> bool:
    return opening.cancelled() or opening.exception() is not None


async def _hang_up(opening: asyncio.Task[_Line]) -> None:
    opening.cancel()
    await asyncio.wait({opening})
    if not _failed(opening):
        await close(opening.result().connection)


def attempts_of(delivery: AbstractIncomingMessage) -> int:
    """Return how often handling has failed, by our own count: `x-death` does not survive republishing (3.13)."""
    attempts = delivery.headers.get("x-attempts")
    return attempts if isinstance(attempts, int) else 0


def resent(delivery: AbstractIncomingMessage, notes: dict[str, str | int]) -> aio_pika.Message:
    """Return the delivery as a message to publish, with `notes` in place of earlier ones and the time of this one."""
    headers = {name: value for name, value in delivery.headers.items() if not name.startswith("x-")}
    return aio_pika.Message(
        delivery.body,
        headers={**headers, **notes},
        content_type=delivery.content_type,
        delivery_mode=DeliveryMode.PERSISTENT,
        message_id=delivery.message_id,
        type=delivery.type,
        timestamp=SystemClock().now(),
        correlation_id=delivery.correlation_id,
    )
