"""Catalog served twice on one database, as two replicas are, and what an organiser and visitors do with it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

from aiohttp import ClientResponse

from local.postgres import Postgres
from services.catalog import consumers
from services.catalog.app import build
from services.catalog.settings import Settings
from shared import tokens
from shared.clock import MovableClock
from shared.database import Database
from shared.inbox import once
from shared.messages import Message, RegistrationSnapshot
from shared.web.keys import DATABASE
from tests.factories import NOW, ORGANISER, SECRET, SLUG, TOKEN, Client, RecordingBus, make_body, make_settings, served

BROWSER = {"Accept": "text/html,*/*;q=0.8"}
PLAYER = "player.example.org"


class Site(NamedTuple):
    """Two replicas of catalog, by one clock."""

    client: Client
    other: Client
    clock: MovableClock
    bus: RecordingBus

    @property
    def database(self) -> Database:
        return self.client.app[DATABASE]

    async def put(self, read: int | None = None, **overrides: Any) -> None:
        """Put the seminar of `overrides` in the place of revision `read`."""
        await self.put_body(make_body(**overrides), read)

    async def put_body(self, body: dict[str, Any], read: int | None = None) -> None:
        headers = ORGANISER | ({"If-Match": f'"{read}"'} if read else {})
        answer = await self.client.put(f"/api/seminars/{body['slug']}", json=body, headers=headers)
        assert answer.status in (200, 201), await answer.text()

    async def act(self, method: str, path: str, body: Any = None) -> None:
        """Change something below the seminar's address, at the other replica."""
        answer = await self.other.request(method, f"/api/seminars/{SLUG}{path}", json=body, headers=ORGANISER)
        assert answer.status == 200, await answer.text()

    async def get(self, path: str, **headers: str) -> ClientResponse:
        return await self.client.get(path, headers=BROWSER | headers)

    async def shown(self, path: str, language: str = "nb") -> str:
        """Return what readers see of a page: its body."""
        answer = await self.get(path, **{"Accept-Language": language})
        assert answer.status == 200
        return (await answer.text()).partition("<body")[2]

    async def sign_in(self) -> dict[str, str]:
        """Return the header that an organiser's browser sends once they have signed in."""
        answer = await self.client.post("/organiser/sign-in", data={"token": TOKEN}, allow_redirects=False)
        return {"Cookie": f"organiser={answer.cookies['organiser'].value}"}

    async def learn(self, registration: RegistrationSnapshot, kind: str = "") -> None:
        """Have a message of the registration come to catalog."""
        message = Message(
            source="/registration",
            type=kind or f"registration.{registration.status}",
            subject=str(registration.id),
            time=NOW,
            data=registration,
        )
        await once(self.database, consumers.QUEUE, consumers.HANDLERS)(message)


def link_of(registration: RegistrationSnapshot, *, secret: str = SECRET, purpose: tokens.Purpose = "watch") -> str:
    """Return the token that e-mails to this registration carry."""
    return tokens.sign((secret.encode(),), purpose, tokens.Link(registration.id, registration.link_version))


@asynccontextmanager
async def running(postgres: Postgres, owner: str, name: str, **overrides: str) -> AsyncIterator[Site]:
    """Serve catalog twice on a database of its own."""
    await postgres.create_database(name, owner=owner, template=owner)
    settings = make_settings(Settings, postgres.dsn(owner, name), embed_hosts=PLAYER, **overrides)
    clock, bus = MovableClock(NOW - datetime.now(UTC)), RecordingBus()
    async with served(build, settings, clock, bus) as client, served(build, settings, clock, bus) as other:
        yield Site(client, other, clock, bus)
    await postgres.drop_database(name)
