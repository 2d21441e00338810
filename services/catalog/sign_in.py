"""Where organisers sign in and out."""

import re
from collections.abc import Iterable

from aiohttp import web

from services.catalog import commands
from shared.clock import SystemClock
from shared.web.bodies import read_form
from shared.web.keys import CLOCK, DATABASE, SETTINGS
from shared.web.limiting import RateLimitedError, count_wrong_token, limit_sign_in
from shared.web.pages import redirect, render
from shared.web.session import confirm_form, forget, issue, remember, session_of

HOME = "/organiser/seminars"
LOCAL = re.compile(r"/organiser/[!-\[\]-~]*")  # printable, without the backslash that browsers read as a slash
LARGEST = 16 * 1024  # bytes of the form; it holds an address to go on to


async def sign_in_page(request: web.Request) -> web.Response:
    """Ask for the organiser's token; who is signed in goes on."""
    following = _local(request.query.get("next", ""))
    return redirect(following) if session_of(request) else _form(request, following)


async def sign_in(request: web.Request) -> web.Response:
    """Begin a session for who has an organiser's token; after many wrong ones every token has to wait."""
    form = await read_form(request, most=LARGEST)
    following = _local(form.get("next", ""))
    try:
        limit_sign_in(request)
    except RateLimitedError as error:
        response = _form(request, following, "wait", status=error.status, minutes=error.minutes)
        response.headers.update(error.headers)
        return response
    token = form.get("token", "").strip()
    cookie = issue(request.app[SETTINGS], token, SystemClock().now().timestamp())
    if cookie is None:
        count_wrong_token(request)  # before anything is waited for: many at once are many, too
    await _note(request, "sign_in" if cookie else "fail_to_sign_in", request.app[SETTINGS].organiser(token))
    if cookie is None:
        return _form(request, following, "wrong", status=403)
    response = redirect(following)
    remember(request, response, cookie)
    return response


async def sign_out(request: web.Request) -> web.Response:
    """End the session in this browser; a session that is over has nothing to confirm."""
    if session := session_of(request):
        confirm_form(request, await read_form(request))
        await _note(request, "sign_out", session.organiser)
    response = redirect("/organiser/sign-in")
    forget(response)
    return response


async def _note(request: web.Request, action: str, by: str | None) -> None:
    async with request.app[DATABASE].transaction() as connection:
        await commands.note(connection, action, by, request.app[CLOCK].now())


def _local(address: str) -> str:
    """Return where to go on: among the organiser's pages and nowhere else."""
    return address if LOCAL.fullmatch(address) else HOME


def _form(
    request: web.Request, following: str, error: str = "", *, status: int = 200, minutes: int = 0
) -> web.Response:
    context = {"next": following, "error": error, "minutes": minutes}
    return render(request, "organiser/sign_in.html", context, status=status)


ROUTES: Iterable[web.RouteDef] = (
    web.get("/organiser/sign-in", sign_in_page),
    web.post("/organiser/sign-in", sign_in),
    web.post("/organiser/sign-out", sign_out),
)
