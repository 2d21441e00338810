"""Checking in at the door: by the QR code of a ticket, or by name; on a phone, without JavaScript."""

from collections.abc import Iterable, Mapping
from typing import Any, get_args
from uuid import UUID

from aiohttp import web

from services.registration import check_in as commands
from services.registration import store, store_door
from services.registration.check_in import Checked, Door, Outcome, hindrance, is_early
from services.registration.model import Registration
from services.registration.pages import seminar_of
from services.registration.store_door import Sought
from shared import tokens
from shared.database import Connection
from shared.messages import SeminarSnapshot
from shared.web.keys import CLOCK, DATABASE, SETTINGS
from shared.web.organiser import organiser_of, organiser_page, posted
from shared.web.pages import redirect
from shared.web.problems import not_found

MOST_SHOWN = 100  # people on a page; who looks for one among more types a part of the name
CAME = {"expected": False, "came": True}  # what can be chosen instead of everybody who has a seat


async def door_page(request: web.Request) -> web.Response:
    """Show who is expected; with `?q=` everybody whose name, organisation, address or code has that in it."""
    organiser_of(request)
    wanted, show = request.query.get("q", "").strip(), request.query.get("show", "")
    sought = Sought(tuple(wanted.split()), CAME.get(show))
    now = request.app[CLOCK].now()
    async with request.app[DATABASE].connection() as connection:
        seminar = await seminar_of(request, connection)
        people = await store_door.people(connection, seminar.slug, sought, MOST_SHOWN + 1)
        seats = await store_door.seats(connection, seminar.slug)
        done = await _done(request.query, connection, seminar)
    context = {
        "seminar": seminar,
        "people": [(each, hindrance(seminar, each, now)) for each in people[:MOST_SHOWN]],
        "more": len(people) > MOST_SHOWN,
        "wanted": wanted,
        "show": show if show in CAME else "",
        **seats._asdict(),
        "early": is_early(seminar, now),
        "over": now >= seminar.end,
        "done": done,
    }
    return organiser_page(request, "organiser/door.html", context)


async def _done(query: Mapping[str, str], connection: Connection, seminar: SeminarSnapshot) -> Checked | None:
    """Return what the form before came to, as the address tells; how they stand now is looked up."""
    outcome: Outcome | None = next((each for each in get_args(Outcome) if each == query.get("outcome")), None)
    if outcome is None:
        return None
    try:
        about = await store_door.standing(connection, seminar.slug, UUID(query.get("who", "")))
    except ValueError:
        return None
    return Checked(outcome, about) if about else None


async def check_in(request: web.Request) -> web.Response:
    """Note that somebody has come."""
    return await _act(request, commands.check_in)


async def undo(request: web.Request) -> web.Response:
    """Take it back."""
    return await _act(request, commands.undo)


async def _act(request: web.Request, command: Any) -> web.Response:
    by, _ = await posted(request)
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
