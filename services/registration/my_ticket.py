"""One's ticket for the door: a QR code that leads organisers, and nobody else, to who shows it."""

from collections.abc import Iterable

import segno
from aiohttp import web

from services.registration.model import Registration
from services.registration.pages import follow_link
from shared import tokens
from shared.web.keys import DATABASE, SETTINGS
from shared.web.pages import render


async def ticket_page(request: web.Request) -> web.Response:
    """Show the ticket of who has a seat, and why there is none of anybody else."""
    async with request.app[DATABASE].connection() as connection:
        registration, seminar = await follow_link(request, connection)
    seated = registration.has_a_seat and seminar.status != "cancelled"
    context = {
        "seminar": seminar,
        "registration": registration,
        "details": registration.details,
        "seated": seated,
        "drawing": _drawing(_address(request, registration)) if seated else "",
        "mine": f"/my/{request.match_info['token']}",
    }
    return render(request, "my_ticket.html", context)


def _address(request: web.Request, registration: Registration) -> str:
    settings = request.app[SETTINGS]
    link = tokens.Link(registration.id, registration.link_version)
    return f"{settings.public_url}/organiser/check-in/{tokens.sign(settings.keys, 'ticket', link)}"


def _drawing(address: str) -> str:
    """Return the QR code (ISO/IEC 18004) as SVG; it is read though a sixth of it is hidden."""
    return segno.make(address, error="m", micro=False).svg_inline(omitsize=True, light="#fff", svgclass="qr")


ROUTES: Iterable[web.RouteDef] = (web.get("/my/{token}/ticket", ticket_page),)
