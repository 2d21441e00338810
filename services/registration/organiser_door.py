"""Checking in at the door: by the QR code of a ticket, or by name; on a phone, without JavaScript."""

from collections.abc import Iterable, Mapping
from typing import Any, get_args
from uuid import UUID

from aiohttp import web

from services.registration import check_in as commands
from services.registration import store, store_door
from services.registration.alphabet import norwegian
from services.registration.check_in import Checked, Door, Outcome, hindrance, is_early
from services.registration.model import Registration
from services.registration.pages import seminar_of
from shared import tokens
from shared.database import Connection
from shared.messages import SeminarSnapshot
from shared.web.bodies import read_form
from shared.web.keys import CLOCK, DATABASE, SETTINGS
from shared.web.organiser import organiser_of, organiser_page
from shared.web.pages import redirect
from shared.web.problems import not_found
from shared.web.session import confirm_form

MOST_SHOWN = 100  # people on a page; who looks for one among more types a part of the name
SHOWN = ("expected", "came")  # what can be chosen instead of everybody


async def door_page(request: web.Request) -> web.Response:
    """Show who is expected; with `?q=` everybody whose name, organisation, address or code has that in it."""
    organiser_of(request)
    async with request.app[DATABASE].connection() as connection:
        seminar = await seminar_of(request, connection)
        everybody = await store_door.of_seminar(connection, seminar.slug)
    return organiser_page(request, "organiser/door.html", _context(request, seminar, everybody))


def _context(request: web.Request, seminar: SeminarSnapshot, everybody: list[Registration]) -> dict[str, Any]:
    wanted, now = request.query.get("q", "").strip(), request.app[CLOCK].now()
    seats = [each for each in everybody if each.has_a_seat]
    show = request.query.get("show", "")
    found = (
        [each for each in everybody if matches(each, wanted)] if wanted else [s for s in seats if _is_shown(s, show)]
    )
    found.sort(key=lambda each: (not each.has_a_seat, norwegian(each.details.name)))
    return {
        "seminar": seminar,
        "people": [(each, hindrance(seminar, each, now)) for each in found[:MOST_SHOWN]],
        "more": len(found) - MOST_SHOWN,
        "wanted": wanted,
        "show": show if show in SHOWN else "",
        "seats": len(seats),
        "came": sum(each.checked_in_at is not None for each in seats),
        "early": is_early(seminar, now),
        "over": now >= seminar.end,
        "done": _done(request.query, everybody),
    }


def _is_shown(registration: Registration, show: str) -> bool:
    came = registration.checked_in_at is not None
    return show not in SHOWN or came == (show == "came")


def matches(registration: Registration, wanted: str) -> bool:
    """Return whether each word stands in what they told of themselves, case and marks aside, or in their code."""
    details = registration.details
    told = norwegian(f"{details.name} {details.organisation or ''} {details.email} {registration.code}")
    return all(word in told for word in norwegian(wanted).split())


def _done(query: Mapping[str, str], everybody: list[Registration]) -> Checked | None:
    """Return what the form before came to, as the address tells; how they stand now is looked up."""
    outcome: Outcome | None = next((each for each in get_args(Outcome) if each == query.get("outcome")), None)
    about = next((each for each in everybody if str(each.id) == query.get("who")), None)
    return Checked(outcome, about) if outcome and about else None


async def check_in(request: web.Request) -> web.Response:
    """Note that somebody has come."""
    return await _act(request, commands.check_in)


async def undo(request: web.Request) -> web.Response:
    """Take it back."""
    return await _act(request, commands.undo)


async def _act(request: web.Request, command: Any) -> web.Response:
    by, form = organiser_of(request), await read_form(request)
    confirm_form(request, form)
    async with request.app[DATABASE].transaction() as connection:
        seminar = await seminar_of(request, connection)
        door = Door(seminar, by, request.app[CLOCK].now())
        checked: Checked | None = await command(connection, door, _id(request))
    if checked is None:
        raise not_found("registration")
    return redirect(f"{_door(seminar)}?who={checked.registration.id}&outcome={checked.outcome}")


def _door(seminar: SeminarSnapshot) -> str:
    return f"/organiser/registrations/{seminar.slug}/check-in"


def _id(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["id"])
    except ValueError:
        raise not_found("registration") from None


# --- by a ticket ---


async def ticket_page(request: web.Request) -> web.Response:
    """Show organisers whose ticket was scanned, to be checked in by a button: cameras open addresses by themselves."""
    organiser_of(request)
    async with request.app[DATABASE].connection() as connection:
        registration, seminar = await _follow(request, connection)
    now = request.app[CLOCK].now()
    context = {"seminar": seminar, "person": registration, "why": hindrance(seminar, registration, now)}
    return organiser_page(request, "organiser/ticket.html", context)


async def _follow(request: web.Request, connection: Connection) -> tuple[Registration, SeminarSnapshot]:
    try:
        link = tokens.verify(request.app[SETTINGS].keys, "ticket", request.match_info["ticket"])
    except tokens.InvalidTokenError:
        raise not_found("ticket") from None
    registration = await store.get(connection, link.registration)
    if registration is None or registration.link_version != link.version:
        raise not_found("ticket")
    seminar = await store.get_seminar(connection, registration.seminar)
    if seminar is None:
        raise not_found("ticket")
    return registration, seminar


ROUTES: Iterable[web.RouteDef] = (
    web.get("/organiser/registrations/{slug}/check-in", door_page),
    web.post("/organiser/registrations/{slug}/check-in/{id}", check_in),
    web.post("/organiser/registrations/{slug}/check-in/{id}/undo", undo),
    web.get("/organiser/check-in/{ticket}", ticket_page),
)
