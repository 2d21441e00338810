"""One person of a seminar, and what its organisers can do for them, one form each."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from aiohttp import web

from services.registration import deeds, store, store_audit, store_door, store_waiting_list
from services.registration.commands import VersionConflictError
from services.registration.deeds import (
    EnoughLinksError,
    KnownError,
    NoSeatError,
    NotWaitingError,
    WithdrawnError,
)
from services.registration.model import Details, RefusedError, Registration, is_full, refuse
from services.registration.organiser_people import asked_form
from services.registration.pages import seminar_of, switched
from services.registration.questions import UnfitError, asked, fields_of
from services.registration.typed import FIELDS, judge, typed_in
from shared.database import Connection
from shared.messages import Attendance, RegistrationStatus, SeminarSnapshot
from shared.web.bodies import number_in
from shared.web.keys import CLOCK, DATABASE
from shared.web.organiser import organiser_of, organiser_page
from shared.web.pages import redirect
from shared.web.problems import Problem, not_found

NOTHING: Mapping[str, str] = MappingProxyType({})
DEEDS = 20  # of the last ones that are shown with a person

Do = Callable[[Connection, Registration], Awaitable[object]]


class Sheet(NamedTuple):
    """What the page says besides what is kept: what was typed, what is wrong with it, and why nothing was done."""

    typed: Mapping[str, str] | None = None
    wrong: Mapping[str, str] = NOTHING
    links: Mapping[str, str] = NOTHING
    refused: str = ""


async def person_page(request: web.Request) -> web.Response:
    """Show all that is kept of somebody, and what can be done."""
    organiser_of(request)
    return await _page(request, Sheet())


async def correct(request: web.Request) -> web.Response:
    """Take corrections; on errors, and if somebody else was faster, show all that was typed again."""
    by, form = await asked_form(request)
    async with request.app[DATABASE].connection() as connection:
        standing, seminar = await _find(request, connection)
    typed = typed_in(form) | {"attendance": standing.details.attendance}
    given, wrong = judge(typed, seminar, standing.details.language)
    if given is None or wrong:
        return await _page(request, Sheet(typed, wrong), status=422)
    details = Details(**given.model_dump(exclude={"seminar"}))
    read = number_in(form, "version")
    return await _done(
        request,
        "corrected",
        lambda connection, person: deeds.correct(connection, person.id, details, by, read=read),
        typed,
    )


async def switch(request: web.Request) -> web.Response:
    """Switch between in person and online."""
    by, form = await asked_form(request)
    if form.get("attendance") not in tuple(Attendance):
        error = {"field": "attendance", "detail": "must be in_person or online"}
        raise Problem(422, "invalid", "The form does not fit", errors=[error])
    attendance = Attendance(form["attendance"])

    async def do(connection: Connection, person: Registration) -> object:
        details = person.details
        wanted = details if details.attendance is attendance else switched(details, attendance)
        return await deeds.correct(connection, person.id, wanted, by)

    return await _done(request, "switched", do)


async def cancel(request: web.Request) -> web.Response:
    """Withdraw for somebody."""
    by, _ = await asked_form(request)
    return await _done(request, "cancelled", lambda connection, person: deeds.cancel(connection, person.id, by))


async def move_up(request: web.Request) -> web.Response:
    """Put somebody first in line."""
    by, _ = await asked_form(request)
    return await _done(request, "moved-up", lambda connection, person: deeds.move_up(connection, person.id, by))


async def give_seat(request: web.Request) -> web.Response:
    """Give a free seat to somebody who waits."""
    by, _ = await asked_form(request)
    return await _done(request, "seated", lambda connection, person: deeds.give_seat(connection, person.id, by))


async def send_link(request: web.Request) -> web.Response:
    """Have somebody's link mailed to them once more."""
    by, _ = await asked_form(request)
    return await _done(request, "link-sent", lambda connection, person: deeds.send_link(connection, person.id, by))


