"""Registration's pages: the form, what it answered, and what people do by their mailed link."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from services.registration import commands, store, store_waiting_list
from services.registration.api import LARGEST, RETRY_AFTER, admitted, run
from services.registration.group_commit import OverloadedError
from services.registration.links import DeadLinkError, follow
from services.registration.model import Details, RefusedError, Registration, SignUp, is_full, local_day, refuse
from services.registration.questions import UnfitError, answers_in, check
from services.registration.signing_up import UnknownSeminarError
from shared import tokens
from shared.database import Connection
from shared.messages import Attendance, Language, RegistrationStatus, SeminarSnapshot
from shared.web.bodies import read_form
from shared.web.keys import CLOCK, DATABASE, SETTINGS
from shared.web.limiting import RateLimitedError, limit_address, limit_client
from shared.web.pages import language_of, redirect, render
from shared.web.problems import Problem, field_errors, not_found

RETENTION = web.AppKey("RETENTION", timedelta)

FIELDS = (
    "name", "email", "attendance", "organisation", "role", "dietary_needs", "accessibility_needs", "headcount",
    "language", "online_meanwhile",
)  # fmt: skip


async def sign_up_form(request: web.Request) -> web.Response:
    """Show the form, or why nobody can sign up."""
    async with request.app[DATABASE].connection() as connection:
        context = await _form(request, connection, {"attendance": request.query.get("attendance", "")})
    return render(request, "sign_up.html", context)


async def sign_up(request: web.Request) -> web.Response:
    """Take the form; on errors show it again with all that was typed."""
    typed = typed_in(await read_form(request, most=LARGEST))
    try:
        limit_client(request)
        async with request.app[DATABASE].connection() as connection:
            seminar = await seminar_of(request, connection)
        given, wrong = _judge(typed, seminar, language_of(request))
        if given is None or wrong:
            return await _form_again(request, typed, wrong)
        limit_address(request, given.email)
        outcome = await admitted(request, given)
    except RateLimitedError as error:
        return await _form_later(request, typed, error.status, minutes=error.minutes, headers=error.headers)
    except OverloadedError:
        return await _form_later(request, typed, 503, minutes=1, headers=RETRY_AFTER, crowded=True)
    except UnfitError as error:  # the organisers have changed their questions meanwhile
        return await _form_again(request, typed, {fault.field: fault.text for fault in error.faults})
    except UnknownSeminarError:
        raise not_found("seminar") from None
    except RefusedError:
        return await _form_again(request, typed, {"attendance": "refused"}, status=409)
    return redirect(f"/register/{given.seminar}/received?outcome={outcome.status}&attendance={given.attendance}")


def typed_in(form: Mapping[str, str]) -> dict[str, str]:
    """Return what was typed in the inputs that there are."""
    return {field: value for field, value in form.items() if field in FIELDS or field.startswith("answers.")}


def _judge(
    typed: Mapping[str, str], seminar: SeminarSnapshot, language: Language
) -> tuple[SignUp | None, dict[str, str]]:
    """Return the sign-up that was typed, None if there is none in it, and all that is wrong, by its input."""
    given, wrong, answers = None, {}, {}
    attendance = typed.get("attendance")
    if attendance in tuple(Attendance):
        answers = answers_in(seminar.questions, Attendance(attendance), typed)
    try:
        spoken = {"language": language} | filled(typed)
        given = SignUp(**spoken, seminar=seminar.slug, answers=answers)
    except ValidationError as error:
        wrong = {input_of(e["field"]): "" for e in field_errors(error)}
    try:
        if attendance in tuple(Attendance):
            check(seminar.questions, Attendance(attendance), answers)
    except UnfitError as error:
        wrong |= {fault.field: fault.text for fault in error.faults}
    return given, wrong


def input_of(field: str) -> str:
    """Return the input that a fault's field is typed in: an answer has one of its own."""
    name, _, rest = field.partition(".")
    return f"{name}.{rest.partition('.')[0]}" if name == "answers" else name


