"""Catalog's composition root."""

from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from services.catalog import api, feeds, pages
from services.catalog.settings import Settings
from shared.bus import OpenBus
from shared.clock import Clock
from shared.web.server import connected, new_application

HERE = Path(__file__).parent
MIGRATIONS = HERE / "migrations"


def build(settings: Settings, *, clock: Clock, open_bus: OpenBus) -> web.Application:
    """Wire the service; nothing connects before the application starts."""
    statement = settings.accessibility_statement_url
    routes = (*api.ROUTES, *feeds.ROUTES, *pages.ROUTES)
    site = {"accessibility_statement_url": statement, "public_url": settings.public_url}
    app = new_application(settings, clock, HERE / "templates", routes, **site)
    app[feeds.KEPT] = {}

    async def connect(app: web.Application) -> AsyncIterator[None]:
        async with connected(app, open_bus):
            yield

    app.cleanup_ctx.append(connect)
    return app
