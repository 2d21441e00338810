"""Where organisers sign in and out."""

import re
import time
from collections import OrderedDict
from collections.abc import Iterable

from aiohttp import web

from services.catalog import commands
from shared.clock import SystemClock
from shared.web.bodies import read_form
from shared.web.keys import CLOCK, DATABASE, SETTINGS
from shared.web.pages import redirect, render
from shared.web.session import confirm_form, forget, issue, remember, session_of

HOME = "/organiser/seminars"
LOCAL = re.compile(r"/organiser/[!-\[\]-~]*")  # printable, without the backslash that browsers read as a slash
TRIES = 10  # wrong tokens in a row
PAUSE = 60.0  # seconds that one then waits
CLIENTS = 1000  # whose failures are remembered


class Failures:
    """Who presented wrong tokens lately, by monotonic time: the last `CLIENTS` that did, in this process."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def left(self, client: str, now: float) -> float:
        """Return how many seconds `client` has to wait before it may try again."""
        count, last = self._seen.get(client, (0, now))
        return max(0.0, last + PAUSE - now) if count >= TRIES else 0.0

    def add(self, client: str, now: float) -> None:
        """Note a wrong token."""
        count, last = self._seen.pop(client, (0, now))
        self._seen[client] = (count + 1 if now < last + PAUSE else 1, now)
        if len(self._seen) > CLIENTS:
            self._seen.popitem(last=False)


FAILURES = web.AppKey("FAILURES", Failures)


async def sign_in_page(request: web.Request) -> web.Response:
    """Ask for the organiser's token; who is signed in goes on."""
    following = _local(request.query.get("next", ""))
    return redirect(following) if session_of(request) else _form(request, following)


async def sign_in(request: web.Request) -> web.Response:
    """Begin a session for who has an organiser's token; after many wrong ones every token has to wait."""
    form = await read_form(request)
    following = _local(form.get("next", ""))
    client, failures = request.remote or "", request.app[FAILURES]
    if wait := failures.left(client, time.monotonic()):
        return _form(request, following, "wait", status=429, retry_after=wait)
    token = form.get("token", "").strip()
    cookie = issue(request.app[SETTINGS], token, SystemClock().now().timestamp())
    await _note(request, "sign_in" if cookie else "fail_to_sign_in", request.app[SETTINGS].organiser(token))
    if cookie is None:
        failures.add(client, time.monotonic())
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
    request: web.Request, following: str, error: str = "", *, status: int = 200, retry_after: float = 0
) -> web.Response:
    response = render(request, "organiser/sign_in.html", {"next": following, "error": error}, status=status)
    if retry_after:
        response.headers["Retry-After"] = str(int(retry_after) + 1)
    return response


ROUTES: Iterable[web.RouteDef] = (
    web.get("/organiser/sign-in", sign_in_page),
    web.post("/organiser/sign-in", sign_in),
    web.post("/organiser/sign-out", sign_out),
)
