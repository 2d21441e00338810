"""What every request passes through: its id, its log line, its error page, protection against cross-site posts."""

import logging
import re
from random import getrandbits
from urllib.parse import urlencode

import asyncpg
import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from multidict import CIMultiDict
from yarl import URL

from shared.logs import describe
from shared.web.keys import METRICS, REQUEST_ID
from shared.web.pages import TEMPLATES, redirect, render
from shared.web.problems import Problem, unavailable
from shared.web.session import COOKIE

NAME = re.compile(r"[A-Za-z0-9._-]{8,64}")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
ERRORS = 400  # statuses from here on are errors (RFC 9110, 15)
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'self'",  # data: for the icons inside Designsystemet's CSS
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}

OF_ANYBODY = CIMultiDict({**SECURITY_HEADERS, "Cache-Control": "no-cache"})
OF_ORGANISERS = CIMultiDict({**SECURITY_HEADERS, "Cache-Control": "no-store"})

HTML_POLICY = {  # an e-mail's HTML, as a document of its own: it may look as it likes and do nothing
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self';"
    " sandbox allow-popups allow-popups-to-escape-sandbox",
}

# Pages of one person, by their address or their session. Not `no-referrer`: under that browsers post `Origin: null`.
PERSONAL = re.compile(r"/(my|unsubscribe|organiser|seminars/[^/]*/watch)/")
PRIVATE = {"Referrer-Policy": "same-origin", "Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
# The framework's own refusals, as problem types.
KINDS = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}

log = structlog.get_logger()


@web.middleware
async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Name the request, see that it is ours to answer, answer it whatever happens, and say what came of it.

    It has its name, or the one that it came with, in every log line and message that follows from it.
    """
    given = request.headers.get("X-Request-ID")
    name = given if given and NAME.fullmatch(given) else f"{getrandbits(128):032x}"
    request[REQUEST_ID] = name
    began = request.app[METRICS].begin()
    structlog.contextvars.bind_contextvars(correlation_id=name)  # until the connection's next request has another
    try:
        _refuse_cross_site(request)
        response = await handler(request)
    except Exception as error:  # noqa: BLE001 - a request has an answer, whatever happens
        response = _answer(request, _problem(error))
    _protect(request, response)
    response.headers.setdefault("X-Request-ID", name)
    _note(request, response, began)
    return response


def _protect(request: web.Request, response: web.StreamResponse) -> None:
    """Add what a browser and a cache need to be told; a handler that set a header itself has the last word."""
    if PERSONAL.match(request.path):
        response.headers.update(PRIVATE)
    known = "Authorization" in request.headers or COOKIE in request.cookies
    response.headers.merge(OF_ORGANISERS if known else OF_ANYBODY)


def _note(request: web.Request, response: web.StreamResponse, began: float) -> None:
    """Count it, and log it unless it was read without trouble, which is what a proxy counts."""
    resource = request.match_info.route.resource
    route = resource.canonical if resource else "unknown"  # never the path: it may be a personal link
    taken = request.app[METRICS].finish(began, request.method, route, response.status)
    quiet = request.method in SAFE_METHODS and response.status < ERRORS
    if quiet and not logging.getLogger().isEnabledFor(logging.DEBUG):
        return
    say = log.debug if quiet else log.info
    say("request", method=request.method, route=route, status=response.status, milliseconds=round(taken * 1000, 1))


def _problem(error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case web.HTTPException():
            allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
            return Problem(error.status, KINDS.get(error.status, "http"), error.reason, headers=allow)
        case asyncpg.CharacterNotInRepertoireError() | asyncpg.UntranslatableCharacterError():
            # U+0000, which PostgreSQL has no room for, wherever in a request it stood
            return Problem(422, "invalid", "There are characters in it that cannot be stored")
        case OSError() | asyncpg.PostgresConnectionError() | asyncpg.OperatorInterventionError():  # starting, stopping
            log.warning("database away", why=describe(error))
            return unavailable()
        case asyncpg.InterfaceError():  # as for a connection that broke in our hands; or a mistake of ours
            log.error("database connection unusable", exc_info=error)
            return unavailable()
    log.error("request failed", exc_info=error)
    return Problem(500, "internal", "Something went wrong here; it has been noted")


def _answer(request: web.Request, problem: Problem) -> web.Response:
    wants_page = "text/html" in request.headers.get("Accept", "") and not request.path.startswith("/api/")
    if not wants_page or TEMPLATES not in request.config_dict:
        return problem.response()
    if problem.kind == "unauthorised":
        asked_for = request.path_qs if request.method in SAFE_METHODS else "/organiser/seminars"
        return redirect(f"/organiser/sign-in?{urlencode({'next': asked_for})}")
    page = render(request, "error.html", {"problem": problem}, status=problem.status)
    page.headers.update(problem.headers)
    return page


def _refuse_cross_site(request: web.Request) -> None:
    """Refuse a browser's post from another site, by Sec-Fetch-Site (Fetch Metadata) or else by Origin (RFC 6454).

    Clients that send neither are no browsers and carry no cookies of ours. One-click unsubscribe (RFC 8058) is exempt.
    """
    if request.method not in SAFE_METHODS and not request.path.startswith("/unsubscribe/") and _is_cross_site(request):
        raise Problem(403, "cross-site", "This form was sent from another site")


def _is_cross_site(request: web.Request) -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get(hdrs.ORIGIN)
    try:
        return origin is not None and URL(origin).authority != URL(f"//{request.host}").authority
    except ValueError:
        return True


MIDDLEWARES = (around,)
