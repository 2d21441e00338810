"""Rendered pages, kept by this process as long as they are true."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

from aiohttp import web

MOST = 500  # pages of some 20 kB each
LIST = ""  # stands for all seminars together; no slug is empty


class Page(NamedTuple):
    """A rendered page and the instant from which it says something that is no longer true; None: never by itself."""

    body: bytes
    etag: str
    until: datetime | None

    @classmethod
    def of(cls, text: str, until: datetime | None) -> "Page":
        """Return the page with an entity tag made of all that it says (RFC 9110, 8.8.3)."""
        body = text.encode()
        return cls(body, blake2b(body, digest_size=12).hexdigest(), until)


class PageCache:
    """The pages that were asked for last, at most `most`.

    What a page shows stands in its key: so a change that any replica makes is seen by the key that is asked for next.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._pages: OrderedDict[Hashable, Page] = OrderedDict()
        self._making: dict[Hashable, asyncio.Future[Page]] = {}

    async def get(self, key: Hashable, now: datetime, make: Callable[[], Awaitable[Page]]) -> Page:
        """Return the page that is kept if it is still true at `now`, else the one made now, once for all who wait."""
        page = self._pages.get(key)
        if page and (page.until is None or now < page.until):
            self._pages.move_to_end(key)
            return page
        if key not in self._making:
            self._making[key] = asyncio.ensure_future(self._make(key, make))
        return await asyncio.shield(self._making[key])  # who leaves takes nobody's page along

    async def _make(self, key: Hashable, make: Callable[[], Awaitable[Page]]) -> Page:
        try:
            self._pages[key] = page = await make()
        finally:
            del self._making[key]
        self._pages.move_to_end(key)
        if len(self._pages) > self._most:
            self._pages.popitem(last=False)  # the one that nobody has asked for longest
        return page


class States:
    """How seminars stand, asked once for all who want to know it at the same moment.

    Whoever comes while a question is under way shares the next one, so that no answer is older than who asked for it:
    a change that any replica has committed shows at once, and yet a crowd costs as much as one.
    """

    def __init__(self, ask: Callable[[str], Awaitable[str | None]]) -> None:
        self._ask = ask
        self._under_way: dict[str, asyncio.Future[str | None]] = {}
        self._next: dict[str, asyncio.Future[str | None]] = {}

    async def of(self, what: str) -> str | None:
        """Return the name of how `what` stands now; raises what asking for it raises."""
        if what not in self._next:
            self._next[what] = asyncio.ensure_future(self._ask_in_turn(what))
        return await asyncio.shield(self._next[what])

    async def _ask_in_turn(self, what: str) -> str | None:
        if before := self._under_way.get(what):
            await asyncio.wait({before})
        self._under_way[what] = self._next.pop(what)
        try:
            return await self._ask(what)
        finally:
            del self._under_way[what]


PAGES = web.AppKey("PAGES", PageCache)
STATES = web.AppKey("STATES", States)
