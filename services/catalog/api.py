"""Catalog's JSON API."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field, ValidationError

from services.catalog import commands, store
from services.catalog.copying import Copy
from services.catalog.differences import Difference
from services.catalog.document import Document, Livestream, Recording
from services.catalog.fields import Strict
from services.catalog.listing import behind, cursor_of, history, number_behind, wanted_of
from services.catalog.model import Seminar
from services.catalog.warnings import warnings
from shared.web.bodies import read_json, read_object
from shared.web.keys import CLOCK, DATABASE
from shared.web.organiser import organiser_of
from shared.web.preconditions import etag, if_match
from shared.web.problems import Problem, field_errors, invalid, not_found
from shared.web.texts import worded

PAGE = 50  # seminars or revisions in one answer


class Wanted(Strict):
    """Which revision to restore."""

    revision: Annotated[int, Field(ge=1, lt=2**31)]


async def list_seminars(request: web.Request) -> web.Response:
    """Answer with the seminars that are no drafts and fit the query, the latest first; those to come in their order."""
    wanted, place = wanted_of(request), behind(request)
    async with request.app[DATABASE].connection() as connection:
        found = await store.search(connection, wanted, place, PAGE + 1, request.app[CLOCK].now())
    shown = found[:PAGE]
    following = cursor_of(shown[-1]) if len(found) > PAGE else None
    return web.json_response({"items": [_listed(seminar) for seminar in shown], "next": following})


async def get_seminar(request: web.Request) -> web.Response:
    """Answer with the seminar's document and its revision as ETag; a draft is for organisers."""
    seminar = await find(request)
    if "Authorization" in request.headers:
        organiser_of(request)
    elif seminar.document.status == "draft":
        raise not_found("seminar")
    else:
        seminar = seminar.for_anyone()
    if f'"{seminar.revision}"' in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=etag(seminar.revision))
    return _answer(seminar)


async def put_seminar(request: web.Request) -> web.Response:
    """Create the seminar or replace its document."""
    by = organiser_of(request)
    document = await read_json(request, Document)
    if document.slug != request.match_info["slug"]:
        error = {"field": "slug", "detail": f"must be {request.match_info['slug']!r}, as in the address"}
        raise Problem(422, "invalid", "The body does not fit", errors=[error])
    read = if_match(request)
    return await _change(request, lambda connection, now: commands.put(connection, document, read, by, now))


async def put_livestream(request: web.Request) -> web.Response:
    """Give the stream an address, or another."""
    by = organiser_of(request)
    slug, given = request.match_info["slug"], await read_json(request, Livestream)
    return await _change(request, lambda connection, now: commands.set_livestream(connection, slug, given, by, now))


async def put_recording(request: web.Request) -> web.Response:
    """Publish the recording."""
    by = organiser_of(request)
    slug, given = request.match_info["slug"], await read_json(request, Recording)
    return await _change(request, lambda connection, now: commands.publish_recording(connection, slug, given, by, now))


async def cancel_seminar(request: web.Request) -> web.Response:
    """Cancel the seminar."""
    by, slug = organiser_of(request), request.match_info["slug"]
    return await _change(request, lambda connection, now: commands.cancel(connection, slug, by, now))


async def check_seminar(request: web.Request) -> web.Response:
    """Say what is wrong with a document, and what its organiser may want to hear; nothing is kept of it."""
    organiser_of(request)
    try:
        cautions = warnings(Document.model_validate(await read_object(request)))
    except ValidationError as error:
        return web.json_response({"errors": field_errors(error), "warnings": []})
    said = [{"field": c.field, "kind": c.kind, "detail": worded(c, "en")} for c in cautions]
    return web.json_response({"errors": [], "warnings": said})


async def list_history(request: web.Request) -> web.Response:
    """Answer with the seminar's revisions, the last first, each with what it changed."""
    organiser_of(request)
    slug, before = (await find(request)).document.slug, number_behind(request)
    async with request.app[DATABASE].connection() as connection:
        made, following = await history(connection, slug, before, PAGE)
    return web.json_response({"items": [_revision(*each) for each in made], "next": following})


