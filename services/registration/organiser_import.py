"""Bringing in a list of people: a file is read, what will happen is shown, and once confirmed it is done.

Nothing is kept in between: the page carries what was read of the file, and by what was foreseen a confirmation that
would do something else by now is told from one that does what was shown.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, NamedTuple

from aiohttp import web
from aiohttp.web_request import FileField
from pydantic import Field, TypeAdapter, ValidationError

from services.registration import bringing_in
from services.registration.bringing_in import ForeseenOtherwiseError
from services.registration.deeds import Organiser
from services.registration.imported import MOST_ROWS, People, Row, Unreadable, UnreadableError, people_in
from services.registration.pages import seminar_of
from services.registration.plan import NEW, Fate, Planned, fingerprint
from shared.messages import Attendance, SeminarSnapshot
from shared.web.keys import CLOCK, DATABASE
from shared.web.organiser import organiser_of, organiser_page
from shared.web.pages import redirect
from shared.web.problems import Problem
from shared.web.session import confirm_form

LARGEST_FILE = 1024 * 1024  # bytes
LARGEST_CARRIED = 4 * 1024 * 1024  # bytes of what a page carries of a file, which names every field of every row
ENVELOPE = 64 * 1024  # bytes of a form around what it carries

_Fields = dict[Annotated[str, Field(max_length=200)], str]
CARRIED = TypeAdapter(Annotated[tuple[tuple[int, _Fields], ...], Field(max_length=MOST_ROWS)])


class Posted(NamedTuple):
    """A form, and the file in it."""

    fields: dict[str, str]
    file: bytes = b""


async def import_page(request: web.Request) -> web.Response:
    """Show where a list is handed over."""
    organiser_of(request)
    return await _upload(request)


async def take(request: web.Request) -> web.Response:
    """Take a file and show what will happen; or take the confirmation, and have it happen."""
    name, posted = organiser_of(request), await _posted(request)
    confirm_form(request, posted.fields)
    by = Organiser(name, request.app[CLOCK].now())
    return await (_confirm if "rows" in posted.fields else _preview)(request, posted, by)


async def _posted(request: web.Request) -> Posted:
    if (request.content_length or 0) > LARGEST_CARRIED + ENVELOPE:
        raise Problem(413, "too-large", "The list is too large")
    try:
        posted = await request.clone(client_max_size=LARGEST_CARRIED + ENVELOPE).post()
    except (ValueError, LookupError) as error:
        raise Problem(400, "unreadable-form", "The form cannot be read") from error
    content = b""
    for file in (value for value in posted.values() if isinstance(value, FileField)):
        with file.file as opened:  # which only a request that is no clone closes by itself
            content = opened.read(LARGEST_FILE + 1)
    return Posted({name: value for name, value in posted.items() if isinstance(value, str)}, content)


async def _preview(request: web.Request, posted: Posted, by: Organiser) -> web.Response:
    async with request.app[DATABASE].connection() as connection:
        seminar = await seminar_of(request, connection)
    try:
        people = await _read(posted.file, seminar)
        rows = _with_attendance(people.rows, posted.fields.get("attendance"))
        carried = _carried(rows)
    except UnreadableError as error:
        status = 413 if error.why is Unreadable.TOO_LARGE else 422
        return await _upload(request, error.why, status=status)
    async with request.app[DATABASE].connection() as connection:
        planned = await bringing_in.foresee(connection, seminar, rows, by.now)
    return _shown(request, seminar, planned, carried, unread=people.unread)


async def _read(content: bytes, seminar: SeminarSnapshot) -> People:
    if len(content) > LARGEST_FILE:
        raise UnreadableError(Unreadable.TOO_LARGE)
    return await asyncio.to_thread(people_in, content, seminar.questions)


def _with_attendance(rows: Iterable[Row], otherwise: str | None) -> tuple[Row, ...]:
    """Return the rows, with how those attend of whom the list does not say."""
    if otherwise not in tuple(Attendance):
        return tuple(rows)
    return tuple(row._replace(fields={"attendance": otherwise, **row.fields}) for row in rows)


def _carried(rows: tuple[Row, ...]) -> str:
    carried = CARRIED.dump_json(tuple((row.number, dict(row.fields)) for row in rows))
    if len(carried) > LARGEST_CARRIED:
        raise UnreadableError(Unreadable.TOO_LARGE)
    return carried.decode()


async def _confirm(request: web.Request, posted: Posted, by: Organiser) -> web.Response:
    carried, foreseen = posted.fields["rows"], posted.fields.get("foreseen", "")
    try:
        rows = [Row(*row) for row in CARRIED.validate_json(carried)]
    except ValidationError:
        error = {"field": "rows", "detail": "must be as the preview had it"}
        raise Problem(422, "invalid", "The form does not fit", errors=[error]) from None
    async with request.app[DATABASE].connection() as connection:
        seminar = await seminar_of(request, connection)
    try:
        async with request.app[DATABASE].transaction() as connection:
            added = await bringing_in.bring_in(connection, seminar.slug, rows, foreseen, by)
    except ForeseenOtherwiseError as error:
        return _shown(request, seminar, error.planned, carried, status=409)
    return redirect(f"/organiser/registrations/{seminar.slug}/import?added={added}")


async def _upload(request: web.Request, why: Unreadable | None = None, *, status: int = 200) -> web.Response:
    async with request.app[DATABASE].connection() as connection:
        seminar = await seminar_of(request, connection)
    added = request.query.get("added", "")
    context = {
        "seminar": seminar,
        "why": why,
        "most": MOST_ROWS,
        "added": int(added) if added.isascii() and added.isdigit() and len(added) <= len(str(MOST_ROWS)) else None,
    }
    return organiser_page(request, "organiser/import.html", context, status=status)


def _shown(
    request: web.Request,
    seminar: SeminarSnapshot,
    planned: Sequence[Planned],
    carried: str,
    *,
    unread: Sequence[str] = (),
    status: int = 200,
) -> web.Response:
    fates = Counter(one.fate for one in planned)
    context = {
        "seminar": seminar,
        "planned": planned,
        "counts": [(fate, fates[fate]) for fate in Fate if fates[fate]],
        "new": sum(fates[fate] for fate in NEW),
        "unread": unread,
        "rows": carried,
        "foreseen": fingerprint(planned),
        "stale": status != 200,  # noqa: PLR2004 - OK
        "asked": {question.id: question for question in seminar.questions},
    }
    return organiser_page(request, "organiser/import_preview.html", context, status=status)


ROUTES: Iterable[web.RouteDef] = (
    web.get("/organiser/registrations/{slug}/import", import_page),
    web.post("/organiser/registrations/{slug}/import", take),
)
