"""What others are told of a registration, in the transaction that changed it."""

from collections.abc import Iterable
from datetime import datetime

from services.registration import store_waiting_list
from services.registration.model import Cause, Registration, snapshot
from shared import outbox
from shared.database import Connection
from shared.messages import ErasedRegistration, Message, RegistrationSnapshot


async def tell(
    connection: Connection,
    registration: Registration,
    kind: str,
    now: datetime,
    *,
    cause: Cause = "oneself",
    link_request: int | None = None,
) -> None:
    """Tell of the registration as it stands now."""
    place = await store_waiting_list.place_in_queue(connection, registration.id)
    data = snapshot(registration, cause=cause, place=place, link_request=link_request)
    await outbox.record(connection, _message(kind, data, now))


async def tell_all(
    connection: Connection, registrations: Iterable[Registration], kind: str, now: datetime, *, cause: Cause
) -> None:
    """Tell of many alike, none of whom is told a place in the queue."""
    messages = [_message(kind, snapshot(registration, cause=cause), now) for registration in registrations]
    await outbox.record_all(connection, messages)


async def tell_erased(connection: Connection, erased: Iterable[ErasedRegistration], now: datetime) -> None:
    """Have everybody who holds personal data of these erase it."""
    await outbox.record_all(connection, [_message("registration.erased", one, now) for one in erased])


def _message(kind: str, data: RegistrationSnapshot | ErasedRegistration, now: datetime) -> Message:
    return Message(source="/registration", type=kind, subject=str(data.id), time=now, data=data)
