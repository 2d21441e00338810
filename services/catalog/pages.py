"""Catalog's pages: the list, a seminar before, during and after, and the one stable address to watch it at."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from services.catalog import metadata, store, store_announced, store_list
from services.catalog.listing import behind, context_of_list, wanted_of
from services.catalog.lives import chapters, countdown, moved_from, shown, true_until
from services.catalog.model import Life, Seminar
from services.catalog.page_cache import LIST, PAGES, STATES, Page, States
from services.catalog.prose import as_html
from shared import tokens
from shared.database import Connection, Database
from shared.messages import Language
from shared.web.keys import CLOCK, DATABASE, SETTINGS
from shared.web.middleware import SECURITY_HEADERS
from shared.web.pages import SHARED, answer, language_of, render, rendered
from shared.web.problems import not_found
from shared.web.texts import say

PLAYERS = web.AppKey("PLAYERS", frozenset[str])  # hosts whose players may be shown inside of our pages


async def list_page(request: web.Request) -> web.Response:
    """Show what is live, what is coming and what has been, or what of it was searched for."""
    wanted, now = wanted_of(request), request.app[CLOCK].now()
    after = behind(request) if wanted.life else None
    key = ("list", await request.app[STATES].of(LIST), wanted, after, language_of(request))

    async def make() -> Page:
        async with request.app[DATABASE].connection() as connection:
            context = await context_of_list(connection, wanted, after, now)
            until = await store_list.next_start_or_end(connection, now)
        context["metadata"] = metadata.of_list(request.app[SETTINGS].public_url, language_of(request))
        return Page.of(rendered(request, "seminars.html", context), until)

    return _answer(request, await request.app[PAGES].get(key, now, make), now)


async def seminar_page(request: web.Request) -> web.Response:
    """Show the seminar as it stands in its life."""
    return await _page(request, "seminar.html")


async def watch_page(request: web.Request) -> web.Response:
    """Show the one address that is mailed: when it starts, then the stream, then the recording."""
    return await _page(request, "watch.html")


async def personal_watch_page(request: web.Request) -> web.Response:
    """Show the same with a stream for those who signed up; a link that lets nobody in is 404, whatever ails it."""
    slug = request.match_info["slug"]
    async with request.app[DATABASE].connection() as connection:
        guarded = await store_announced.is_guarded(connection, slug)
        if guarded is None:
            raise not_found("seminar")
        admitted = not guarded or await _is_admitted(request, connection)
    if not admitted:
        return render(request, "dead_link.html", {"slug": slug}, status=404)
    return await _page(request, "watch.html", admitted=True)


async def _is_admitted(request: web.Request, connection: Connection) -> bool:
    try:
        link = tokens.verify(request.app[SETTINGS].keys, "watch", request.match_info["token"])
    except tokens.InvalidTokenError:
        return False
    return await store_announced.may_watch(connection, request.match_info["slug"], link)


async def _page(request: web.Request, template: str, *, admitted: bool = False) -> web.Response:
    """Answer with the page as it stands, rendered anew only if it says something else by now."""
    slug, now = request.match_info["slug"], request.app[CLOCK].now()
    language, play = language_of(request), "play" in request.query
    state = await request.app[STATES].of(slug)
    if state is None:
        raise not_found("seminar")
    key = (template, slug, state, language, admitted, play)

    async def make() -> Page:
        seminar, past = await _found(request, slug)
        context = context_of(seminar if admitted else seminar.for_anyone(), past.starts, now, language)
        context["metadata"] = metadata.of_seminar(seminar, past, now, request.app[SETTINGS].public_url, language)
        context |= _film(seminar, now, request.app[PLAYERS], admitted=admitted, play=play)
        return Page.of(rendered(request, template, context), true_until(seminar, now))

    page = await request.app[PAGES].get(key, now, make)
    return _answer(request, page, now, _framing(request.app[PLAYERS]))


async def _found(request: web.Request, slug: str) -> tuple[Seminar, metadata.Past]:
    async with request.app[DATABASE].connection() as connection:
        seminar = await store.get(connection, slug)
        if seminar is None:
            raise not_found("seminar")
        recorded = await store_announced.recorded_since(connection, slug) if seminar.document.recording else None
        return seminar, metadata.Past(await store_announced.announced_starts(connection, slug), recorded)


def states(database: Database) -> States:
    """Return how seminars stand by their slugs, and by `LIST` how all of them do."""

    async def ask(what: str) -> str | None:
        async with database.connection() as connection:
            return await (store_list.list_state(connection) if what == LIST else store_list.state(connection, what))

    return States(ask)


def context_of(seminar: Seminar, starts: Iterable[datetime], now: datetime, language: Language) -> dict[str, Any]:
    """Return what the pages of a seminar say of it at `now`; `starts` are those announced so far."""
    document, (life, on, open_) = seminar.document, shown(seminar, now)
    text, spoken = say(document.description, language)
    ahead = life in (Life.PUBLISHED, Life.LIVE)
    return {
        "path": f"/seminars/{document.slug}",
        "query": {},
        "seminar": seminar,
        "document": document,
        "life": life,
        "Life": Life,
        "on": on,
        "open": open_,
        "left": countdown(seminar, now),
        "moved_from": moved_from(seminar, starts) if ahead else None,
        "chapters": chapters(seminar) if life is Life.COMPLETED else {},
        "stamp": lambda seconds: str(timedelta(seconds=seconds)),
        "description": as_html(text),
        "description_language": spoken,
        "deadlines": {
            attendance: seminar.instant(mode.deadline)
            for attendance, mode in document.attendance.items()
            if mode.deadline
        },
    }


def _film(seminar: Seminar, now: datetime, players: frozenset[str], *, admitted: bool, play: bool) -> dict[str, Any]:
    """Return what there is to watch at `now`, for whom, and whether it is played inside of our page."""
    url = (seminar if admitted else seminar.for_anyone()).film(now)
    host = urlsplit(url).netloc.lower() if url else ""
    playable = host in players
    return {
        "film": url,
        "film_host": host,
        "guarded": seminar.guarded and not admitted,
        "playable": playable,
        "playing": playable and play,
        "query": {"play": "1"} if playable and play else {},
    }


def _framing(players: frozenset[str]) -> dict[str, str]:
    """Return the header that lets the players' hosts, and nobody else's, be shown inside of our page (CSP 3, 6.1.6)."""
    if not players:
        return {}
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    return {"Content-Security-Policy": f"{policy}; frame-src {' '.join(sorted(players))}"}


def _answer(request: web.Request, page: Page, now: datetime, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with the page, or with 304 to who has it; says for how many seconds it holds."""
    said = {"ETag": f'"{page.etag}"', **(headers or {})}
    if page.until:
        said["Changes-In"] = str(math.ceil((page.until - now).total_seconds()))
    has_it = any(tag.value in (page.etag, "*") for tag in request.if_none_match or ())
    return answer(request, b"" if has_it else page.body, status=304 if has_it else 200, headers=said)


ROUTES: Iterable[web.AbstractRouteDef] = (
    web.get("/", list_page),
    web.get("/seminars/{slug}", seminar_page),
    web.get("/seminars/{slug}/watch", watch_page),
    web.get("/seminars/{slug}/watch/{token}", personal_watch_page),
    web.static("/static", SHARED / "static"),
)
