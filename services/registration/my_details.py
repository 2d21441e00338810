"""Correcting what one has told of oneself by the mailed link."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from aiohttp import web

from services.registration import commands
from services.registration.api import LARGEST, run
from services.registration.model import Details, Registration, local_day
from services.registration.pages import follow_link
from services.registration.questions import answers_in, asked, fields_of
from services.registration.typed import filled, fitted, typed_in
from shared.messages import RegistrationStatus, SeminarSnapshot
from shared.web.bodies import number_in, read_form
from shared.web.keys import CLOCK, DATABASE
from shared.web.limiting import limit_client
from shared.web.pages import redirect, render
from shared.web.problems import Problem

TOLD = ("name", "organisation", "role", "dietary_needs", "accessibility_needs", "headcount", "language")


class Sheet(NamedTuple):
    """The form as it is shown: what stands in it, on which version it builds, and what is wrong with it."""

    typed: Mapping[str, str]
    version: int
    wrong: Mapping[str, str] = MappingProxyType({})
    stale: bool = False  # whether another browser has saved meanwhile


async def details_page(request: web.Request) -> web.Response:
    """Show the form with what one has told."""
    async with request.app[DATABASE].connection() as connection:
        registration, seminar = await follow_link(request, connection)
    return _page(request, registration, seminar, Sheet(_typed_of(registration.details), registration.version))


async def correct(request: web.Request) -> web.Response:
    """Take the corrections; on errors, and if another browser was faster, show all that was typed again."""
    limit_client(request)
    form = await read_form(request, most=LARGEST)
    typed, read = typed_in(form), number_in(form, "version")
    async with request.app[DATABASE].transaction() as connection:
        registration, seminar = await follow_link(request, connection)
        details, wrong = _judge(typed, registration.details, seminar)
        if details is None or wrong:
            return _page(request, registration, seminar, Sheet(typed, read, wrong), status=422)
        if read != registration.version:
            return _page(request, registration, seminar, Sheet(typed, registration.version, stale=True), status=409)
        await run(commands.change(connection, registration.id, details, request.app[CLOCK].now(), read=read))
    return redirect(f"/my/{request.match_info['token']}?done=corrected")


def _typed_of(details: Details) -> dict[str, str]:
    told = {field: str(value) for field in TOLD if (value := getattr(details, field)) is not None}
    return told | fields_of(details.answers)


def _judge(
    typed: Mapping[str, str], standing: Details, seminar: SeminarSnapshot
) -> tuple[Details | None, dict[str, str]]:
    """Return the details as they would be, None if they cannot, and all that is wrong, by its input."""
    answers = answers_in(seminar.questions, standing.attendance, typed)
    told = {name: value for name, value in filled({**typed, "attendance": standing.attendance}).items() if name in TOLD}
    kept = standing.model_dump(exclude=set(TOLD)) | {"answers": answers}
    if told.get("organisation") != standing.organisation:
        kept["municipality"] = None  # it was the other's
    return fitted(Details, kept | told, seminar, standing.attendance)


def _page(
    request: web.Request, registration: Registration, seminar: SeminarSnapshot, sheet: Sheet, *, status: int = 200
) -> web.Response:
    if registration.status is RegistrationStatus.CANCELLED or request.app[CLOCK].now() >= seminar.end:
        raise Problem(409, "seminar-over", "There is nothing to correct any more")
    attendance = registration.details.attendance
    context: dict[str, Any] = {
        "seminar": seminar,
        "registration": registration,
        "on": local_day(seminar).isoformat(),
        "in_person": attendance == "in_person",
        "asked": asked(seminar.questions, attendance),
        **sheet._asdict(),
        "mine": f"/my/{request.match_info['token']}",
    }
    return render(request, "my_details.html", context, status=status)


ROUTES: Iterable[web.RouteDef] = (
    web.get("/my/{token}/details", details_page),
    web.post("/my/{token}/details", correct),
)
