"""What tests of the bus say and wait for: messages, hooks into their handling, and what comes of it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from shared.messages import EmailSnapshot, Message, RegistrationSnapshot, SeminarSnapshot

if TYPE_CHECKING:
    from tests.contracts.conftest import Journey

REGISTRATION = "registration.seminar"
NOTIFICATION = "notification.seminar"
PATIENCE = 20.0  # seconds; what takes longer will not come
START = datetime(2023, 6, 1, 8, tzinfo=UTC)


def make_seminar(**overrides: Any) -> Message:
    values = {"slug": "planstrategi-4-0", "revision": 1, "status": "published", "title": "Planstrategi 4.0"}
    times = {"start": START, "end": START, "zone": "Europe/Oslo", "attendance": {}}
    return make_message("seminar.published", SeminarSnapshot(**{**values, **times, **overrides}))


def make_message(message_type: str, data: Any) -> Message:
    return Message(source="test", type=message_type, subject="planstrategi-4-0", time=START, data=data)


def make_registration(**overrides: Any) -> Message:
    person = {"name": "Kari", "email": "kari@example.no", "language": "nb", "registered_at": START}
    values = {"id": uuid4(), "version": 1, "seminar": "s", "status": "confirmed", "attendance": "online", **person}
    return make_message("registration.confirmed", RegistrationSnapshot(**{**values, **overrides}))


def make_email() -> Message:
    email = {"seminar": "s", "kind": "reminder", "generation": 1, "message_id": "<1@example.no>"}
    return make_message("email.sent", EmailSnapshot(id=uuid4(), registration=uuid4(), **email))


def ids(*messages: Message) -> list[UUID]:
    return [message.id for message in messages]


async def eventually(look: Callable[[], Awaitable[object]], expected: object, seconds: float = PATIENCE) -> None:
    seen = await look()
    deadline = asyncio.get_running_loop().time() + seconds
    while seen != expected and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.02)
        seen = await look()
    assert seen == expected


async def effects_come(journey: "Journey", queue: str, *messages: Message, seconds: float = PATIENCE) -> None:
    """Wait until each of `messages` has had one effect and nothing else has had any, whatever their order."""

    async def look() -> list[UUID]:
        return sorted(await journey.effects(queue))

    await eventually(look, sorted(ids(*messages)), seconds)


async def nothing(_queue: str, _message: Message) -> None:
    """Be the hook of those who want none."""


class Fails:
    """A hook that raises for one message at one queue, so many times."""

    def __init__(self, queue: str, message: Message, times: int = 1_000) -> None:
        self.queue = queue
        self.message = message.id
        self.left = times

    async def __call__(self, queue: str, message: Message) -> None:
        if (queue, message.id) == (self.queue, self.message) and self.left:
            self.left -= 1
            raise ArithmeticError("asked to fail")


class Notices:
    """A hook that lets a test wait until a message has reached registration."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()

    async def __call__(self, queue: str, _message: Message) -> None:
        if queue == REGISTRATION:
            self.reached.set()


class Waits(Notices):
    """A hook that lets nobody past until `released`."""

    def __init__(self) -> None:
        super().__init__()
        self.released = asyncio.Event()

    async def __call__(self, queue: str, message: Message) -> None:
        await super().__call__(queue, message)
        await self.released.wait()
