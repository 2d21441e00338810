"""What notification learns from others."""

from collections.abc import Awaitable, Callable

from services.notification import commands, erasing
from shared.clock import Clock
from shared.database import Connection
from shared.messages import ErasedRegistration, Message, RegistrationSnapshot, SeminarSnapshot

Handle = Callable[[Connection, Message], Awaitable[None]]


def queues(clock: Clock) -> dict[str, dict[str, Handle]]:
    """Return the map: queue → message type → handler."""
    return {"notification.seminar": _of_seminars(clock), "notification.registration": _of_registrations(clock)}


def _of_seminars(clock: Clock) -> dict[str, Handle]:
    async def seminar(connection: Connection, message: Message) -> None:
        if isinstance(message.data, SeminarSnapshot):
            await commands.learn_of_seminar(connection, message.data, clock.now(), message.correlationid)

    return {
        "seminar.published": seminar,
        "seminar.changed": seminar,
        "seminar.cancelled": seminar,
        "seminar.recording_published": seminar,
    }


def _of_registrations(clock: Clock) -> dict[str, Handle]:
    async def registration(connection: Connection, message: Message) -> None:
        if isinstance(message.data, RegistrationSnapshot):
            await commands.learn_of_registration(connection, message.data, clock.now(), message.correlationid)

    async def checked_in(connection: Connection, message: Message) -> None:
        if isinstance(message.data, RegistrationSnapshot):
            await commands.learn_of_check_in(connection, message.data, clock.now(), message.correlationid)

    async def link_requested(connection: Connection, message: Message) -> None:
        if isinstance(message.data, RegistrationSnapshot):
            await commands.send_link_again(connection, message.data, clock.now(), message.correlationid)

    async def erased(connection: Connection, message: Message) -> None:
        if isinstance(message.data, ErasedRegistration):
            await erasing.erase(connection, message.data, clock.now())

    return {
        "registration.confirmed": registration,
        "registration.waitlisted": registration,
        "registration.promoted": registration,
        "registration.changed": registration,
        "registration.cancelled": registration,
        "registration.link_requested": link_requested,
        "registration.checked_in": checked_in,
        "registration.erased": erased,
    }
