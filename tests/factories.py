"""Sound data, of which a test overrides what it is about, and a service that is served for it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import aiohttp
import hypothesis
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.catalog.document import Document
from services.catalog.model import Seminar
from services.registration.model import Details, Registration, SignUp
from shared import outbox
from shared.bus import Handler, OpenBus, PublishError
from shared.clock import Clock, MovableClock
from shared.database import Database
from shared.messages import (
    DATA,
    Attendance,
    EmailSnapshot,
    ErasedRegistration,
    Frozen,
    Message,
    RegistrationSnapshot,
    RegistrationStatus,
    SeminarSnapshot,
)
from shared.process import Build
from shared.settings import ServiceSettings

OSLO = ZoneInfo("Europe/Oslo")
NOW = datetime(2023, 5, 22, 9, tzinfo=OSLO).astimezone(UTC)  # where the first `make run` begins
DEADLINE = datetime(2023, 5, 29, 23, 59, 59, tzinfo=OSLO).astimezone(UTC)
START = datetime(2023, 6, 1, 10, tzinfo=OSLO).astimezone(UTC)
END = datetime(2023, 6, 1, 13, 15, tzinfo=OSLO).astimezone(UTC)
SLUG = "planstrategi-4-0"
SECRET = "a secret for tests only"
TOKEN = "token-for-tests"
ORGANISER = {"Authorization": f"Bearer {TOKEN}"}

UNHURRIED = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])

Client = TestClient[web.Request, web.Application]
SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


# --- catalog's ---


def make_body(**overrides: Any) -> dict[str, Any]:
    """Return a seminar document as it is sent; a field overridden with `...` is left out."""
    return _without_gaps(
        {
            "slug": SLUG,
            "title": {"nb": "Planstrategi 4.0 på norsk", "en": "Planning strategy 4.0 in English"},
            "start": "2023-06-01T10:00",
            "end": "2023-06-01T13:15",
            "zone": "Europe/Oslo",
            "venue": {"name": "Akersgata 64", "address": "Akersgata 64, Oslo"},
            "attendance": {
                "in_person": {"capacity": 60, "deadline": "2023-05-29T23:59:59"},
                "online": {"capacity": None, "deadline": None},
            },
            "programme": [
                {"title": "Hva vet vi", "start": "10:00", "end": "11:45", "talks": [make_talk()]},
                {"pause": True, "start": "11:45", "end": "12:00"},
            ],
            "reminders": [{"before_start": "P1D", "attendance": ["online", "in_person"]}],
            "contact": {"name": "Planavdelingen", "email": "plan@example.org"},
        }
        | overrides
    )


def make_talk(**overrides: Any) -> dict[str, Any]:
    """Return a talk as it is sent."""
    return _without_gaps({"title": "Plankultur", "speakers": [{"affiliation": "Holtålen kommune"}]} | overrides)


def make_document(**overrides: Any) -> Document:
    """Return a seminar document."""
    return Document(**make_body(**overrides))


def make_seminar(*, revision: int = 1, cancelled: bool = False, **overrides: Any) -> Seminar:
    """Return a seminar with a document of `overrides`."""
    return Seminar(document=make_document(**overrides), revision=revision, cancelled=cancelled)


# --- what others know of a seminar, and registration's ---


def make_snapshot(*, capacity: int | None = 60, **overrides: Any) -> SeminarSnapshot:
    """Return what the others are told of a seminar; `capacity` is the room's."""
    attendance = {"in_person": {"capacity": capacity, "deadline": DEADLINE}, "online": {}}
    sound = {
        "slug": SLUG,
        "revision": 1,
        "status": "published",
        "title": {"nb": "Planstrategi 4.0", "en": "Planning strategy 4.0"},
        "start": START,
        "end": END,
        "zone": "Europe/Oslo",
        "venue": {"name": "Akersgata 64", "address": "Akersgata 64, Oslo"},
        "attendance": attendance,
    }
    return SeminarSnapshot.model_validate(sound | overrides)


def make_sign_up_body(**overrides: Any) -> dict[str, Any]:
    """Return a sign-up as it is sent; a field overridden with `...` is left out."""
    sound = {"seminar": SLUG, "name": "Kari Nordmann", "email": "kari@example.org", "attendance": "in_person"}
    return _without_gaps(sound | overrides)


def make_sign_up(**overrides: Any) -> SignUp:
    """Return a sign-up."""
    return SignUp(**make_sign_up_body(**overrides))


def make_details(**overrides: Any) -> Details:
    """Return what somebody tells of themselves."""
    return Details(**make_sign_up_body(seminar=..., **overrides))


def make_registration(**overrides: Any) -> Registration:
    """Return a registration."""
    sound = Registration(
        id=UUID("6f1ed002-ab59-4e2b-8b3b-5f1c2f8b7a10"),
        seminar=SLUG,
        version=1,
        status=RegistrationStatus.CONFIRMED,
        details=make_details(),
        registered_at=NOW,
        confirmed_at=NOW,
        checked_in_at=None,
        link_version=1,
    )
    return sound._replace(**overrides)


