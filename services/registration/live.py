"""Figures that follow the registrations: one look at the database for all who watch a seminar, while somebody does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from typing import NamedTuple

import asyncpg
import structlog
from aiohttp import web

from services.registration import overview
from services.registration.overview import Overview
from shared.clock import Clock
from shared.database import Database
from shared.logs import describe
from shared.web.problems import Problem

PACE = 2.0  # seconds between looks
MOST_VIEWERS = 100  # in this process; each holds a connection

LIVE: web.AppKey["Live"] = web.AppKey("LIVE")

log = structlog.get_logger()


class Look(NamedTuple):
    """What was seen, and how it was rendered, by who reads it."""

    overview: Overview
    rendered: dict[Hashable, str]


Looking = Callable[[str, Look | None], Awaitable[Look | None]]
"""Looks at a seminar: the look before if nothing differs from it, None if there is no such seminar."""


class Channel:
    """What the viewers of one seminar share; it looks from its first viewer to its last."""

    def __init__(self, slug: str, looking: Looking) -> None:
        self.viewers = 0
        self._slug, self._looking = slug, looking
        self._look: Look | None = None
        self._changed = asyncio.Event()
        self.over = False
        self._task = asyncio.create_task(self._keep_looking())

    async def after(self, mark: str) -> Look | None:
        """Return what differs from the look of that mark, as soon as there is any; None when nothing more will come."""
        while not self.over:
            if self._look and self._look.overview.mark != mark:
                return self._look
            await self._changed.wait()
        return None

    def end(self) -> None:
        """Look no more, and let the viewers go."""
        self._task.cancel()
        self.over = True
        self._announce()

    async def _keep_looking(self) -> None:
        """Look until cancelled, or until the database is away: then the browsers come again after a while."""
        try:
            while look := await self._looking(self._slug, self._look):
                if look is not self._look:
                    self._look = look
                    self._announce()
                await asyncio.sleep(PACE)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("figures not looked at", why=describe(error))
        self.end()

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class Live:
    """The channels that somebody watches."""

    def __init__(self, looking: Looking) -> None:
        self._looking = looking
        self._channels: dict[str, Channel] = {}
        self._over = False

    @asynccontextmanager
    async def channel(self, slug: str) -> AsyncIterator[Channel]:
        """Lend the seminar's channel to one more viewer; raises a 503 Problem when there are enough."""
        if self._over or sum(channel.viewers for channel in self._channels.values()) >= MOST_VIEWERS:
            raise Problem(503, "too-many-viewers", "Too many watch already", headers={"Retry-After": "60"})
        channel = self._channels.get(slug)
        if channel is None or channel.over:
            channel = self._channels[slug] = Channel(slug, self._looking)
        channel.viewers += 1
        try:
            yield channel
        finally:
            channel.viewers -= 1
            if channel.viewers == 0:
                channel.end()
            if channel.over and self._channels.get(slug) is channel:
                del self._channels[slug]

    async def end(self, _: web.Application) -> None:
        """Let everybody go, for good: the server waits for them to end."""
        self._over = True
        for channel in self._channels.values():
            channel.end()


def looking_at(database: Callable[[], Database], clock: Clock) -> Looking:
    """Return what looks at seminars in the database, all of a look at one moment."""

    async def look(slug: str, before: Look | None) -> Look | None:
        now = clock.now()
        async with database().snapshot() as connection:
            if before and await overview.mark(connection, before.overview.seminar, now) == before.overview.mark:
                return before
            seen = await overview.overview(connection, slug, now)
        return Look(seen, {}) if seen else None

    return look
