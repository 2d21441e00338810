"""The whole program, as its user meets it: over HTTP and by its processes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from local.postgres import remove
from local.up import running
from tests.eventually import eventually

SEMINAR = "planstrategi-4-0"


class Site(NamedTuple):
    """Everything up, and a client of it."""

    url: str
    token: str
    client: aiohttp.ClientSession

    async def get(self, path: str, *, organiser: bool = False, **query: str) -> Any:
        async with self.client.get(self.url + path, params=query, headers=self._headers(organiser)) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def send(
        self, method: str, path: str, body: object = None, *, token: str = "", **headers: str
    ) -> tuple[int, Any]:
        if token:
            headers["Authorization"] = f"Bearer {token}"
        async with self.client.request(method, self.url + path, json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def sign_up(self, name: str, attendance: str = "online", **fields: object) -> tuple[int, Any]:
        email = f"{name.lower()}@karasjok.example.no"
        body = {"seminar": SEMINAR, "name": name, "email": email, "attendance": attendance} | fields
        return await self.send("POST", "/api/registrations", body)

    async def move_clock(self, to: str) -> None:
        status, _ = await self.send("POST", "/time", {"to": to})
        assert status == 200

    async def mail(self, **by_address: int) -> dict[str, list[dict[str, Any]]]:
        """Return everyone's messages, by the name before the @, once those named have as many as they should."""

        async def look() -> dict[str, list[dict[str, Any]]] | None:
            found: dict[str, list[dict[str, Any]]] = {}
            for message in (await self.get("/mailbox/messages"))["items"]:
                found.setdefault(message["to"].partition("@")[0], []).append(message)
            return found if all(len(found.get(name, [])) >= count for name, count in by_address.items()) else None

        found = await eventually(look)
        assert {name: len(found[name]) for name in by_address} == by_address
        return found

    async def raw(self, message: dict[str, Any]) -> bytes:
        async with self.client.get(f"{self.url}/mailbox/messages/{message['id']}") as answer:
            return await answer.read()

    def _headers(self, organiser: bool) -> dict[str, str]:  # noqa: FBT001 - one call
        return {"Authorization": f"Bearer {self.token}"} if organiser else {}


@asynccontextmanager
async def site(data: Path) -> AsyncIterator[Site]:
    async with running(data, 0, durable=False) as up, aiohttp.ClientSession() as client:
        yield Site(up.url, up.organiser_token, client)


def forget(data: Path) -> None:
    """Remove what PostgreSQL keeps elsewhere for `data`."""
    remove(data)