async def received(request: web.Request) -> web.Response:
    """Say what came of a sign-up; no link to it here, that goes to the mailbox of its owner."""
    context = await about_seminar(request) | {
        "waitlisted": request.query.get("outcome") == RegistrationStatus.WAITLISTED,
        "in_person": request.query.get("attendance") == Attendance.IN_PERSON,
    }
    return render(request, "received.html", context)


ONLY = {  # what is asked of those who attend one way
    Attendance.IN_PERSON: ("dietary_needs", "accessibility_needs", "online_meanwhile"),
    Attendance.ONLINE: ("headcount",),
}


def filled(typed: Mapping[str, str]) -> dict[str, Any]:
    """Drop what was left blank, and what belongs to the other way to attend: it may have been typed first."""
    other = Attendance.ONLINE if typed.get("attendance") == Attendance.IN_PERSON else Attendance.IN_PERSON
    return {
        field: value for field, value in typed.items() if field in FIELDS and value.strip() and field not in ONLY[other]
    }


async def _form(request: web.Request, connection: Connection, typed: Mapping[str, str]) -> dict[str, Any]:
    seminar = await seminar_of(request, connection)
    now = request.app[CLOCK].now()
    mode = seminar.attendance.get(Attendance.IN_PERSON)
    taken = {attendance: await store.taken(connection, seminar.slug, attendance) for attendance in seminar.attendance}
    return {
        "seminar": seminar,
        "retention_days": request.app[RETENTION].days,
        "on": local_day(seminar).isoformat(),
        "typed": {"language": language_of(request)} | dict(typed),
        "wrong": {},
        "minutes": 0,
        "crowded": False,
        "refusals": {
            attendance: refuse(seminar, attendance, now, taken.get(attendance, 0)) for attendance in Attendance
        },
        "deadline": mode.deadline if mode else None,
        "full": {attendance: is_full(seminar, attendance, taken.get(attendance, 0)) for attendance in Attendance},
    }


async def _is_full(connection: Connection, seminar: SeminarSnapshot, attendance: Attendance) -> bool:
    return is_full(seminar, attendance, await store.taken(connection, seminar.slug, attendance))


async def _form_again(
    request: web.Request, typed: Mapping[str, str], wrong: Mapping[str, str], status: int = 422
) -> web.Response:
    async with request.app[DATABASE].connection() as connection:
        context = await _form(request, connection, typed)
    return render(request, "sign_up.html", context | {"wrong": wrong}, status=status)


async def _form_later(
    request: web.Request, typed: Mapping[str, str], status: int, *, headers: Mapping[str, str], **said: Any
) -> web.Response:
    """Show the form with all that was typed, to be sent when there is room; `said` is what the page says of that."""
    async with request.app[DATABASE].connection() as connection:
        context = await _form(request, connection, typed) | said
    response = render(request, "sign_up.html", context, status=status)
    response.headers.update(headers)
    return response


async def about_seminar(request: web.Request) -> dict[str, Any]:
    """Return what a page knows that knows nobody; raises a 404 Problem for a seminar that is unknown here."""
    async with request.app[DATABASE].connection() as connection:
        return {"seminar": await seminar_of(request, connection)}


async def seminar_of(request: web.Request, connection: Connection) -> SeminarSnapshot:
    """Return the seminar that the address names; raises a 404 Problem."""
    seminar = await store.get_seminar(connection, request.match_info["slug"])
    if seminar is None:
        raise not_found("seminar")
    return seminar


# --- by the mailed link ---


