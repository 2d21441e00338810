"""Notification's composition root."""

from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from services.notification import (
    api,
    consumers,
    organiser_board,
    organiser_emails,
    organiser_rehearsal,
    organiser_wording,
    pages,
    previews,
    retention,
)
from services.notification.delivery import Delivery
from services.notification.figures import Figures
from services.notification.reminders import Reminders
from services.notification.rendering import Renderer
from services.notification.settings import Settings
from shared import erasing
from shared.bus import OpenBus
from shared.clock import Clock
from shared.dead_letters import dead_queues
from shared.inbox import forget_old, once
from shared.limits import Meter
from shared.web.keys import METRICS
from shared.web.server import connected, new_application

HERE = Path(__file__).parent
MIGRATIONS = HERE / "migrations"
ROOMS = (api, pages, previews, organiser_board, organiser_emails, organiser_rehearsal, organiser_wording)
ROUTES = tuple(route for room in ROOMS for route in room.ROUTES)


def build(settings: Settings, *, clock: Clock, open_bus: OpenBus) -> web.Application:
    """Wire the service; nothing connects before the application starts."""
    app = new_application(settings, clock, HERE / "templates", ROUTES)
    app[api.RENDERER] = Renderer(settings)
    app[organiser_wording.METER] = Meter(organiser_wording.MOST_TESTS)
    figures = Figures(app[METRICS])

    async def connect(app: web.Application) -> AsyncIterator[None]:
        async with connected(app, open_bus) as (database, bus, background):
            delivery = Delivery(database, settings, clock, app[api.RENDERER], figures)
            reminders = Reminders(database, clock, delivery.nudge)

            def learnt() -> None:
                delivery.nudge()
                reminders.nudge()

            background.start("delivery", delivery.run())
            background.start("reminders", reminders.run())
            background.start("retention", retention.run(database, clock))
            background.start("inbox", forget_old(database))
            letters = dead_queues("notification", settings.bus_url, settings.database_url)
            background.start("erasing", erasing.run(database, letters))
            for queue, handlers in consumers.queues(clock).items():
                background.start(queue, bus.consume(queue, once(database, queue, handlers, learnt)))
            yield

    app.cleanup_ctx.append(connect)
    return app