async def restore_seminar(request: web.Request) -> web.Response:
    """Make a next revision that says what an earlier one said."""
    by, slug = organiser_of(request), request.match_info["slug"]
    wanted, read = (await read_json(request, Wanted)).revision, if_match(request)
    return await _change(request, lambda connection, now: commands.restore(connection, slug, wanted, read, by, now))


async def copy_seminar(request: web.Request) -> web.Response:
    """Make a draft of the seminar for another day, under another slug."""
    by, slug, given = organiser_of(request), request.match_info["slug"], await read_json(request, Copy)
    return await _change(request, lambda connection, now: commands.copy(connection, slug, given, by, now))


async def find(request: web.Request) -> Seminar:
    """Return the seminar that the address names; raises a 404 Problem."""
    async with request.app[DATABASE].connection() as connection:
        seminar = await store.get(connection, request.match_info["slug"])
    if seminar is None:
        raise not_found("seminar")
    return seminar


async def change(request: web.Request, command: Callable[..., Any]) -> Seminar:
    """Run the command in a transaction and return what stands then; raises as a Problem what the domain saw."""
    try:
        async with request.app[DATABASE].transaction() as connection:
            seminar: Seminar = await command(connection, request.app[CLOCK].now())
    except commands.UnknownSeminarError:
        raise not_found("seminar") from None
    except commands.UnknownRevisionError:
        raise not_found("revision") from None
    except ValidationError as error:
        raise invalid(error) from None
    except commands.SlugTakenError:
        raise Problem(409, "slug-taken", "There is another seminar with that slug") from None
    except commands.RevisionMissingError:
        raise Problem(428, "precondition-required", "Say with If-Match which revision you read") from None
    except commands.RevisionConflictError as error:
        raise Problem(412, "precondition-failed", "The seminar is not at that revision", detail=str(error)) from None
    except commands.CancelledError:
        raise Problem(409, "seminar-cancelled", "The seminar is cancelled") from None
    except commands.AnnouncedError:
        raise Problem(409, "seminar-announced", "People know of the seminar: cancel it instead") from None
    return seminar


async def _change(request: web.Request, command: Callable[..., Any]) -> web.Response:
    seminar = await change(request, command)
    return _answer(seminar, status=201 if seminar.revision == 1 else 200)


def _answer(seminar: Seminar, status: int = 200) -> web.Response:
    return web.json_response(_shown(seminar), status=status, headers=etag(seminar.revision))


def _shown(seminar: Seminar) -> dict[str, Any]:
    return seminar.document.model_dump(mode="json")


def _revision(revision: store.Revision, changes: Iterable[Difference] | None) -> dict[str, Any]:
    seminar = revision.seminar
    return {
        "revision": seminar.revision,
        "by": revision.by,
        "at": revision.at.isoformat(),
        "cancelled": seminar.cancelled,
        "differences": [difference._asdict() for difference in changes or ()],
    }


def _listed(seminar: Seminar) -> dict[str, Any]:
    fields = {"slug", "title", "summary", "start", "end", "zone", "organisers"}
    return seminar.document.model_dump(mode="json", include=fields) | {"cancelled": seminar.cancelled}


ROUTES: Iterable[web.RouteDef] = (
    web.get("/api/seminars", list_seminars),
    web.post("/api/seminars/checks", check_seminar),
    web.get("/api/seminars/{slug}", get_seminar),
    web.get("/api/seminars/{slug}/history", list_history),
    web.post("/api/seminars/{slug}/restore", restore_seminar),
    web.post("/api/seminars/{slug}/copies", copy_seminar),
    web.put("/api/seminars/{slug}", put_seminar),
    web.post("/api/seminars/{slug}/cancel", cancel_seminar),
    web.put("/api/seminars/{slug}/livestream", put_livestream),
    web.put("/api/seminars/{slug}/recording", put_recording),
)
