"""The organiser's form on its pages: what was typed stays until it is saved, whatever is wrong with it or with us."""

from collections.abc import Iterable, Mapping
from datetime import date, time
from typing import Literal, NamedTuple

from aiohttp import web
from pydantic import ValidationError

from services.catalog.api import find
from services.catalog.differences import Difference, differences
from services.catalog.document import Document
from services.catalog.forms import document_of, slug_of, typed_of
from services.catalog.inputs import BEGINNING, NUMBER, Typed, added, input_of, inputs, moved_up, read, removed, tidied
from services.catalog.model import Seminar
from services.catalog.saving import Conflict, save
from services.catalog.warnings import warnings
from shared.faults import Fault, faults_in
from shared.web.bodies import read_form
from shared.web.organiser import organiser_of, organiser_page
from shared.web.pages import language_of, redirect, render
from shared.web.problems import Problem
from shared.web.session import confirm_form, session_of
from shared.web.texts import worded

STATUSES = {"draft": "draft", "publish": "published"}  # by the button that saves
A_NUMBER, A_MOMENT = Fault((), "wants a whole number"), Fault((), "wants a date and a time")
PRESET: dict[str, Typed] = {"reminders": {"unit": "D"}, "questions": {"kind": "text"}}  # in a row that is added
# What a fault says to who sees inputs and no document.
PLAINER = {
    "wants an ISO 8601 duration in weeks, days, hours or minutes, such as P1D or PT15M": A_NUMBER,
    "wants a date and a time local to the seminar's zone, such as 2023-06-01T10:00": A_MOMENT,
    "wants a date, a time and the distance from UTC, such as 2023-05-22T09:00+02:00": A_MOMENT,
}


class Sheet(NamedTuple):
    """A form as it is shown: what was typed, what is said of it, and where one goes on."""

    typed: Typed
    revision: int | None = None  # that it builds on
    faults: Iterable[Fault] = ()
    document: Document | None = None  # that it makes, once it was checked and is sound
    focus: str = ""
    notice: Literal["", "signed-out", "stale"] = ""
    meanwhile: list[Difference] | None = None  # what others have changed since that revision


async def new_page(request: web.Request) -> web.Response:
    """Show an empty form."""
    return _page(request, None, Sheet(read(BEGINNING)))


async def edit_page(request: web.Request) -> web.Response:
    """Show the form with the seminar in it."""
    organiser_of(request)
    seminar = await find(request)
    return _page(request, seminar, Sheet(typed_of(seminar.document), seminar.revision))


async def take(request: web.Request) -> web.Response:
    """Do to a form what its button says; nothing but that before it is sure who sent it."""
    form = await read_form(request)
    sheet = Sheet(read(form), _revision(form.get("revision", "")) if "slug" in request.match_info else None)
    if notice := _distrust(request, form):
        return _page(request, None, sheet._replace(notice=notice), status=403)
    seminar = await find(request) if "slug" in request.match_info else None
    action, _, path = form.get("do", "").partition(":")
    if action in ("add", "pause", "remove", "up"):
        return _page(request, seminar, _with_rows(sheet, action, path))
    sheet = _checked(sheet, seminar, STATUSES.get(action))
    if sheet.document is None or action not in ("save", *STATUSES):
        return _page(request, seminar, sheet, status=422 if sheet.faults else 200)
    return await _save(request, seminar, sheet, sheet.document)


def _revision(given: str) -> int | None:
    return int(given) if given.isascii() and given.isdigit() and len(given) < len(str(2**31)) else None


def _distrust(request: web.Request, form: Mapping[str, str]) -> Literal["", "signed-out", "stale"]:
    """Return why a form is only shown again: nobody is signed in any more, or somebody is anew."""
    if session_of(request) is None:
        return "signed-out"
    try:
        confirm_form(request, form)
    except Problem:
        return "stale"
    return ""


