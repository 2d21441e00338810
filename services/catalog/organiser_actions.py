"""What organisers do to a seminar from its desk, one form each."""

from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from services.catalog import commands, store
from services.catalog.api import change, find
from services.catalog.copying import Copy
from services.catalog.differences import differences
from services.catalog.document import Livestream, Recording
from services.catalog.organiser import desk
from shared.faults import Fault, faults_in
from shared.web.bodies import number_in
from shared.web.keys import DATABASE
from shared.web.organiser import organiser_of, organiser_page, posted
from shared.web.pages import language_of, redirect
from shared.web.problems import Problem, not_found
from shared.web.texts import worded

TAKEN = Fault(("slug",), "is the address of another seminar already")


async def publish(request: web.Request) -> web.Response:
    """Tell everybody of a draft."""
    by, slug, _ = await _asked(request)
    await change(request, lambda connection, now: commands.publish(connection, slug, by, now))
    return _back(slug, "published")


async def set_livestream(request: web.Request) -> web.Response:
    """Give the stream an address, or another, and say for whom it is."""
    by, slug, form = await _asked(request)
    try:
        given = Livestream.model_validate({"url": form.get("url", "").strip() or None, "access": form.get("access")})
    except ValidationError as error:
        return await _again(request, form, "livestream", faults_in(error))
    await change(request, lambda connection, now: commands.set_livestream(connection, slug, given, by, now))
    return _back(slug, "livestream")


async def publish_recording(request: web.Request) -> web.Response:
    """Put the recording on the seminar's page."""
    by, slug, form = await _asked(request)
    try:
        given = Recording(**_filled(form, "url", "starts", "chapters"))
    except ValidationError as error:
        return await _again(request, form, "recording", faults_in(error))
    await change(request, lambda connection, now: commands.publish_recording(connection, slug, given, by, now))
    return _back(slug, "recording")


async def copy(request: web.Request) -> web.Response:
    """Make a draft of the seminar for another day, and go to its desk."""
    by, slug, form = await _asked(request)
    try:
        given = Copy(**_filled(form, "slug", "start"))
        await change(request, lambda connection, now: commands.copy(connection, slug, given, by, now))
    except ValidationError as error:
        return await _again(request, form, "copy", faults_in(error))
    except Problem as problem:
        if problem.kind != "slug-taken":
            raise
        return await _again(request, form, "copy", [TAKEN])
    return _back(given.slug, "copied")


async def cancel_page(request: web.Request) -> web.Response:
    """Ask once more, and say what it will cause."""
    organiser_of(request)
    seminar = await find(request)
    causes = seminar.document.model_dump(mode="json") | {"cancelled": True}
    return organiser_page(request, "organiser/cancel.html", {"seminar": seminar, "change": causes})


async def cancel(request: web.Request) -> web.Response:
    """Cancel the seminar."""
    by, slug, _ = await _asked(request)
    await change(request, lambda connection, now: commands.cancel(connection, slug, by, now))
    return _back(slug, "cancelled")


async def restore_page(request: web.Request) -> web.Response:
    """Show what would change if an earlier revision (`?revision=`) were restored, and what that will cause."""
    organiser_of(request)
    seminar, revision = await find(request), number_in(request.query, "revision")
    async with request.app[DATABASE].connection() as connection:
        past = await store.past(connection, seminar.document.slug, revision)
    if past is None:
        raise not_found("revision")
    context = {
        "seminar": seminar,
        "revision": revision,
        "changes": differences(seminar.document, past.document),
        "change": past.document.model_dump(mode="json"),
    }
    return organiser_page(request, "organiser/restore.html", context)


async def restore(request: web.Request) -> web.Response:
    """Make a next revision that says what an earlier one said, unless another has come in between."""
    by, slug, form = await _asked(request)
    revision, read = number_in(form, "revision"), number_in(form, "read")
    await change(request, lambda connection, now: commands.restore(connection, slug, revision, read, by, now))
    return _back(slug, "restored")


async def _asked(request: web.Request) -> tuple[str, str, dict[str, str]]:
    """Return who wants what done to which seminar, by a form of theirs; raises a Problem: 401, 403."""
    by, form = await posted(request)
    return by, request.match_info["slug"], form


async def _again(request: web.Request, form: Mapping[str, str], part: str, faults: Iterable[Fault]) -> web.Response:
    """Show the desk with what was typed in one of its forms and what is wrong with it."""
    language = language_of(request)
    wrong = {f"{part}.{fault.field}": worded(fault, language) for fault in faults}
    typed = {f"{part}.{field}": value for field, value in form.items()}
    return desk(request, await find(request), wrong, typed, status=422)


def _filled(form: Mapping[str, str], *fields: str) -> dict[str, Any]:
    return {field: form[field].strip() for field in fields if form.get(field, "").strip()}


def _back(slug: str, done: str) -> web.Response:
    return redirect(f"/organiser/seminars/{slug}?done={done}")


ROUTES: Iterable[web.RouteDef] = (
    web.post("/organiser/seminars/{slug}/publish", publish),
    web.post("/organiser/seminars/{slug}/livestream", set_livestream),
    web.post("/organiser/seminars/{slug}/recording", publish_recording),
    web.post("/organiser/seminars/{slug}/copies", copy),
    web.get("/organiser/seminars/{slug}/cancel", cancel_page),
    web.post("/organiser/seminars/{slug}/cancel", cancel),
    web.get("/organiser/seminars/{slug}/restore", restore_page),
    web.post("/organiser/seminars/{slug}/restore", restore),
)
