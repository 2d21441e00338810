"""What others are told of a registration, in the transaction that changed it."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from services.registration import store_waiting_list
from services.registration.model import Cause, Registration, snapshot
from shared import outbox
from shared.database import Connection
from shared.messages import ErasedRegistration, Message, RegistrationSnapshot


class News(NamedTuple):
    """What there is to tell of a registration, and by which request it came about; "" is the one under way."""

    kind: str
    registration: Registration
    place: int | None = None  # in the waiting list
    link_request: int | None = None
    correlation_id: str = ""


def messages_of(news: Iterable[News], now: datetime) -> list[Message]:
    """Return what tells of each."""
    return [
        _message(
            one.kind,
            snapshot(one.registration, place=one.place, link_request=one.link_request),
            now,
            one.correlation_id,
        )
        for one in news
    ]


async def tell(
    connection: Connection, registration: Registration, kind: str, now: datetime, *, cause: Cause = "oneself"
) -> None:
    """Tell of the registration as it stands now."""
    place = await store_waiting_list.place_in_queue(connection, registration.id)
    await outbox.record(connection, _message(kind, snapshot(registration, cause=cause, place=place), now))


async def tell_all(
    connection: Connection, registrations: Iterable[Registration], kind: str, now: datetime, *, cause: Cause
) -> None:
    """Tell of many alike, none of whom is told a place in the queue."""
    messages = [_message(kind, snapshot(registration, cause=cause), now) for registration in registrations]
    await outbox.record_all(connection, messages)


async def tell_erased(connection: Connection, erased: Iterable[ErasedRegistration], now: datetime) -> None:
    """Have everybody who holds personal data of these erase it."""
    await outbox.record_all(connection, [_message("registration.erased", one, now) for one in erased])


def _message(
    kind: str, data: RegistrationSnapshot | ErasedRegistration, now: datetime, correlation_id: str = ""
) -> Message:
    return Message(
        source="/registration", type=kind, subject=str(data.id), time=now, correlationid=correlation_id, data=data
    )
