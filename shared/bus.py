"""How a service hands messages over and gets them. Its implementations: `local_bus` and `rabbitmq`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from shared.database import Database
from shared.messages import Message

Handler = Callable[[Message], Awaitable[None]]

HANDLER_DEADLINE = 30.0  # seconds; far below the broker's consumer timeout (30 minutes), so no second delivery overlaps


class PublishError(RuntimeError):
    """The bus did not take the message, or it is not known whether it did: publish it again."""


class ConsumerLostError(RuntimeError):
    """The bus is there, and yet a consumer is gone from it: its process must end and be started again."""


class Bus(Protocol):
    """At least once, in no promised order, to every queue that the topology names for the message's type."""

    async def publish(self, message: Message) -> None:
        """Return once the message is durably taken over; raises PublishError otherwise, within bounded time."""
        ...

    async def consume(self, queue: str, handle: Handler) -> None:
        """Hand the queue's messages to `handle` until cancelled; raises ConsumerLostError.

        A message whose handler raises comes again after the delays of the topology, and is then a dead letter.
        """
        ...

    async def close(self) -> None:
        """Let go of the broker."""
        ...


async def handle_in_time(handle: Handler, message: Message) -> None:
    """Run the handler under its deadline; raises what it raises, or TimeoutError."""
    async with asyncio.timeout(HANDLER_DEADLINE):
        with no_stray_cancellation():
            await handle(message)


@contextmanager
def no_stray_cancellation() -> Iterator[None]:
    """Raise ConnectionError for a CancelledError that nobody sent to this task.

    Libraries answer calls that a lost connection leaves open with one. Let through, it would end a loop as if that had
    been told to stop, and nothing would say so.
    """
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task and task.cancelling():
            raise
        raise ConnectionError("cancelled from within") from None


# Opens a service's own end of the bus; the local one keeps its deliveries in the service's database.
OpenBus = Callable[[Database], Bus]