async def my_page(request: web.Request) -> web.Response:
    """Show one's registration and what can be done with it."""
    async with request.app[DATABASE].connection() as connection:
        registration, seminar = await follow_link(request, connection)
        place = await store_waiting_list.place_in_queue(connection, registration.id)
        other = next(a for a in Attendance if a is not registration.details.attendance)
        full = await _is_full(connection, seminar, other)
    now = request.app[CLOCK].now()
    waits = registration.status is RegistrationStatus.WAITLISTED
    open_online = waits and refuse(seminar, Attendance.ONLINE, now) is None
    context = {
        "seminar": seminar,
        "registration": registration,
        "details": registration.details,
        "meanwhile": open_online and registration.details.attendance is Attendance.IN_PERSON and not full,
        "place": place,
        "over": now >= seminar.end,
        "other": other,
        "other_full": full,
        "switchable": refuse(seminar, other, now) is None,
        "done": request.query.get("done", ""),
        "retention_days": request.app[RETENTION].days,
        "watch": _watch_link(request, registration, seminar),
    }
    return render(request, "my.html", context)


def _watch_link(request: web.Request, registration: Registration, seminar: SeminarSnapshot) -> str:
    """Return where to watch: everybody's page, or one's own if the stream is for those who signed up."""
    watch = f"/seminars/{seminar.slug}/watch"
    if seminar.stream_access != "registered":
        return watch
    link = tokens.Link(registration.id, registration.link_version)
    return f"{watch}/{tokens.sign(request.app[SETTINGS].keys, 'watch', link)}"


async def cancel_mine(request: web.Request) -> web.Response:
    """Withdraw."""
    limit_client(request)
    async with request.app[DATABASE].transaction() as connection:
        registration, _ = await follow_link(request, connection)
        await run(commands.cancel(connection, registration.id, request.app[CLOCK].now()))
    return _back(request, "cancelled")


async def attend_meanwhile(request: web.Request) -> web.Response:
    """Attend online until there is a seat, or not any more."""
    limit_client(request)
    online = (await read_form(request, most=LARGEST)).get("online") == "yes"
    async with request.app[DATABASE].transaction() as connection:
        registration, _ = await follow_link(request, connection)
        details = registration.details.model_copy(update={"online_meanwhile": online})
        await run(commands.change(connection, registration.id, details, request.app[CLOCK].now()))
    return _back(request, "switched")


async def attend_otherwise(request: web.Request) -> web.Response:
    """Switch between in person and online."""
    limit_client(request)
    try:
        attendance = Attendance((await read_form(request, most=LARGEST)).get("attendance", ""))
    except ValueError:
        error = {"field": "attendance", "detail": "must be in_person or online"}
        raise Problem(422, "invalid", "The form does not fit", errors=[error]) from None
    async with request.app[DATABASE].transaction() as connection:
        registration, _ = await follow_link(request, connection)
        details = switched(registration.details, attendance)
        await run(commands.change(connection, registration.id, details, request.app[CLOCK].now()))
    return _back(request, "switched")


def switched(details: Details, attendance: Attendance) -> Details:
    """Return the details for the other way to attend, without what is asked only for this one."""
    for_one = {"dietary_needs": None, "accessibility_needs": None, "online_meanwhile": False, "headcount": 1}
    return details.model_copy(update={"attendance": attendance, **for_one})


async def follow_link(request: web.Request, connection: Connection) -> tuple[Registration, SeminarSnapshot]:
    """Return the registration whose link the address bears, and its seminar; raises a 404 Problem."""
    try:
        keys = request.app[SETTINGS].keys
        return await follow(connection, keys, request.match_info["token"], request.app[CLOCK].now())
    except DeadLinkError:
        raise not_found("registration") from None


def _back(request: web.Request, done: str) -> web.Response:
    return redirect(f"/my/{request.match_info['token']}?done={done}")


ROUTES: Iterable[web.RouteDef] = (
    web.get("/register/{slug}", sign_up_form),
    web.post("/register/{slug}", sign_up),
    web.get("/register/{slug}/received", received),
    web.get("/my/{token}", my_page),
    web.post("/my/{token}/cancel", cancel_mine),
    web.post("/my/{token}/attendance", attend_otherwise),
    web.post("/my/{token}/meanwhile", attend_meanwhile),
)
