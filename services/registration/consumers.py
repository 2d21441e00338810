"""What registration learns from others."""

from collections.abc import Awaitable, Callable

from services.registration import commands
from shared.clock import Clock
from shared.database import Connection
from shared.messages import Message, SeminarSnapshot

QUEUE = "registration.seminar"


def handlers(clock: Clock) -> dict[str, Callable[[Connection, Message], Awaitable[None]]]:
    """Return the map: message type → handler."""

    async def learn(connection: Connection, message: Message) -> None:
        if isinstance(message.data, SeminarSnapshot):
            await commands.learn_of_seminar(connection, message.data, clock.now())

    return {
        "seminar.published": learn,
        "seminar.changed": learn,
        "seminar.cancelled": learn,
    }
