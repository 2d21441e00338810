"""Notification's composition root."""

from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from services.notification import api, consumers, pages
from services.notification.delivery import Delivery
from services.notification.reminders import Reminders
from services.notification.rendering import Renderer
from services.notification.settings import Settings
from shared.background import Background
from shared.bus import OpenBus
from shared.clock import Clock
from shared.database import open_database
from shared.inbox import once
from shared.outbox import Relay
from shared.web.health import DATABASE
from shared.web.organiser import SETTINGS
from shared.web.pages import install
from shared.web.server import BACKGROUND, new_application

HERE = Path(__file__).parent
MIGRATIONS = HERE / "migrations"


def build(settings: Settings, *, clock: Clock, open_bus: OpenBus) -> web.Application:
    """Wire the service; nothing connects before the application starts."""
    app = new_application()
    app[SETTINGS] = settings
    app[api.CLOCK] = clock
    install(app, HERE / "templates")
    app.add_routes([*api.ROUTES, *pages.ROUTES])

    async def connect(app: web.Application) -> AsyncIterator[None]:
        async with open_database(settings.database_url, connections=settings.database_connections) as database:
            app[DATABASE] = database
            bus = open_bus(database)
            relay = Relay(database, bus)
            delivery = Delivery(database, settings, clock, Renderer(settings))
            reminders = Reminders(database, clock, delivery.nudge)

            def learnt() -> None:
                delivery.nudge()
                reminders.nudge()

            app[BACKGROUND] = background = Background()
            background.start("relay", relay.run())
            background.start("delivery", delivery.run())
            background.start("reminders", reminders.run())
            for queue, handlers in consumers.queues(clock).items():
                background.start(queue, bus.consume(queue, once(database, queue, handlers, learnt)))
            yield
            await background.stop()
            await bus.close()

    app.cleanup_ctx.append(connect)
    return app
