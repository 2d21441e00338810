"""An organiser at the pages about e-mails, signed in as catalog signs them in."""

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from typing import Any, NamedTuple

import aiohttp

from shared.web.session import COOKIE, issue
from tests.integration.notification.conftest import Notification

HERE = "/organiser/emails/planstrategi-4-0"
BROWSER = {"Accept": "text/html,*/*;q=0.8", "Accept-Language": "nb"}


class Desk(NamedTuple):
    """A browser with a session."""

    client: aiohttp.ClientSession

    async def get(self, path: str = "", **headers: str) -> tuple[int, str]:
        async with self.client.get(HERE + path, headers=headers, allow_redirects=False) as answer:
            return answer.status, await answer.text()

    async def shown(self, path: str = "", language: str = "nb") -> str:
        """Return what one reads on a page, in one line."""
        status, page = await self.get(path, **{"Accept-Language": language})
        assert status == 200, page
        assert f'<html lang="{language}">' in page
        return text_of(page)

    async def post(self, path: str, *, token: bool = True, **fields: Any) -> tuple[int, str]:
        """Send a form of the seminar's; return the status, and where it leads or what it says."""
        form: dict[str, Any] = {"form_token": await self.form_token()} if token else {}
        async with self.client.post(HERE + path, data=form | fields, allow_redirects=False) as answer:
            return answer.status, answer.headers.get("Location") or await answer.text()

    async def form_token(self) -> str:
        _, page = await self.get()
        return str(re.findall(r'name="form_token" value="(\w+)"', page)[0])


def text_of(page: str) -> str:
    main = page.partition("<main")[2]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).split())


@asynccontextmanager
async def signed_in(notification: Notification) -> AsyncIterator[Desk]:
    cookie = issue(notification.settings, "a-token-for-tests", time.time())
    headers = BROWSER | {"Cookie": f"{COOKIE}={cookie}"}
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(notification.url, headers=headers, cookie_jar=jar) as client:
        yield Desk(client)
