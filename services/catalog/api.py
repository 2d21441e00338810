"""Catalog's JSON API."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field, RootModel, ValidationError

from services.catalog import commands, store, store_list
from services.catalog.answers import Changed, Checked, ListedSeminar, Revisions, RevisionShown, Said, Seminars, Warned
from services.catalog.copying import Copy
from services.catalog.differences import Difference
from services.catalog.document import Document, Livestream, Recording
from services.catalog.fields import Strict
from services.catalog.listing import Search, behind, cursor_of, history, wanted_of
from services.catalog.model import Seminar
from services.catalog.warnings import warnings
from shared.web.bodies import json_answer, read_json, read_object
from shared.web.keys import CLOCK, DATABASE
from shared.web.openapi import routes
from shared.web.operations import Answer, Operation
from shared.web.organiser import organiser_of
from shared.web.preconditions import etag, if_match
from shared.web.problems import Problem, field_errors, invalid, not_found
from shared.web.queries import Listing, number_behind
from shared.web.texts import worded

PAGE = 50  # seminars or revisions in one answer


class Wanted(Strict):
    """Which revision to restore."""

    revision: Annotated[int, Field(ge=1, lt=2**31)]


class Anything(RootModel[dict[str, Any]]):
    """A seminar document, or what might become one."""


async def list_seminars(request: web.Request) -> web.Response:
    """Answer with the seminars that are no drafts and fit the query, the latest first; those to come in their order."""
    wanted, place = wanted_of(request), behind(request)
    async with request.app[DATABASE].connection() as connection:
        found = await store_list.search(connection, wanted, place, PAGE + 1, request.app[CLOCK].now())
    shown = found[:PAGE]
    following = cursor_of(shown[-1]) if len(found) > PAGE else None
    items = tuple(ListedSeminar(**dict(seminar.document), cancelled=seminar.cancelled) for seminar in shown)
    return json_answer(Seminars(items=items, next=following))


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
        return json_answer(Checked(errors=tuple(Said(**one) for one in field_errors(error))))
    said = (Warned(field=c.field, kind=c.kind, detail=worded(c, "en")) for c in cautions)
    return json_answer(Checked(warnings=tuple(said)))


async def list_history(request: web.Request) -> web.Response:
    """Answer with the seminar's revisions, the last first, each with what it changed."""
    organiser_of(request)
    slug, before = (await find(request)).document.slug, number_behind(request)
    async with request.app[DATABASE].connection() as connection:
        made, following = await history(connection, slug, before, PAGE)
    return json_answer(Revisions(items=tuple(_revision(*each) for each in made), next=following))


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
    return json_answer(seminar.document, status=status, headers=etag(seminar.revision))


def _revision(revision: store.Revision, changes: Iterable[Difference] | None) -> RevisionShown:
    seminar = revision.seminar
    return RevisionShown(
        revision=seminar.revision,
        by=revision.by,
        at=revision.at,
        cancelled=seminar.cancelled,
        differences=tuple(Changed(**difference._asdict()) for difference in changes or ()),
    )


ABOUT = (
    "What can be attended: seminars as documents, the same as in a seminar file. A text is a string, or a map by"
    " language; times are local to the seminar's zone."
)
DOCUMENT = Answer(Document, headers=("ETag",))
EXAMPLE = {
    "slug": "planstrategi-4-0",
    "title": {"nb": "Planstrategi 4.0", "en": "Planning strategy 4.0"},
    "start": "2023-06-01T10:00",
    "end": "2023-06-01T13:15",
    "venue": {"name": "Akersgata 64", "address": "Akersgata 64, Oslo"},
    "attendance": {"in_person": {"capacity": 60, "deadline": "2023-05-29"}, "online": {}},
    "reminders": [{"before_start": "P1D"}],
}

OPERATIONS = (
    Operation(
        web.get("/api/seminars", list_seminars),
        answers={200: Answer(Seminars)},
        query=Search,
    ),
    Operation(
        web.get("/api/seminars/{slug}", get_seminar),
        answers={200: DOCUMENT, 304: Answer(None, headers=("ETag",))},
        callers=("anyone", "organiser"),
        headers=("If-None-Match",),
    ),
    Operation(
        web.put("/api/seminars/{slug}", put_seminar),
        answers={200: DOCUMENT, 201: DOCUMENT},
        callers=("organiser",),
        headers=("If-Match",),
        body=Document,
        example=EXAMPLE,
        problems={409: ("seminar-cancelled", "seminar-announced"), 428: ("precondition-required",)},
    ),
    Operation(
        web.post("/api/seminar-checks", check_seminar),
        answers={200: Answer(Checked)},
        callers=("organiser",),
        body=Anything,
        example=EXAMPLE,
    ),
    Operation(
        web.get("/api/seminars/{slug}/history", list_history),
        answers={200: Answer(Revisions)},
        callers=("organiser",),
        query=Listing,
    ),
    Operation(
        web.post("/api/seminars/{slug}/restore", restore_seminar),
        answers={200: DOCUMENT},
        callers=("organiser",),
        headers=("If-Match",),
        body=Wanted,
        example={"revision": 1},
        problems={409: ("seminar-cancelled", "seminar-announced"), 428: ("precondition-required",)},
    ),
    Operation(
        web.post("/api/seminars/{slug}/copies", copy_seminar),
        answers={201: DOCUMENT},
        callers=("organiser",),
        body=Copy,
        example={"slug": "planstrategi-4-0-igjen", "start": "2023-09-01"},
        problems={409: ("slug-taken",)},
    ),
    Operation(
        web.put("/api/seminars/{slug}/livestream", put_livestream),
        answers={200: DOCUMENT},
        callers=("organiser",),
        body=Livestream,
        example={"url": "https://stream.example.org/planstrategi-4-0"},
        problems={409: ("seminar-cancelled",)},
    ),
    Operation(
        web.put("/api/seminars/{slug}/recording", put_recording),
        answers={200: DOCUMENT},
        callers=("organiser",),
        body=Recording,
        example={"url": "https://film.example.org/planstrategi-4-0"},
        problems={409: ("seminar-cancelled",)},
    ),
    Operation(
        web.post("/api/seminars/{slug}/cancel", cancel_seminar),
        answers={200: DOCUMENT},
        callers=("organiser",),
    ),
)
ROUTES: Iterable[web.RouteDef] = routes("catalog", ABOUT, OPERATIONS)
