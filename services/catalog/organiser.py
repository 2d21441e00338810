"""The organiser's desk: every seminar, how one stands and has stood, how its page looks at any moment, and the log."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from services.catalog import store, store_announced
from services.catalog.api import find
from services.catalog.fields import in_zone
from services.catalog.listing import behind, cursor_of, history
from services.catalog.model import Life, Seminar
from services.catalog.pages import context_of
from services.catalog.warnings import Caution, warnings
from shared.web.keys import CLOCK, DATABASE
from shared.web.organiser import organiser_of, organiser_page
from shared.web.pages import language_of
from shared.web.queries import cursor, number_behind
from shared.web.texts import worded

PAGE = 50  # lines on a page


async def list_page(request: web.Request) -> web.Response:
    """Show every seminar, drafts too, the latest start first."""
    organiser_of(request)
    async with request.app[DATABASE].connection() as connection:
        found = await store.all_seminars(connection, behind(request), PAGE + 1)
    shown, now = found[:PAGE], request.app[CLOCK].now()
    context = {
        "seminars": [(seminar, seminar.life(now)) for seminar in shown],
        "next": cursor_of(shown[-1]) if len(found) > PAGE else None,
        "Life": Life,
    }
    return organiser_page(request, "organiser/seminars.html", context)


async def desk_page(request: web.Request) -> web.Response:
    """Show how a seminar stands and what can be done with it."""
    organiser_of(request)
    return desk(request, await find(request))


def desk(
    request: web.Request,
    seminar: Seminar,
    wrong: Mapping[str, str] | None = None,
    typed: Mapping[str, str] | None = None,
    *,
    status: int = 200,
) -> web.Response:
    """Return the seminar's desk; `wrong` says by field what is wrong with what was `typed`."""
    now = request.app[CLOCK].now()
    context = {
        "seminar": seminar,
        "document": seminar.document,
        "change": seminar.document.model_dump(mode="json"),
        "life": seminar.life(now),
        "Life": Life,
        "cautions": worded_cautions(request, warnings(seminar.document)),
        "moments": _moments(seminar),
        "next_week": f"{seminar.document.start.date() + timedelta(days=7)}",
        "wrong": wrong or {},
        "typed": typed or {},
        "done": request.query.get("done", ""),
    }
    return organiser_page(request, "organiser/seminar.html", context, status=status)


def worded_cautions(request: web.Request, cautions: Iterable[Caution]) -> list[tuple[str, str]]:
    """Return the field and the words of each warning, in the reader's language."""
    return [(caution.field, worded(caution, language_of(request))) for caution in cautions]


def _moments(seminar: Seminar) -> dict[str, str]:
    """Return a moment of each of the seminar's lives, local to its zone, to preview its page at."""
    start, end = seminar.document.start, seminar.document.end
    moments = {"before": start - timedelta(days=1), "during": start + (end - start) / 2, "after": end}
    return {name: f"{moment:%Y-%m-%dT%H:%M}" for name, moment in moments.items()}


async def preview_page(request: web.Request) -> web.Response:
    """Show the seminar's page as anybody would see it at a moment (`?at=`, local to its zone), a draft as announced."""
    organiser_of(request)
    seminar = await find(request)
    async with request.app[DATABASE].connection() as connection:
        starts = await store_announced.announced_starts(connection, seminar.document.slug)
    at = _moment(request.query.get("at", ""), seminar.document.zone) or request.app[CLOCK].now()
    published = seminar.document.model_copy(update={"status": "published"})
    shown = seminar.model_copy(update={"document": published}).for_anyone()
    context = context_of(shown, starts, at, language_of(request)) | {"path": request.path, "query": request.query}
    return organiser_page(request, "organiser/preview.html", context | {"at": at})


def _moment(given: str, zone: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(given)
        return moment if moment.tzinfo else in_zone(moment, zone)
    except ValueError:
        return None


async def history_page(request: web.Request) -> web.Response:
    """Show who has made which revision, when, and what it changed, the last first."""
    organiser_of(request)
    seminar = await find(request)
    async with request.app[DATABASE].connection() as connection:
        made, following = await history(connection, seminar.document.slug, number_behind(request), PAGE)
    context = {"seminar": seminar, "made": made, "next": following}
    return organiser_page(request, "organiser/history.html", context)


async def audit_page(request: web.Request) -> web.Response:
    """Show what organisers did, the last first."""
    organiser_of(request)
    async with request.app[DATABASE].connection() as connection:
        found = await store.audit_log(connection, number_behind(request), PAGE + 1)
    following = cursor(found[PAGE - 1].id) if len(found) > PAGE else None
    context: dict[str, Any] = {"lines": found[:PAGE], "next": following}
    return organiser_page(request, "organiser/audit.html", context)


ROUTES: Iterable[web.RouteDef] = (
    web.get("/organiser/seminars", list_page),
    web.get("/organiser/seminars/{slug}", desk_page),
    web.get("/organiser/seminars/{slug}/preview", preview_page),
    web.get("/organiser/seminars/{slug}/history", history_page),
    web.get("/organiser/audit", audit_page),
)
