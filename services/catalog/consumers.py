"""What catalog learns from others."""

from collections.abc import Awaitable, Callable, Mapping

from services.catalog import commands
from shared.database import Connection
from shared.messages import ErasedRegistration, Message, RegistrationSnapshot

QUEUE = "catalog.registration"


async def registration(connection: Connection, message: Message) -> None:
    """Learn who may watch."""
    if isinstance(message.data, RegistrationSnapshot):
        await commands.learn_of_registration(connection, message.data)


async def erased(connection: Connection, message: Message) -> None:
    """Learn who may watch no more."""
    if isinstance(message.data, ErasedRegistration):
        await commands.forget_watcher(connection, message.data)


HANDLERS: Mapping[str, Callable[[Connection, Message], Awaitable[None]]] = {
    "registration.confirmed": registration,
    "registration.waitlisted": registration,
    "registration.promoted": registration,
    "registration.changed": registration,
    "registration.cancelled": registration,
    "registration.erased": erased,
}
