"""Catalog's pages: the list, a seminar before, during and after, and the one stable address to watch it at."""

from collections.abc import Iterable
from typing import Any

from aiohttp import web
from markdown_it import MarkdownIt

from services.catalog import store
from services.catalog.api import find
from services.catalog.calendars import published
from services.catalog.model import Life, Seminar
from shared.messages import Attendance
from shared.web.keys import CLOCK, DATABASE, SETTINGS
from shared.web.pages import SHARED, language_of, render
from shared.web.problems import not_found
from shared.web.texts import say

MOST = 200  # seminars on the list page; beyond that it wants paging
MARKDOWN = MarkdownIt("commonmark", {"html": False})  # an organiser's HTML is shown as text, never obeyed


async def list_page(request: web.Request) -> web.Response:
    """Show what is coming, what is live, and what has been."""
    now = request.app[CLOCK].now()
    async with request.app[DATABASE].connection() as connection:
        seminars = await store.listing(connection, None, MOST)
    lives: dict[Life, list[Seminar]] = {life: [] for life in Life}
    for seminar in seminars:
        lives[seminar.life(now)].append(seminar)
    lives[Life.PUBLISHED].reverse()  # the next one first
    return render(request, "seminars.html", {"lives": lives, "Life": Life})


async def seminar_page(request: web.Request) -> web.Response:
    """Show the seminar as it stands in its life."""
    return render(request, "seminar.html", await _shown(request))


async def watch_page(request: web.Request) -> web.Response:
    """Show the one address that is mailed: when it starts, then the stream, then the recording."""
    return render(request, "watch.html", await _shown(request))


async def _shown(request: web.Request) -> dict[str, Any]:
    seminar = await _announced(request)
    now = request.app[CLOCK].now()
    document = seminar.document
    text, language = say(document.description, language_of(request))
    return {
        "seminar": seminar,
        "document": document,
        "life": seminar.life(now),
        "Life": Life,
        "open": {attendance: seminar.is_open(attendance, now) for attendance in Attendance},
        "description": MARKDOWN.render(text),
        "description_language": language,
        "deadlines": {
            attendance: seminar.instant(mode.deadline)
            for attendance, mode in document.attendance.items()
            if mode.deadline
        },
    }


async def seminar_calendar(request: web.Request) -> web.Response:
    """Give the seminar as a calendar file."""
    seminar = await _announced(request)
    return _calendar(request, [seminar], seminar.document.slug)


async def all_calendars(request: web.Request) -> web.Response:
    """Give every seminar as one calendar to subscribe to."""
    async with request.app[DATABASE].connection() as connection:
        seminars = await store.listing(connection, None, MOST)
    return _calendar(request, seminars, "seminars")


def _calendar(request: web.Request, seminars: list[Seminar], name: str) -> web.Response:
    body = published(seminars, request.app[SETTINGS].public_url, language_of(request), request.app[CLOCK].now())
    disposition = {"Content-Disposition": f'inline; filename="{name}.ics"'}
    return web.Response(body=body, content_type="text/calendar", charset="utf-8", headers=disposition)


async def _announced(request: web.Request) -> Seminar:
    seminar = await find(request)
    if seminar.document.status == "draft":
        raise not_found("seminar")
    return seminar


ROUTES: Iterable[web.AbstractRouteDef] = (
    web.get("/", list_page),
    web.get("/seminars.ics", all_calendars),
    web.get("/seminars/{slug}", seminar_page),
    web.get("/seminars/{slug}/calendar.ics", seminar_calendar),
    web.get("/seminars/{slug}/watch", watch_page),
    web.static("/static", SHARED / "static"),
)
