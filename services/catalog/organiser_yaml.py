"""A seminar as its file: written or uploaded, checked, saved; nothing that was typed is lost on the way."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.web_request import FileField
from pydantic import ValidationError

from services.catalog import yaml_file
from services.catalog.api import find
from services.catalog.differences import differences
from services.catalog.document import Document
from services.catalog.model import Seminar
from services.catalog.organiser import worded_cautions
from services.catalog.saving import Conflict, save
from services.catalog.warnings import warnings
from shared.faults import Fault, faults_in
from shared.web.organiser import organiser_of, organiser_page
from shared.web.pages import language_of, redirect
from shared.web.problems import Problem
from shared.web.session import confirm_form
from shared.web.texts import worded

BEGINNING = """\
slug: planstrategi-4-0
status: draft
title:
  nb: Planstrategi 4.0
start: 2027-06-01T10:00
end: 2027-06-01T13:15
attendance:
  online: {}
reminders:
  - before_start: P1D
  - before_start: PT15M
    attendance: [online]
"""


class Written(NamedTuple):
    """What was written, and on which revision it builds (None: a new seminar)."""

    text: str
    read: int | None = None


class Read(NamedTuple):
    """What the text says, or what is wrong with it."""

    document: Document | None
    faults: Sequence[Fault] = ()


async def new_page(request: web.Request) -> web.Response:
    """Show a file to begin with."""
    organiser_of(request)
    return _page(request, None, Written(BEGINNING))


async def create(request: web.Request) -> web.Response:
    """Check the file, or create the seminar in it."""
    return await _take(request, None)


async def edit_page(request: web.Request) -> web.Response:
    """Show the seminar's file as it stands."""
    organiser_of(request)
    seminar = await find(request)
    return _page(request, seminar, Written(yaml_file.write(seminar.document), seminar.revision))


async def edit(request: web.Request) -> web.Response:
    """Check the file, or save it as the next revision."""
    organiser_of(request)
    return await _take(request, await find(request))


async def _take(request: web.Request, seminar: Seminar | None) -> web.Response:
    organiser_of(request)
    form = await _form(request)
    confirm_form(request, form)
    written = Written(form.get("file") or form.get("text", ""), _revision(form.get("read", "")) if seminar else None)
    read = read_file(written.text, seminar.document.slug if seminar else None)
    if read.document is None or form.get("do") != "save":
        return _page(request, seminar, written, read)
    return await _save(request, seminar, written, read.document)


async def _form(request: web.Request) -> dict[str, str]:
    """Return the fields, an uploaded file as its text; raises a 400 Problem for what cannot be read as text."""
    try:
        posted = await request.post()
        return {name: _text(value) for name, value in posted.items()}
    except (ValueError, LookupError) as error:
        raise Problem(400, "unreadable-form", "The form cannot be read") from error


def _text(value: str | bytes | bytearray | FileField) -> str:
    """Return a field's text; where no file was chosen, browsers send an empty one without a name."""
    content = value.file.read() if isinstance(value, FileField) else value
    return content if isinstance(content, str) else content.decode("utf-8-sig")


def _revision(given: str) -> int | None:
    return int(given) if given.isascii() and given.isdigit() and len(given) < len(str(2**31)) else None


def read_file(text: str, slug: str | None) -> Read:
    """Return what the file says; `slug` is the one that it must have, if it is of a seminar that stands."""
    try:
        document = Document.model_validate(yaml_file.read(text))
    except yaml_file.NotYamlError as error:
        return Read(None, [Fault((), "is no YAML: %(why)s", {"why": str(error)})])
    except ValidationError as error:
        return Read(None, faults_in(error))
    if slug and document.slug != slug:
        return Read(None, [Fault(("slug",), "cannot be changed: it must be %(slug)s", {"slug": slug})])
    return Read(document)


async def _save(request: web.Request, seminar: Seminar | None, written: Written, document: Document) -> web.Response:
    match await save(request, document, written.read):
        case Fault() as fault:
            return _page(request, seminar, written, Read(None, [fault]))
        case Conflict(standing, meanwhile):  # what was written stays, and builds on that from now on
            written = written._replace(read=standing.revision)
            return _page(request, standing, written, Read(document), {"meanwhile": meanwhile}, status=409)
    return redirect(f"/organiser/seminars/{document.slug}?done=saved")


def _page(
    request: web.Request,
    seminar: Seminar | None,
    written: Written,
    read: Read | None = None,
    more: Mapping[str, Any] | None = None,
    *,
    status: int = 200,
) -> web.Response:
    """Return the page with the file and, once it was read, what is wrong with it or what it would change."""
    document = read.document if read else None
    context = {
        "seminar": seminar,
        "written": written,
        "faults": [(fault.field, worded(fault, language_of(request))) for fault in read.faults] if read else [],
        "checked": document,
        "cautions": worded_cautions(request, warnings(document)) if document else [],
        "changes": differences(seminar.document, document) if seminar and document else [],
        "change": document.model_dump(mode="json") if document else None,
        "meanwhile": None,
    }
    failed = read is not None and document is None
    return organiser_page(request, "organiser/yaml.html", context | dict(more or {}), status=422 if failed else status)


ROUTES: Iterable[web.RouteDef] = (
    web.get("/organiser/seminars/new/yaml", new_page),
    web.post("/organiser/seminars/new/yaml", create),
    web.get("/organiser/seminars/{slug}/yaml", edit_page),
    web.post("/organiser/seminars/{slug}/yaml", edit),
)
