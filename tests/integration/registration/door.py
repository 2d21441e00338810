"""Registration served, with an organiser who is signed in to it and people who sign up."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from html import unescape
from typing import Any, NamedTuple
from uuid import UUID

from aiohttp import ClientResponse

from services.registration import commands
from services.registration.app import build
from services.registration.settings import Settings
from shared.clock import MovableClock, SystemClock
from shared.database import Database
from shared.tokens import Link, Purpose, sign
from shared.web.keys import DATABASE, SETTINGS
from shared.web.session import issue
from tests.factories import (
    NOW,
    SECRET,
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

BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
HERE = f"/organiser/registrations/{SLUG}"


class Hall(NamedTuple):
    """The service, those who sign up, and an organiser's browser at the door."""

    client: Client
    clock: MovableClock
    bus: RecordingBus
    cookie: dict[str, str]

    @property
    def database(self) -> Database:
        return self.client.app[DATABASE]

    async def learn(self, **overrides: Any) -> None:
        async with self.database.transaction() as connection:
            await commands.learn_of_seminar(connection, make_snapshot(**overrides), self.clock.now())

    async def sign_up(self, name: str, **fields: Any) -> UUID:
        given = make_sign_up(**{"name": name, "email": f"{name.lower()}@example.org"} | fields)
        async with self.database.transaction() as connection:
            return (await commands.sign_up(connection, given, self.clock.now())).id

    async def cancel(self, registration: UUID) -> None:
        async with self.database.transaction() as connection:
            await commands.cancel(connection, registration, self.clock.now())

    async def get(self, path: str = HERE, **headers: str) -> ClientResponse:
        return await self.client.get(path, headers=BROWSER | self.cookie | headers, allow_redirects=False)

    async def page(self, path: str = HERE, language: str = "nb") -> str:
        answer = await self.get(path, **{"Accept-Language": language})
        assert answer.status == 200, (path, answer.status)
        return await answer.text()

    async def text(self, path: str = HERE, language: str = "nb") -> str:
        return text_of(await self.page(path, language))

    async def post(self, path: str, **fields: str) -> ClientResponse:
        """Send a form of the organiser's."""
        token = re.findall(r'name="form_token" value="(\w+)"', await self.page(f"{HERE}/check-in"))[0]
        headers = BROWSER | self.cookie
        return await self.client.post(path, data={"form_token": token} | fields, headers=headers, allow_redirects=False)

    async def told(self) -> list[str]:
        await relayed(self.database)
        return [message.type for message in self.bus.published]


def text_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def token_of(registration: UUID, purpose: Purpose, version: int = 1) -> str:
    return sign((SECRET.encode(),), purpose, Link(registration, version))


@asynccontextmanager
async def hall_on(url: str) -> AsyncIterator[Hall]:
    clock, bus = MovableClock(NOW - datetime.now(UTC)), RecordingBus()
    async with served(build, make_settings(Settings, url), clock, bus) as client:
        cookie = issue(client.app[SETTINGS], TOKEN, SystemClock().now().timestamp())
        yield Hall(client, clock, bus, {"Cookie": f"organiser={cookie}"})
