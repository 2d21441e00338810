"""Catalog's composition root."""

from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from services.catalog import (
    api,
    consumers,
    feeds,
    form_pages,
    organiser,
    organiser_actions,
    organiser_yaml,
    pages,
    sign_in,
)
from services.catalog.page_cache import PAGES, STATES, PageCache
from services.catalog.settings import Settings
from shared import erasing
from shared.bus import OpenBus
from shared.clock import Clock
from shared.dead_letters import dead_queues
from shared.inbox import forget_old, once
from shared.web.server import connected, new_application

HERE = Path(__file__).parent
MIGRATIONS = HERE / "migrations"


def build(settings: Settings, *, clock: Clock, open_bus: OpenBus) -> web.Application:
    """Wire the service; nothing connects before the application starts."""
    statement = settings.accessibility_statement_url
    desk = (*sign_in.ROUTES, *form_pages.ROUTES, *organiser_yaml.ROUTES, *organiser_actions.ROUTES, *organiser.ROUTES)
    routes = (*pages.ROUTES, *feeds.ROUTES, *api.ROUTES, *desk)  # what is asked for most is found first
    site = {"accessibility_statement_url": statement, "public_url": settings.public_url}
    app = new_application(settings, clock, HERE / "templates", routes, **site)
    app[PAGES] = PageCache()
    app[feeds.KEPT] = {}
    app[pages.PLAYERS] = settings.players

    async def connect(app: web.Application) -> AsyncIterator[None]:
        async with connected(app, open_bus) as (database, bus, background):
            app[STATES] = pages.states(database)
            learn = once(database, consumers.QUEUE, consumers.HANDLERS)
            background.start(consumers.QUEUE, bus.consume(consumers.QUEUE, learn))
            background.start("inbox", forget_old(database))
            letters = dead_queues("catalog", settings.bus_url, settings.database_url)
            background.start("erasing", erasing.run(database, letters))
            yield

    app.cleanup_ctx.append(connect)
    return app
