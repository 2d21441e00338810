"""Notification's page for people: unsubscribing."""

from collections.abc import Iterable
from uuid import UUID

from aiohttp import web

from services.notification import commands, store
from shared import tokens
from shared.database import Connection
from shared.messages import SeminarSnapshot
from shared.web.bodies import read_form
from shared.web.keys import DATABASE, SETTINGS
from shared.web.pages import render
from shared.web.problems import not_found


async def unsubscribe_page(request: web.Request) -> web.Response:
    """Ask whether reminders should stop, or offer to have them again; a mail scanner that looks changes nothing."""
    async with request.app[DATABASE].connection() as connection:
        registration, seminar = await _addressee(request, connection)
        stopped = await store.is_unsubscribed(connection, registration)
    return _page(request, seminar, stopped=stopped)


async def unsubscribe(request: web.Request) -> web.Response:
    """Stop reminders (also by one click from the mail program, RFC 8058), or undo that."""
    undo = "undo" in await read_form(request)
    async with request.app[DATABASE].transaction() as connection:
        registration, seminar = await _addressee(request, connection)
        await commands.unsubscribe(connection, registration, undo=undo)
    return _page(request, seminar, stopped=not undo)


def _page(request: web.Request, seminar: SeminarSnapshot, *, stopped: bool) -> web.Response:
    return render(request, "unsubscribe.html", {"seminar": seminar, "stopped": stopped})


async def _addressee(request: web.Request, connection: Connection) -> tuple[UUID, SeminarSnapshot]:
    try:
        link = tokens.verify(request.app[SETTINGS].keys, "unsubscribe", request.match_info["token"])
    except tokens.InvalidTokenError:
        raise not_found("registration") from None
    registration = await store.get_registration(connection, link.registration)
    seminar = await store.get_seminar(connection, registration.seminar) if registration else None
    if registration is None or seminar is None or registration.link_version != link.version:
        raise not_found("registration")
    return registration.id, seminar


ROUTES: Iterable[web.RouteDef] = (
    web.get("/unsubscribe/{token}", unsubscribe_page),
    web.post("/unsubscribe/{token}", unsubscribe),
)
