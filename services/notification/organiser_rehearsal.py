"""What will go out from now on: who will get what, and when."""

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter

from aiohttp import web

from services.notification import commands
from services.notification.api import RENDERER, rehearsed
from services.notification.organiser import page, seminar_of
from shared.web.keys import CLOCK, DATABASE
from shared.web.organiser import organiser_of


async def rehearsal(request: web.Request) -> web.Response:
    """Show every e-mail that would go out, by its moment; nothing is sent or kept."""
    organiser_of(request)
    async with request.app[DATABASE].snapshot() as connection:
        seminar = await seminar_of(request, connection)
        foreseen = await commands.rehearse(connection, seminar.slug, None, request.app[CLOCK].now())
    items = rehearsed(foreseen, request.app[RENDERER]).items if foreseen else ()
    moments = [(due_at, tuple(those)) for due_at, those in groupby(items, attrgetter("due_at"))]
    context = {"moments": moments, "total": sum(item.recipients for item in items)}
    return page(request, "rehearsal.html", seminar, context)


ROUTES: Iterable[web.RouteDef] = (web.get("/organiser/emails/{slug}/rehearsal", rehearsal),)
