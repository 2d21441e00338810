"""Registration served to signed-in organisers, and what they do with their browsers."""

import io
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import aiohttp

from services.registration import commands
from services.registration.app import build
from services.registration.settings import Settings
from shared.clock import MovableClock
from shared.database import Database
from shared.messages import Message
from shared.web.keys import DATABASE
from shared.web.session import COOKIE, issue
from tests.factories import (
    NOW,
    SLUG,
    TOKEN,
    Client,
    RecordingBus,
    make_settings,
    make_sign_up,
    make_snapshot,
    relayed,
    served,
)
from tests.html_form import Form

HERE = f"/organiser/registrations/{SLUG}"


class Desk:
    """A browser in which an organiser is signed in."""

    def __init__(self, client: Client, clock: MovableClock, bus: RecordingBus, cookie: str) -> None:
        self.client, self.clock, self.bus = client, clock, bus
        self.headers = {"Accept": "text/html", "Accept-Language": "nb", "Cookie": f"{COOKIE}={cookie}"}
        self.token = ""

    @property
    def database(self) -> Database:
        return self.client.app[DATABASE]

    def at(self, now: datetime) -> None:
        self.clock.offset = now - datetime.now(UTC)

    async def learn(self, revision: int = 1, **overrides: Any) -> None:
        """Let registration know of the seminar."""
        async with self.database.transaction() as connection:
            await commands.learn_of_seminar(connection, make_snapshot(revision=revision, **overrides), self.clock.now())

    async def sign_up(self, name: str, **overrides: Any) -> str:
        """Sign somebody up by themselves, and return the path of their page."""
        given = make_sign_up(**{"name": name, "email": f"{name.lower()}@example.org"} | overrides)
        async with self.database.transaction() as connection:
            outcome = await commands.sign_up(connection, given, self.clock.now())
        return f"{HERE}/people/{outcome.id}"

    async def get(self, path: str, status: int = 200) -> str:
        answer = await self.client.get(path, headers=self.headers)
        text = await answer.text()
        assert answer.status == status, text
        return text

    async def shown(self, path: str, status: int = 200) -> str:
        """Return what readers see of a page: its body."""
        return (await self.get(path, status)).partition("<h1")[2]

    async def post(self, path: str, fields: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Send a form of this session; return the status, and the page or where it leads."""
        return await self._send(path, {"form_token": self.token, **(fields or {})})

    async def upload(self, content: bytes, name: str = "list.csv", **fields: str) -> tuple[int, str]:
        form = aiohttp.FormData({"form_token": self.token, **fields})
        form.add_field("file", io.BytesIO(content), filename=name)
        return await self._send(f"{HERE}/import", form)

    async def confirm(self, page: str) -> tuple[int, str]:
        """Confirm what a preview shows."""
        form = aiohttp.FormData(Form(page).fields)
        form.add_field("nothing", b"", filename="")  # so that it is sent as the page has it
        return await self._send(f"{HERE}/import", form)

    async def _send(self, path: str, data: Any) -> tuple[int, str]:
        answer = await self.client.post(path, data=data, headers=self.headers, allow_redirects=False)
        return answer.status, answer.headers.get("Location") or await answer.text()

    async def rows(self) -> list[dict[str, Any]]:
        return await self.query("SELECT * FROM registrations ORDER BY place")

    async def statuses(self) -> dict[str, str]:
        return {row["name"]: row["status"] for row in await self.rows()}

    async def log(self) -> list[dict[str, Any]]:
        return await self.query("SELECT * FROM audit_log ORDER BY id")

    async def query(self, statement: str) -> list[dict[str, Any]]:
        async with self.database.connection() as connection:
            return [dict(row) for row in await connection.fetch(statement)]

    async def told(self) -> list[Message]:
        """Return what was told by organisers' deeds."""
        await relayed(self.database)
        return [m for m in self.bus.published if getattr(m.data, "cause", "") == "organiser"]


def id_of(path: str) -> UUID:
    return UUID(path.rpartition("/")[2])


@asynccontextmanager
async def desk_on(url: str) -> AsyncIterator[Desk]:
    settings, clock, bus = make_settings(Settings, url), MovableClock(NOW - datetime.now(UTC)), RecordingBus()
    async with served(build, settings, clock, bus) as client:
        desk = Desk(client, clock, bus, issue(settings, TOKEN, time.time()) or "")
        await desk.learn()
        desk.token = Form(await desk.get(f"{HERE}/add")).fields["form_token"]
        yield desk