def make_registration_snapshot(**overrides: Any) -> RegistrationSnapshot:
    """Return what the others are told of a registration."""
    sound: dict[str, Any] = {
        "id": uuid4(),
        "version": 1,
        "seminar": SLUG,
        "status": RegistrationStatus.CONFIRMED,
        "attendance": Attendance.IN_PERSON,
        "name": "Kari Nordmann",
        "email": "kari@example.org",
        "language": "nb",
        "registered_at": NOW,
        "confirmed_at": NOW,
    }
    return RegistrationSnapshot(**sound | overrides)


# --- messages ---


def make_email_snapshot(**overrides: Any) -> EmailSnapshot:
    """Return what the others are told of an e-mail."""
    sound: dict[str, Any] = {
        "id": uuid4(),
        "registration": uuid4(),
        "seminar": SLUG,
        "kind": "confirmation",
        "generation": 1,
        "message_id": "<1@example.org>",
    }
    return EmailSnapshot(**sound | overrides)


def make_erased_registration(**overrides: Any) -> ErasedRegistration:
    """Return what the others are told of a registration that is to be forgotten."""
    return ErasedRegistration(**{"id": uuid4(), "version": 2, "seminar": SLUG} | overrides)


SUBJECTS: dict[type[Frozen], Callable[..., Any]] = {
    SeminarSnapshot: make_snapshot,
    RegistrationSnapshot: make_registration_snapshot,
    ErasedRegistration: make_erased_registration,
    EmailSnapshot: make_email_snapshot,
}


def make_message(kind: str = "seminar.published", **overrides: Any) -> Message:
    """Return a message of type `kind` with a sound subject."""
    sound: dict[str, Any] = {"source": "/catalog", "type": kind, "subject": SLUG, "time": NOW}
    if "data" not in overrides:
        sound["data"] = SUBJECTS[DATA[kind]]()
    return Message(**sound | overrides)


def _without_gaps(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not ...}


# --- a service, served ---


class RecordingBus:
    """Takes every message over, or refuses them all, and delivers only what it is told to."""

    def __init__(self, *, refusing: bool = False) -> None:
        self.refusing = refusing
        self.published: list[Message] = []
        self.refused = 0
        self.consumers: dict[str, Handler] = {}

    async def publish(self, message: Message) -> None:
        """Keep the message; raises PublishError while refusing."""
        if self.refusing:
            self.refused += 1
            raise PublishError("the broker is away")
        self.published.append(message)

    async def consume(self, queue: str, handle: Handler) -> None:
        """Wait for messages."""
        self.consumers[queue] = handle
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Nothing is held open."""


def make_settings(kind: type[SettingsT], database_url: str, **overrides: Any) -> SettingsT:
    """Return the settings of a service."""
    sound = {
        "database_url": database_url,
        "bus_url": "local:",
        "public_url": "https://seminars.example.org",
        "secret_key": SECRET,
        "organiser_tokens": f"Plan:{TOKEN}",
        "rate_limit": "off",
    }
    return kind(**sound | overrides)


@asynccontextmanager
async def served(
    build: Build[SettingsT], settings: SettingsT, clock: Clock, bus: RecordingBus
) -> AsyncIterator[Client]:
    """Serve what `build` makes, and lend a client that keeps no cookies and follows no redirects by itself."""
    open_bus: OpenBus = lambda _: bus  # noqa: E731 - one line says it
    app = build(settings, clock=clock, open_bus=open_bus)
    async with TestClient(TestServer(app), cookie_jar=aiohttp.DummyCookieJar()) as client:
        yield client


async def tables_of(database: Database) -> dict[str, str]:
    """Return all that stands in each table, as text that can be compared."""
    await relayed(database)  # what is owed by now would go while somebody looks
    async with database.connection() as connection:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        everything = "SELECT coalesce(string_agg(t::text, ';' ORDER BY t::text), '') FROM {} t"
        return {table: await connection.fetchval(everything.format(table)) for (table,) in tables}


async def relayed(database: Database) -> None:
    """Return once the relay has brought everything to the bus."""
    async with asyncio.timeout(10), database.connection() as connection:
        while await outbox.pending(connection):  # noqa: ASYNC110 - the relay gives no sign
            await asyncio.sleep(0.001)


async def begin_anew(database: Database, bus: RecordingBus, clock: MovableClock) -> None:
    """Empty the tables and the bus and set the clock to NOW: sooner done than another service is started."""
    await relayed(database)
    async with database.transaction() as connection:
        tables = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migrations'"
        )
        await connection.execute(f"TRUNCATE {', '.join(table for (table,) in tables)} RESTART IDENTITY")
    bus.published.clear()
    clock.offset = NOW - datetime.now(UTC)


async def eventually(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Return once the condition holds, which it must in bounded time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - whatever the condition looks at gives no sign of its own
            await asyncio.sleep(0.005)
