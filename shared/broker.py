r"""What stands at RabbitMQ, and how to talk to it so that no talk can last for good.

Quorum queues, a ladder of retry queues, dead letters. A service's broker user needs no more than to configure
`^<service>\.`, to write there and to `fagseminar`, and to read there and, for its bindings, `fagseminar`. So retries
and dead letters go through the service's own direct exchange `<service>.delivery`, never through the default one,
which would let every service write to every queue.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import Any, TypeVar

import aio_pika
from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractQueue
from aio_pika.exceptions import AMQPChannelError

from shared.topology import EXCHANGE, QUEUES, RETRY_DELAYS

DELIVERY_LIMIT = 20  # deliveries without an answer, as when a message kills its process; then the broker gives it up
NEVER = 1_000_000  # deliveries; RabbitMQ 4 would otherwise drop a dead letter that was looked at 20 times
TIMEOUT = 5.0  # seconds for one exchange of words with the broker
SET_UP = 30.0  # seconds for declaring a topology
HEARTBEAT = 10  # seconds; whoever says nothing for three of them is gone

Answer = TypeVar("Answer")


class RefusedError(RuntimeError):
    """The broker answered, and the answer is no: another attempt will get the same one."""


# --- talking ---


async def in_time(talk: Awaitable[Answer], seconds: float = TIMEOUT) -> Answer:
    """Return what the broker answers; raises TimeoutError after `seconds`, ConnectionError if the library gave it up.

    The talk is a task of its own, which is left to itself when time is up or the caller is cancelled. The library
    swallows a cancellation that meets the end of one of its waits (before Python 3.12 `asyncio.wait_for` does, too),
    so whoever awaited it directly would at times wait on as if never told to stop.
    """
    task = asyncio.ensure_future(talk)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        if not task.done():
            _leave(task)
    if not task.done():
        raise TimeoutError(f"no answer from the broker within {seconds} s")
    if task.cancelled():
        raise ConnectionError("cancelled from within")
    return task.result()


_left: set[asyncio.Future[Any]] = set()  # held until they end


def _leave(task: asyncio.Future[Any]) -> None:
    task.cancel()
    _left.add(task)
    task.add_done_callback(_forget)


def _forget(task: asyncio.Future[Any]) -> None:
    _left.discard(task)
    if not task.cancelled() and not task.exception() and isinstance(late := task.result(), AbstractConnection):
        _leave_closing(late)


def _leave_closing(connection: AbstractConnection) -> None:
    closing = asyncio.create_task(close(connection))
    _left.add(closing)
    closing.add_done_callback(_left.discard)


async def connect(url: str) -> AbstractConnection:
    """Return an open connection; raises ConnectionError or TimeoutError."""
    # The library bounds only some steps of its handshake.
    return await in_time(aio_pika.connect(url, timeout=TIMEOUT, heartbeat=HEARTBEAT), 2 * TIMEOUT)


async def close(connection: AbstractConnection) -> None:
    """Close in bounded time: a broker short of memory does not answer."""
    with contextlib.suppress(Exception):  # closed or not, nobody uses it any more
        await in_time(connection.close())


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[AbstractConnection]:
    """Lend a connection; raises ConnectionError or TimeoutError if there is none to be had."""
    connection = await connect(url)
    try:
        yield connection
    finally:
        await close(connection)


# --- declaring ---


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

    Raises ConnectionError or TimeoutError if the broker cannot be reached, and RefusedError if its user may not, or if
    something stands there with other arguments.
    """
    async with connected(url) as connection:
        try:
            await in_time(_declare_all(connection, retry_delays), SET_UP)
        except AMQPChannelError as error:
            raise RefusedError(
                f"the broker refuses to declare the topology: {error}; BUS_URL must name a user who may configure,"
                f" write and read `{EXCHANGE}` and the queues of every service"
            ) from error


async def _declare_all(connection: AbstractConnection, retry_delays: Sequence[float]) -> None:
    channel = await connection.channel()
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
