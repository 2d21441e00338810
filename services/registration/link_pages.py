"""Sending people the link to their own registration again, without telling anybody whether there is one."""

import asyncio
from collections.abc import Iterable

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from services.registration import commands
from services.registration.api import LARGEST
from services.registration.model import Email
from services.registration.pages import about_seminar, follow_link
from shared.messages import SeminarSnapshot
from shared.web.bodies import read_form
from shared.web.keys import CLOCK, DATABASE
from shared.web.limiting import RateLimitedError, limit_address, limit_client
from shared.web.pages import redirect, render

ADDRESS = TypeAdapter[str](Email)
EVEN = 0.15  # seconds that every answer takes at least: an address that is known has more done for it


async def form(request: web.Request) -> web.Response:
    """Ask for the address."""
    context = await about_seminar(request)
    return render(request, "link.html", context | {"typed": "", "wrong": False, "minutes": 0})


async def send(request: web.Request) -> web.Response:
    """Have the link of what stands for the address mailed to its owner; say the same if nothing does."""
    typed = (await read_form(request, most=LARGEST)).get("email", "")
    context = await about_seminar(request) | {"typed": typed, "wrong": False, "minutes": 0}
    try:
        email = ADDRESS.validate_python(typed)
        limit_client(request)
        limit_address(request, email)
    except ValidationError:
        return render(request, "link.html", context | {"wrong": True}, status=422)
    except RateLimitedError as error:
        response = render(request, "link.html", context | {"minutes": error.minutes}, status=error.status)
        response.headers.update(error.headers)
        return response
    await asyncio.gather(_request(request, context["seminar"], email), asyncio.sleep(EVEN))
    return redirect(f"/register/{request.match_info['slug']}/link-sent")


async def _request(request: web.Request, seminar: SeminarSnapshot, email: str) -> None:
    async with request.app[DATABASE].transaction() as connection:
        await commands.request_link(connection, seminar, email, request.app[CLOCK].now())


async def sent(request: web.Request) -> web.Response:
    """Say that it is on its way if there is anything to send."""
    return render(request, "link_sent.html", await about_seminar(request))


async def send_mine(request: web.Request) -> web.Response:
    """Have one's own link mailed again."""
    limit_client(request)
    async with request.app[DATABASE].transaction() as connection:
        registration, seminar = await follow_link(request, connection)
        await commands.request_link(connection, seminar, registration.details.email, request.app[CLOCK].now())
    return redirect(f"/my/{request.match_info['token']}?done=mailed")


ROUTES: Iterable[web.RouteDef] = (
    web.get("/register/{slug}/link", form),
    web.post("/register/{slug}/link", send),
    web.get("/register/{slug}/link-sent", sent),
    web.post("/my/{token}/link", send_mine),
)