async def _done(request: web.Request, done: str, do: Do, typed: Mapping[str, str] | None = None) -> web.Response:
    """Do it in one transaction and go back to the person, or say why it cannot be done."""
    try:
        async with request.app[DATABASE].transaction() as connection:
            person, _ = await _find(request, connection)
            await do(connection, person)
    except KnownError as error:
        known = {"email": f"/organiser/registrations/{request.match_info['slug']}/people/{error.registration}"}
        return await _page(request, Sheet(typed, {"email": "known"}, known), status=409)
    except UnfitError as error:  # the questions have changed meanwhile
        wrong = {fault.field: fault.text for fault in error.faults}
        return await _page(request, Sheet(typed, wrong), status=422)
    except tuple(REFUSED) as error:
        return await _page(request, Sheet(typed, refused=REFUSED[type(error)]), status=409)
    except RefusedError as error:
        return await _page(request, Sheet(typed, refused=error.refusal), status=409)
    return redirect(f"{_path(request)}?done={done}")


REFUSED: Mapping[type[Exception], str] = {
    VersionConflictError: "stale",
    WithdrawnError: "withdrawn",
    NotWaitingError: "not-waiting",
    NoSeatError: "no-seat",
    EnoughLinksError: "enough-links",
}


def _path(request: web.Request) -> str:
    return f"/organiser/registrations/{request.match_info['slug']}/people/{request.match_info['id']}"


async def _find(request: web.Request, connection: Connection) -> tuple[Registration, SeminarSnapshot]:
    """Return the person whom the address names, and the seminar; raises a 404 Problem."""
    seminar = await seminar_of(request, connection)
    try:
        person = await store_door.standing(connection, seminar.slug, UUID(request.match_info["id"]))
    except ValueError:
        person = None
    if person is None:
        raise not_found("registration")
    return person, seminar


async def _page(request: web.Request, sheet: Sheet, *, status: int = 200) -> web.Response:
    async with request.app[DATABASE].connection() as connection:
        person, seminar = await _find(request, connection)
        context = await _standing(connection, person, seminar, request)
    typed = sheet.typed if sheet.typed is not None else _typed_of(person.details)
    context |= {**sheet._asdict(), "typed": typed, "done": request.query.get("done", ""), "here": _path(request)}
    return organiser_page(request, "organiser/person.html", context, status=status)


async def _standing(
    connection: Connection, person: Registration, seminar: SeminarSnapshot, request: web.Request
) -> dict[str, Any]:
    """Return how somebody stands, and what can be done about it."""
    now, attendance = request.app[CLOCK].now(), person.details.attendance
    other = next(way for way in Attendance if way is not attendance)
    waits = person.status is RegistrationStatus.WAITLISTED and not refuse(seminar, attendance, now, cause="organiser")
    return {
        "seminar": seminar,
        "person": person,
        "details": person.details,
        "place": await store_waiting_list.place_in_queue(connection, person.id),
        "asked": asked(seminar.questions, attendance),
        "other": other,
        "other_full": is_full(seminar, other, await store.taken(connection, seminar.slug, other)),
        "switchable": refuse(seminar, other, now, cause="organiser") is None,
        "waits": waits,
        "seat": waits and await deeds.has_seat(connection, seminar, attendance, now),
        "open": person.status is not RegistrationStatus.CANCELLED and now < seminar.end,
        "lines": await store_audit.audit_log(connection, seminar.slug, None, DEEDS, registration=person.id),
    }


def _typed_of(details: Details) -> dict[str, str]:
    told = {field: value for field in FIELDS if (value := getattr(details, field)) not in (None, False)}
    return {field: "on" if value is True else str(value) for field, value in told.items()} | fields_of(details.answers)


_PERSON = "/organiser/registrations/{slug}/people/{id}"
ROUTES: Iterable[web.RouteDef] = (
    web.get(_PERSON, person_page),
    web.post(_PERSON, correct),
    web.post(f"{_PERSON}/attendance", switch),
    web.post(f"{_PERSON}/cancel", cancel),
    web.post(f"{_PERSON}/move-up", move_up),
    web.post(f"{_PERSON}/seat", give_seat),
    web.post(f"{_PERSON}/link", send_link),
)
