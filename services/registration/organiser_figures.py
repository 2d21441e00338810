"""The organiser's overview of a seminar: its figures, which follow what happens, and the list for the door."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time
from typing import Any

from aiohttp import web

from services.registration import store_door
from services.registration.alphabet import norwegian
from services.registration.curve import path
from services.registration.live import LIVE, Channel, Look
from services.registration.overview import Overview, overview
from services.registration.pages import seminar_of
from shared.messages import Attendance
from shared.web.keys import CLOCK, DATABASE
from shared.web.organiser import organiser_of, organiser_page
from shared.web.pages import language_of, rendered
from shared.web.problems import Problem, not_found
from shared.web.texts import day_text

HEARTBEAT = 15.0  # seconds: shorter than any proxy waits for another byte
RETRY = 5000  # milliseconds until a browser comes again
WIDTH, HEIGHT = 640, 200  # of the curve, in its own units
EVENTS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # to proxies that would collect what they pass on
    "X-Content-Type-Options": "nosniff",
}


async def overview_page(request: web.Request) -> web.Response:
    """Show the figures as they are now."""
    organiser_of(request)
    async with request.app[DATABASE].snapshot() as connection:
        seen = await overview(connection, request.match_info["slug"], request.app[CLOCK].now())
    if seen is None:
        raise not_found("seminar")
    return organiser_page(request, "organiser/overview.html", _context(request, seen))


def _context(request: web.Request, seen: Overview) -> dict[str, Any]:
    county, language = request.query.get("county", ""), language_of(request)
    chosen = next((each for each in seen.coverage if each.number == county), None)
    return {
        **seen._asdict(),
        "chosen": chosen,
        "lines": {by: path(totals, seen.curve.top, WIDTH, HEIGHT) for by, totals in seen.curve.totals.items()},
        "box": (WIDTH, HEIGHT),
        "date_of": lambda day: day_text(datetime.combine(day, time(12), UTC), "UTC", language),
    }


# --- as they change ---


async def follow(request: web.Request) -> web.StreamResponse:
    """Send the figures whenever they differ from those that the browser has (server-sent events, HTML standard 9.2)."""
    organiser_of(request)
    async with request.app[DATABASE].connection() as connection:
        seminar = await seminar_of(request, connection)
    async with request.app[LIVE].channel(seminar.slug) as channel:
        response = web.StreamResponse(headers=EVENTS)
        await response.prepare(request)
        with contextlib.suppress(ConnectionResetError, TimeoutError):  # they have gone, or take nothing any more
            await _send(response, f"retry: {RETRY}\n\n")
            await _follow(request, response, channel)
    return response


async def _follow(request: web.Request, response: web.StreamResponse, channel: Channel) -> None:
    """Send what comes, and something now and then, until nothing more will come or the session has ended."""
    mark = request.headers.get("Last-Event-ID") or request.query.get("seen", "")
    while _is_signed_in(request):
        try:
            async with asyncio.timeout(HEARTBEAT):
                look = await channel.after(mark)
        except TimeoutError:
            await _send(response, ": nothing new\n\n")
            continue
        if look is None:
            return
        mark = look.overview.mark
        await _send(response, _event(mark, _fragment(request, look)))


def _is_signed_in(request: web.Request) -> bool:
    try:
        organiser_of(request)
    except Problem:
        return False
    return True


async def _send(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(HEARTBEAT):
        await response.write(text.encode())


def _event(mark: str, html: str) -> str:
    data = "".join(f"data: {line}\n" for line in html.splitlines() if line.strip())
    return f"event: figures\nid: {mark}\n{data}\n"


def _fragment(request: web.Request, look: Look) -> str:
    """Return the part of the page that is swapped, made once for all who read it alike."""
    context = _context(request, look.overview)
    alike = (language_of(request), context["chosen"] and context["chosen"].number)
    if alike not in look.rendered:
        page = request.path.removesuffix("/figures")
        look.rendered[alike] = rendered(request, "organiser/figures.html", context | {"path": page})
    return look.rendered[alike]


# --- on paper ---


async def print_page(request: web.Request) -> web.Response:
    """Show who has a seat, by name, as a list for the door: of `?attendance=online` who follows the stream."""
    organiser_of(request)
    attendance = _attendance(request.query)
    async with request.app[DATABASE].connection() as connection:
        seminar = await seminar_of(request, connection)
        people = await store_door.confirmed(connection, seminar.slug, attendance)
    context = {
        "seminar": seminar,
        "attendance": attendance,
        "people": sorted(people, key=lambda person: norwegian(person.details.name)),
        "now": request.app[CLOCK].now(),
    }
    return organiser_page(request, "organiser/print.html", context)


def _attendance(query: Mapping[str, str]) -> Attendance:
    return Attendance.ONLINE if query.get("attendance") == Attendance.ONLINE else Attendance.IN_PERSON


ROUTES: Iterable[web.RouteDef] = (
    web.get("/organiser/registrations/{slug}", overview_page),
    web.get("/organiser/registrations/{slug}/figures", follow, allow_head=False),
    web.get("/organiser/registrations/{slug}/print", print_page),
)
