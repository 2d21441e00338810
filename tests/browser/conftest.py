"""The pages in a real browser: the whole program in this process, Debian's Chromium beside it."""

import copy
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Protocol

import aiohttp
import pytest
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Request, ViewportSize, async_playwright

from local.importing import read_document
from local.postgres import remove
from local.up import running
from tests.eventually import eventually

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
EXAMPLE = "planstrategi-4-0"
PHONE = ViewportSize(width=360, height=740)
SOON = 5.0  # seconds within which an e-mail is there; it takes a tenth of that
ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def not_tested(what: str, how: str) -> NoReturn:
    """Fail in CI, which must have everything; skip elsewhere, and say how to have it."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must have {what}: {how}")
    pytest.skip(f"NOT TESTED, no {what} here: {how}")


# --- the program ---


class Site(NamedTuple):
    """Everything up, and what an organiser and a mail program do with it."""

    url: str
    token: str
    client: aiohttp.ClientSession

    async def publish(self, slug: str, read: int | None = None, **changes: Any) -> str:
        """Publish the example once more under another name, with some of its fields changed; return its path.

        `read` is the revision that this takes the place of, if it is no new seminar.
        """
        document = copy.deepcopy(read_document(ROOT / "examples" / f"{EXAMPLE}.yaml")) | {"slug": slug} | changes
        await self._organise("PUT", f"/api/seminars/{slug}", document, {"If-Match": f'"{read}"'} if read else {})

        async def known() -> bool:  # to registration too, which learns of it by a message
            async with self.client.get(f"{self.url}/register/{slug}") as answer:
                return answer.status == 200

        await eventually(known)
        return f"/seminars/{slug}"

    async def cancel(self, slug: str) -> None:
        await self._organise("POST", f"/api/seminars/{slug}/cancel")

    async def sign_up(self, slug: str, name: str, attendance: str, **fields: Any) -> None:
        body = {"seminar": slug, "name": name, "email": address(name), "attendance": attendance} | fields
        async with self.client.post(f"{self.url}/api/registrations", json=body) as answer:
            assert answer.status == 202, await answer.text()

    async def move_clock(self, to: str) -> None:
        async with self.client.post(f"{self.url}/time", json={"to": to}) as answer:
            assert answer.status == 200, await answer.text()

    async def mail(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """Return the messages to `name`, once there are `count`."""

        async def look() -> list[dict[str, Any]] | None:
            async with self.client.get(f"{self.url}/mailbox/messages") as answer:
                items = (await answer.json())["items"]
            found = [item for item in items if address(name) in item["to"]]
            return found if len(found) >= count else None

        return await eventually(look, within=SOON)

    async def link(self, name: str, page: str, count: int = 1) -> str:
        """Return the path of the link to `page` (my or unsubscribe) in the last message to `name`."""
        message = (await self.mail(name, count))[-1]
        async with self.client.get(f"{self.url}/mailbox/{message['id']}") as answer:
            found = re.search(rf"/{page}/[\w-]+", await answer.text())
        assert found, f"no such link in {message['subject']!r}"
        return found[0]

    async def _organise(
        self, method: str, path: str, body: object = None, preconditions: dict[str, str] | None = None
    ) -> None:
        headers = {"Authorization": f"Bearer {self.token}"} | (preconditions or {})
        async with self.client.request(method, self.url + path, json=body, headers=headers) as answer:
            assert answer.ok, await answer.text()


def address(name: str) -> str:
    return f"{name.lower()}@karasjok.example.no"


@asynccontextmanager
async def site_in(data: Path) -> AsyncIterator[Site]:
    """Have the whole program up; its clock stands at 22 May 2023, ten days before the example."""
    try:
        async with running(data, 0, durable=False) as up, aiohttp.ClientSession() as client:
            yield Site(up.url, up.organiser_token, client)
    finally:
        remove(data)


@pytest.fixture(scope="session")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with site_in(tmp_path_factory.mktemp("site")) as up:
        yield up


# --- the browser ---


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        not_tested("Chromium", "apt install chromium")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium has none for root
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *sandbox])
        yield browser
        await browser.close()


class Observed:
    """What a page did that no page of ours may do."""

    def __init__(self, page: Page, url: str) -> None:
        self._url = url
        self.foreign: list[str] = []
        self.complaints: list[str] = []
        page.on("request", self._on_request)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def check(self) -> None:
        """Fail if there was anything, and forget it."""
        foreign, complaints, self.foreign, self.complaints = self.foreign, self.complaints, [], []
        assert foreign == []
        assert complaints == []

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((self._url, "data:")):
            self.foreign.append(request.url)

    def _on_console(self, message: ConsoleMessage) -> None:
        answer = "Failed to load resource: the server responded with a status of 4"  # of a page that says so itself
        if not message.text.startswith(answer) or "/static/" in message.location["url"]:
            self.complaints.append(message.text)


@pytest.fixture
async def page(chromium: Browser, site: Site) -> AsyncIterator[Page]:
    """A phone's page in bokmål, without JavaScript; it may fetch nothing elsewhere and complain of nothing."""
    async with visit(chromium, site) as visited:
        yield visited


@asynccontextmanager
async def visit(chromium: Browser, site: Site, **options: Any) -> AsyncIterator[Page]:
    async with observe(chromium, site, **options) as (page, _):
        yield page


@asynccontextmanager
async def observe(chromium: Browser, site: Site, **options: Any) -> AsyncIterator[tuple[Page, Observed]]:
    usual: dict[str, Any] = {"base_url": site.url, "viewport": PHONE, "locale": "nb-NO", "java_script_enabled": False}
    context = await chromium.new_context(**usual | options)
    context.set_default_timeout(10_000)
    page = await context.new_page()
    observed = Observed(page, site.url)
    yield page, observed
    await context.close()
    observed.check()


async def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until `wanted` has the focus; fails when it cannot be reached that way."""
    for _ in range(80):
        await page.keyboard.press("Tab")
        if await wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"the Tab key does not reach {wanted}")


async def width(page: Page) -> int:
    await page.wait_for_load_state()
    return int(await page.evaluate("document.documentElement.scrollWidth"))


# --- axe ---


class Check(Protocol):
    """Says what axe-core finds wrong with a page."""

    async def __call__(self, page: Page, *tags: str) -> list[str]: ...


@pytest.fixture(scope="session")
def axe() -> Check:
    """Return what checks a page with every rule of axe-core, best practice included, or with those of `tags`."""
    if not AXE.exists():
        not_tested("axe-core", "install Node.js, then `make styles NPM_FLAGS=--include=dev`")
    source = AXE.read_text(encoding="utf-8")

    async def check(page: Page, *tags: str) -> list[str]:
        await page.wait_for_load_state()  # something of a page can be there before its style sheets are
        await page.evaluate(source)
        options: dict[str, Any] = {"rules": {"target-size": {"enabled": True}}, "resultTypes": ["violations"]}
        found = await page.evaluate(
            "options => axe.run(document, options)", options | ({"runOnly": tags} if tags else {})
        )
        assert len(found["passes"]) > 10, "axe did not look"
        return [
            f"{violation['id']}: {node['html']} {node['failureSummary']}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    return check
