"""Who may do what organisers do, and the pages that they do it on."""

from collections.abc import Mapping
from typing import Any

from aiohttp import hdrs, web

from shared.web.bodies import read_form
from shared.web.keys import SETTINGS
from shared.web.middleware import SAFE_METHODS
from shared.web.pages import render
from shared.web.problems import Problem
from shared.web.session import confirm_form, form_token, session_of

ORIGINS = ("Sec-Fetch-Site", hdrs.ORIGIN)  # what the middleware has found to be ours, where it was sent


def organiser_of(request: web.Request) -> str:
    """Return the organiser's name, by their token (RFC 6750) or their session; raises a 401 Problem.

    On a page the problem leads to where one signs in.
    """
    if hdrs.AUTHORIZATION in request.headers:
        name = _bearer(request)
    else:
        session = session_of(request)
        name = session.organiser if session else None
        if session and not _is_vouched_for(request):
            raise Problem(403, "cross-site", "A session does not say who sent this")
    if name is None:
        challenge = {"WWW-Authenticate": 'Bearer realm="organiser"'}
        raise Problem(401, "unauthorised", "This needs an organiser's token", headers=challenge)
    return name


def _bearer(request: web.Request) -> str | None:
    scheme, _, token = request.headers[hdrs.AUTHORIZATION].partition(" ")
    return request.config_dict[SETTINGS].organiser(token.strip()) if scheme.lower() == "bearer" else None


def _is_vouched_for(request: web.Request) -> bool:
    """Return whether a call of the API by a session surely comes from our own pages; forms have a token instead."""
    safe = request.method in SAFE_METHODS or not request.path.startswith("/api/")
    return safe or any(header in request.headers for header in ORIGINS)


async def posted(request: web.Request, *, most: int | None = None) -> tuple[str, dict[str, str]]:
    """Return who has sent a form of their session, and its fields; raises a Problem: 400, 401, 403, 413."""
    by, form = organiser_of(request), await read_form(request, most=most)
    confirm_form(request, form)
    return by, form


def organiser_page(
    request: web.Request, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
) -> web.Response:
    """Return a page for organisers, whose name and form token it knows."""
    known = {"organiser": organiser_of(request), "form_token": form_token(request)}
    return render(request, template, known | dict(context or {}), status=status)
