"""Rendered pages, kept by this process as long as they are true."""

from collections import OrderedDict
from collections.abc import Hashable
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

from aiohttp import web

MOST = 500  # pages of some 20 kB each


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

    def get(self, key: Hashable, now: datetime) -> Page | None:
        """Return the page, if it is kept and still true at `now`."""
        page = self._pages.get(key)
        if page is None or (page.until and now >= page.until):
            return None
        self._pages.move_to_end(key)
        return page

    def keep(self, key: Hashable, page: Page) -> Page:
        """Keep the page, and forget the one that nobody has asked for longest."""
        self._pages[key] = page
        self._pages.move_to_end(key)
        if len(self._pages) > self._most:
            self._pages.popitem(last=False)
        return page


PAGES = web.AppKey("PAGES", PageCache)
