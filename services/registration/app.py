"""Registration's composition root."""

from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from services.registration import (
    api,
    consumers,
    cut_off,
    figures,
    link_pages,
    my_data,
    my_details,
    my_ticket,
    organiser_add,
    organiser_address,
    organiser_door,
    organiser_figures,
    organiser_import,
    organiser_people,
    organiser_person,
    pages,
    retention,
)
from services.registration.group_commit import GROUP_COMMIT, GroupCommit
from services.registration.live import LIVE, Live, looking_at
from services.registration.settings import Settings
from shared.background import Nudge
from shared.bus import OpenBus
from shared.clock import Clock
from shared.inbox import forget_old, once
from shared.web.keys import DATABASE, METRICS
from shared.web.server import connected, new_application

HERE = Path(__file__).parent
MIGRATIONS = HERE / "migrations"
ROUTES = (
    *api.ROUTES,
    *pages.ROUTES,
    *my_details.ROUTES,
    *my_data.ROUTES,
    *link_pages.ROUTES,
    *organiser_people.ROUTES,
    *organiser_add.ROUTES,
    *organiser_person.ROUTES,
    *organiser_import.ROUTES,
    *my_ticket.ROUTES,
    *organiser_figures.ROUTES,
    *organiser_door.ROUTES,
    *organiser_address.ROUTES,
)


def build(settings: Settings, *, clock: Clock, open_bus: OpenBus) -> web.Application:
    """Wire the service; nothing connects before the application starts."""
    app = new_application(settings, clock, HERE / "templates", ROUTES)
    app[pages.RETENTION] = settings.retention
    app[figures.SIGN_UPS] = figures.count_in(app[METRICS])
    app[LIVE] = Live(looking_at(lambda: app[DATABASE], clock))
    app.on_shutdown.append(app[LIVE].end)

    async def connect(app: web.Application) -> AsyncIterator[None]:
        async with connected(app, open_bus) as (database, bus, background):
            lists_changed, ends_changed = Nudge(), Nudge()
            app[GROUP_COMMIT] = sign_ups = GroupCommit(database, clock, app[METRICS])

            def learnt() -> None:
                lists_changed()
                ends_changed()

            learn = once(database, consumers.QUEUE, consumers.handlers(clock), learnt)
            background.start("cut-off", cut_off.run(database, clock, lists_changed))
            background.start(consumers.QUEUE, bus.consume(consumers.QUEUE, learn))
            background.start("retention", retention.run(database, clock, settings.retention, ends_changed))
            background.start("inbox", forget_old(database))
            yield
            await sign_ups.drain()

    app.cleanup_ctx.append(connect)
    return app