def _with_rows(sheet: Sheet, action: str, path: str) -> Sheet:
    """Return the form with a row more or less or at another place, and the place where one types on."""
    if action == "up":
        above, _, number = path.rpartition(".")
        focus = f"up:{above}.{int(number) - 1}" if NUMBER.fullmatch(number) else ""
        return sheet._replace(typed=moved_up(sheet.typed, path), focus=focus)
    if action == "remove":
        return sheet._replace(typed=removed(sheet.typed, path), focus=f"add:{path.rpartition('.')[0]}")
    known = dict(inputs(sheet.typed))
    typed = added(sheet.typed, path)
    new = [name for name, _ in inputs(typed) if name not in known]
    if action == "pause" and path == "programme":
        typed["programme"][-1] |= {"pause": "on", "talks": []}
        return sheet._replace(typed=typed, focus=f"programme.{len(typed['programme']) - 1}.start")
    if path in PRESET and new:
        typed[path][-1] |= {**PRESET[path], "attendance": dict.fromkeys(typed["attendance"], "on")}
    return sheet._replace(typed=typed, focus=new[0] if new else "")


def _checked(sheet: Sheet, seminar: Seminar | None, status: str | None) -> Sheet:
    """Return the form without blank rows, with the document that it makes or what is wrong."""
    typed = tidied(sheet.typed)
    if seminar:
        typed["slug"] = seminar.document.slug
    elif not typed["slug"].strip():
        typed["slug"] = slug_of(typed["title"])
    status = status or (seminar.document.status if seminar else "draft")
    try:
        document = Document.model_validate(document_of(typed) | {"status": status})
    except ValidationError as error:
        faults = [_plainer(fault) for fault in faults_in(error)]
        if not slug_of(typed["title"]) and not typed["slug"].strip():
            faults = [fault for fault in faults if fault.field != "slug"] or faults  # the title will make one
        return sheet._replace(typed=typed, faults=faults)
    return sheet._replace(typed=typed, document=document)


def _plainer(fault: Fault) -> Fault:
    other = PLAINER.get(fault.text)
    return fault._replace(text=other.text, values=other.values) if other else fault


async def _save(request: web.Request, seminar: Seminar | None, sheet: Sheet, document: Document) -> web.Response:
    match await save(request, document, sheet.revision if seminar else None):
        case Fault() as fault:
            return _page(request, seminar, sheet._replace(document=None, faults=[fault]), status=422)
        case Conflict(standing, meanwhile):
            again = sheet._replace(revision=standing.revision, meanwhile=meanwhile)
            return _page(request, standing, again, status=409)
    return redirect(f"/organiser/seminars/{document.slug}?done=saved")


def _page(request: web.Request, seminar: Seminar | None, sheet: Sheet, *, status: int = 200) -> web.Response:
    language = language_of(request)
    names = dict(inputs(sheet.typed))
    faults = [(input_of(fault.field, names), worded(fault, language)) for fault in sheet.faults]
    cautions = warnings(sheet.document) if sheet.document else []
    context = {
        "typed": _speaking(sheet.typed, [name for name, _ in faults]),
        "sheet": sheet,
        "seminar": seminar,
        "faults": faults,
        "wrong": {name: [said for at, said in faults if at == name] for name, _ in faults},
        "cautions": [(input_of(caution.field, names), worded(caution, language)) for caution in cautions],
        "changes": differences(seminar.document, sheet.document) if seminar and sheet.document else [],
        "change": sheet.document.model_dump(mode="json") if sheet.document else None,
        "input_type": _input_type,
    }
    if sheet.notice == "signed-out":
        return render(request, "organiser/form.html", context | {"organiser": "", "form_token": ""}, status=status)
    return organiser_page(request, "organiser/form.html", context, status=status)


def _speaking(typed: Typed, names: Iterable[str]) -> Typed:
    """Return the form with the inputs of a language shown in which something is wrong."""
    spoken = {name.rpartition(".")[2]: "on" for name in names}
    return typed | {
        "languages": {language: on or spoken.get(language, "") for language, on in typed["languages"].items()}
    }


def _input_type(kind: Literal["date", "time"], text: str) -> str:
    """Return the input's type; what a browser could not show in a date or a time is shown as text."""
    try:
        fits = not text or (date if kind == "date" else time).fromisoformat(text)
    except ValueError:
        return "text"
    return kind if fits is True or "+" not in text else "text"


ROUTES: Iterable[web.RouteDef] = (
    web.get("/organiser/seminars/new", new_page),
    web.post("/organiser/seminars/new", take),
    web.get("/organiser/seminars/{slug}/edit", edit_page),
    web.post("/organiser/seminars/{slug}/edit", take),
)
