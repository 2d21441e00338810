"""An organiser's session: a cookie that any service can verify, and the token that their forms carry.

The cookie is base64url(expiry, 8 bytes | nonce, 16 bytes | HMAC-SHA-256, 32 bytes), with a key of its own that is made
of ours and of the organiser's token: so it holds nothing secret, and the token's removal ends its sessions everywhere.

Its time is the system's: whoever moves the seminars' clock must not thereby prolong or end a session.
"""

import base64
import binascii
import hmac
import os
import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from aiohttp import web

from shared.clock import SystemClock
from shared.settings import ServiceSettings
from shared.web.keys import SETTINGS
from shared.web.problems import Problem

COOKIE = "organiser"
FIELD = "form_token"
LENGTH = 8 * 3600  # seconds; a working day
_BODY = struct.Struct(">Q16s")


class Session(NamedTuple):
    """Whose it is, and what was presented for it."""

    organiser: str
    cookie: str


def issue(settings: ServiceSettings, token: str, now: float) -> str | None:
    """Return the cookie of a new session for who holds `token`, None for a token that is nobody's; `now` is POSIX."""
    if settings.organiser(token) is None:
        return None
    body = _BODY.pack(int(now) + LENGTH, os.urandom(16))
    return base64.urlsafe_b64encode(body + _mac(settings.keys[0], token, body)).decode()


def verify(settings: ServiceSettings, cookie: str, now: float) -> Session | None:
    """Return the session, unless it is over, its token was removed, or it was never ours."""
    try:
        raw = base64.b64decode(cookie, altchars=b"-_", validate=True)
        body, mac = raw[: _BODY.size], raw[_BODY.size :]
        expires, _ = _BODY.unpack(body)
    except (binascii.Error, struct.error, ValueError):
        return None
    names = [name for name, made in _made(settings, body) if hmac.compare_digest(mac, made)]
    return Session(names[0], cookie) if names and now < expires else None


def _made(settings: ServiceSettings, body: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield every signature that we may have made, and whose it would be."""
    for name, token in settings.organisers:
        for key in settings.keys:
            yield name, _mac(key, token, body)


def _mac(key: bytes, token: str, body: bytes) -> bytes:
    session_key = hmac.digest(key, b"fagseminar/session", "sha256")
    return hmac.digest(hmac.digest(session_key, token.encode(), "sha256"), body, "sha256")


def session_of(request: web.Request) -> Session | None:
    """Return the session that the request came with."""
    cookie = request.cookies.get(COOKIE)
    return verify(request.config_dict[SETTINGS], cookie, SystemClock().now().timestamp()) if cookie else None


def remember(request: web.Request, response: web.Response, cookie: str) -> None:
    """Have the browser keep the session; Lax: a link in an e-mail finds one signed in, and no other site can post."""
    secure = request.config_dict[SETTINGS].public_url.startswith("https://")
    response.set_cookie(COOKIE, cookie, max_age=LENGTH, httponly=True, samesite="Lax", secure=secure, path="/")


def forget(response: web.Response) -> None:
    """Have the browser drop the session."""
    response.del_cookie(COOKIE, path="/", httponly=True, samesite="Lax")


# --- forms ---


def form_token(request: web.Request) -> str:
    """Return what every form of this session carries in its field `form_token`; empty without a session."""
    session = session_of(request)
    return _form_token(request.config_dict[SETTINGS].keys[0], session.cookie) if session else ""


def confirm_form(request: web.Request, form: Mapping[str, object]) -> None:
    """Raise a 403 Problem unless the form was made for this session.

    Fetch Metadata and Origin (shared/web/middleware.py) say the same of every browser that sends them; some do not.
    """
    session, given = session_of(request), form.get(FIELD)
    keys = request.config_dict[SETTINGS].keys
    if session and isinstance(given, str):
        made = [_form_token(key, session.cookie) for key in keys]
        if any([hmac.compare_digest(given.encode(), token.encode()) for token in made]):  # noqa: C419 - constant time
            return
    raise Problem(403, "stale-form", "The form is not of this session")


def _form_token(key: bytes, cookie: str) -> str:
    form_key = hmac.digest(key, b"fagseminar/form", "sha256")
    return hmac.digest(form_key, cookie.encode(), "sha256").hex()
