"""The notification service as production wires it, on the local bus, with a clock to move and a mailbox to look in."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest

from local.mailbox import Mailbox, Received
from services.notification.app import build
from services.notification.settings import Settings
from shared.clock import MovableClock
from shared.database import Database, open_database
from shared.local_bus import LocalBus, LocalEndpoint
from shared.messages import Message, RegistrationSnapshot, SeminarSnapshot
from shared.web.server import listen, serving
from tests.conftest import NewDatabase
from tests.eventually import eventually
from tests.snapshots import BEGINNING, make_message


class Notification(NamedTuple):
    """A running service and what is around it."""

    url: str
    settings: Settings
    bus: LocalBus
    clock: MovableClock
    mailbox: Mailbox
    database: Database

    async def learn(self, *told: SeminarSnapshot | RegistrationSnapshot, kind: str = "") -> None:
        for data in told:
            await self.bus.publish(make_message(data, kind))

    async def rows(self, **where: Any) -> list[asyncpg.Record]:
        conditions = " AND ".join(f"{column} = ${number}" for number, column in enumerate(where, 1)) or "true"
        async with self.database.connection() as connection:
            return await connection.fetch(
                f"SELECT * FROM emails WHERE {conditions} ORDER BY due_at, id", *where.values()
            )

    async def settled(self) -> list[asyncpg.Record]:
        """Return all e-mails once none is to be sent now."""

        async def look() -> list[asyncpg.Record] | None:
            rows = await self.rows()
            now = self.clock.now()
            open_now = [row for row in rows if row["state"] in ("pending", "sending") and row["due_at"] <= now]
            return rows if rows and not open_now else None

        return await eventually(look)

    def to(self, registration: RegistrationSnapshot) -> list[Received]:
        return [mail for mail in self.mailbox.received.values() if registration.email in mail.to]


NEIGHBOURS = ("registration.seminar", "catalog.registration")
StartNotification = Callable[..., Awaitable[Notification]]


def make_settings(database_url: str, **overrides: Any) -> Settings:
    values: dict[str, Any] = {
        "database_url": database_url,
        "bus_url": "local:",
        "public_url": "https://fagseminar.example.no",
        "secret_key": "a-key-for-tests-only",
        "organiser_tokens": "tester:a-token-for-tests",
        "smtp_url": "smtp://127.0.0.1:9",
        "mail_from": "Fagseminar <post@fagseminar.example.no>",
    }
    return Settings(**values | overrides)


@pytest.fixture
async def start(new_database: NewDatabase, tmp_path: Path) -> AsyncIterator[StartNotification]:
    async with AsyncExitStack() as stack:

        async def begin(database_url: str = "", clock: MovableClock | None = None, **overrides: Any) -> Notification:
            return await stack.enter_async_context(
                running(database_url or await new_database("notification"), tmp_path, clock, **overrides)
            )

        yield begin


@asynccontextmanager
async def running(
    database_url: str, folder: Path, clock: MovableClock | None, **overrides: Any
) -> AsyncIterator[Notification]:
    if clock is None:
        clock = MovableClock()
        clock.offset = BEGINNING - clock.now()
    bus, mailbox = LocalBus([0.05]), Mailbox(folder / "mailbox")
    async with mailbox.serving() as smtp_port, open_database(database_url) as database:
        settings = make_settings(database_url, **{"smtp_url": f"smtp://127.0.0.1:{smtp_port}"} | overrides)
        app = build(settings, clock=clock, open_bus=partial(LocalEndpoint, bus))
        listener = listen("127.0.0.1", 0)
        endpoint = LocalEndpoint(bus, database)
        neighbours = [asyncio.create_task(endpoint.consume(queue, _ignore)) for queue in NEIGHBOURS]
        async with serving(app, listener):
            await eventually(partial(_subscribed, bus))
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            yield Notification(url, settings, bus, clock, mailbox, database)
        for neighbour in neighbours:
            neighbour.cancel()


async def _ignore(_: Message) -> None:
    """Stand for the others, who learn of the same."""


async def _subscribed(bus: LocalBus) -> bool:
    return {"notification.seminar", "notification.registration", *NEIGHBOURS} <= bus.subscribers.keys()


@pytest.fixture
async def notification(start: StartNotification) -> Notification:
    return await start()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.notification.delivery.POLL", 0.05)
    monkeypatch.setattr("services.notification.smtp.FIRST_REST", 0.1)
    monkeypatch.setattr("shared.outbox.POLL", 0.05)
