"""What notification learns from others."""

from collections.abc import Awaitable, Callable

from services.notification import commands
from shared.clock import Clock
from shared.database import Connection
from shared.messages import Message, RegistrationSnapshot, SeminarSnapshot

Handle = Callable[[Connection, Message], Awaitable[None]]


def queues(clock: Clock) -> dict[str, dict[str, Handle]]:
    """Return the map: queue → message type → handler."""

    async def seminar(connection: Connection, message: Message) -> None:
        if isinstance(message.data, SeminarSnapshot):
            await commands.learn_of_seminar(connection, message.data, clock.now(), message.correlationid)

    async def registration(connection: Connection, message: Message) -> None:
        if isinstance(message.data, RegistrationSnapshot):
            await commands.learn_of_registration(connection, message.data, clock.now(), message.correlationid)

    async def checked_in(connection: Connection, message: Message) -> None:
        if isinstance(message.data, RegistrationSnapshot):
            await commands.learn_of_check_in(connection, message.data, clock.now(), message.correlationid)

    async def link_requested(connection: Connection, message: Message) -> None:
        if isinstance(message.data, RegistrationSnapshot):
            await commands.send_link_again(connection, message.data, clock.now(), message.correlationid)

    return {
        "notification.seminar": {
            "seminar.published": seminar,
            "seminar.changed": seminar,
            "seminar.cancelled": seminar,
            "seminar.recording_published": seminar,
        },
        "notification.registration": {
            "registration.confirmed": registration,
            "registration.waitlisted": registration,
            "registration.promoted": registration,
            "registration.changed": registration,
            "registration.cancelled": registration,
            "registration.link_requested": link_requested,
            "registration.checked_in": checked_in,
        },
    }
