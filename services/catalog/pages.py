"""Catalog's pages: the list, a seminar before, during and after, and the one stable address to watch it at."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from aiohttp import web

from services.catalog import metadata, store
from services.catalog.api import find
from services.catalog.model import Life, Seminar
from services.catalog.prose import as_html
from shared.messages import Attendance
from shared.web.keys import CLOCK, DATABASE, SETTINGS
from shared.web.pages import SHARED, language_of, render
from shared.web.problems import not_found
from shared.web.texts import say

MOST = 200  # seminars on the list page; beyond that it wants paging


async def list_page(request: web.Request) -> web.Response:
    """Show what is coming, what is live, and what has been."""
    now = request.app[CLOCK].now()
    async with request.app[DATABASE].connection() as connection:
        seminars = await store.listing(connection, None, MOST)
    lives: dict[Life, list[Seminar]] = {life: [] for life in Life}
    for seminar in seminars:
        lives[seminar.life(now)].append(seminar)
    lives[Life.PUBLISHED].reverse()  # the next one first
    head = metadata.of_list(request.app[SETTINGS].public_url, language_of(request))
    return render(request, "seminars.html", {"lives": lives, "Life": Life, "metadata": head})


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
        "metadata": await _head(request, seminar, now),
        "seminar": seminar,
        "document": document,
        "life": seminar.life(now),
        "Life": Life,
        "open": {attendance: seminar.is_open(attendance, now) for attendance in Attendance},
        "description": as_html(text),
        "description_language": language,
        "deadlines": {
            attendance: seminar.instant(mode.deadline)
            for attendance, mode in document.attendance.items()
            if mode.deadline
        },
    }


async def _head(request: web.Request, seminar: Seminar, now: datetime) -> metadata.Head:
    slug = seminar.document.slug
    async with request.app[DATABASE].connection() as connection:
        starts = await store.announced_starts(connection, slug)
        recorded = await store.recorded_since(connection, slug) if seminar.document.recording else None
    past = metadata.Past(starts, recorded)
    return metadata.of_seminar(seminar, past, now, request.app[SETTINGS].public_url, language_of(request))


async def _announced(request: web.Request) -> Seminar:
    seminar = await find(request)
    if seminar.document.status == "draft":
        raise not_found("seminar")
    return seminar


ROUTES: Iterable[web.AbstractRouteDef] = (
    web.get("/", list_page),
    web.get("/seminars/{slug}", seminar_page),
    web.get("/seminars/{slug}/watch", watch_page),
    web.static("/static", SHARED / "static"),
)
