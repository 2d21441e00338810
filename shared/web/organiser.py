"""Who may do what organisers do."""

from aiohttp import web

from shared.web.keys import SETTINGS
from shared.web.problems import Problem


def organiser_of(request: web.Request) -> str:
    """Return the organiser's name; raises a 401 Problem unless the request bears a token of theirs (RFC 6750)."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    name = request.config_dict[SETTINGS].organiser(token.strip()) if scheme.lower() == "bearer" else None
    if name is None:
        challenge = {"WWW-Authenticate": 'Bearer realm="organiser"'}
        raise Problem(401, "unauthorised", "This needs an organiser's token", headers=challenge)
    return name
