"""Signing somebody up by hand, who has called or stands at the door."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from aiohttp import web

from services.registration import deeds, store
from services.registration.deeds import KnownError
from services.registration.model import RefusedError, is_full, refuse
from services.registration.organiser_people import asked_form
from services.registration.pages import seminar_of
from services.registration.questions import UnfitError
from services.registration.typed import judge, typed_in
from shared.messages import Attendance
from shared.web.keys import CLOCK, DATABASE
from shared.web.organiser import organiser_of, organiser_page
from shared.web.pages import language_of, redirect

NOTHING: Mapping[str, str] = MappingProxyType({})


async def form_page(request: web.Request) -> web.Response:
    """Show the form."""
    organiser_of(request)
    return await _page(request, {"attendance": request.query.get("attendance", "")})


async def add(request: web.Request) -> web.Response:
    """Take the form; on errors show it again with all that was typed."""
    by, form = await asked_form(request)
    typed = typed_in(form)
    async with request.app[DATABASE].connection() as connection:
        seminar = await seminar_of(request, connection)
    given, wrong = judge(typed, seminar, language_of(request))
    if given is None or wrong:
        return await _page(request, typed, wrong, status=422)
    try:
        async with request.app[DATABASE].transaction() as connection:
            added = await deeds.add(connection, given, by)
    except KnownError as error:
        known = {"email": f"/organiser/registrations/{seminar.slug}/people/{error.registration}"}
        return await _page(request, typed, {"email": "known"}, status=409, links=known)
    except RefusedError as error:
        return await _page(request, typed, {"attendance": error.refusal}, status=409)
    except UnfitError as error:  # the questions have changed meanwhile
        return await _page(request, typed, {fault.field: fault.text for fault in error.faults}, status=422)
    return redirect(f"/organiser/registrations/{seminar.slug}/people/{added.id}?done=added")


async def _page(
    request: web.Request,
    typed: Mapping[str, str],
    wrong: Mapping[str, str] = NOTHING,
    *,
    status: int = 200,
    links: Mapping[str, str] = NOTHING,
) -> web.Response:
    now = request.app[CLOCK].now()
    async with request.app[DATABASE].connection() as connection:
        seminar = await seminar_of(request, connection)
        taken = {way: await store.taken(connection, seminar.slug, way) for way in seminar.attendance}
    context = {
        "seminar": seminar,
        "typed": {"language": language_of(request)} | dict(typed),
        "wrong": wrong,
        "links": links,
        "asked": seminar.questions,
        "refusals": {way: refuse(seminar, way, now, cause="organiser") for way in Attendance},
        "full": {way: is_full(seminar, way, taken.get(way, 0)) for way in Attendance},
    }
    return organiser_page(request, "organiser/add.html", context, status=status)


ROUTES: Iterable[web.RouteDef] = (
    web.get("/organiser/registrations/{slug}/add", form_page),
    web.post("/organiser/registrations/{slug}/add", add),
)
