"""What stands behind the question mark: a required value, and the cursor of a list."""

import base64
import binascii

from aiohttp import web

from shared.web.problems import Problem

SEPARATOR = " "


def asked(request: web.Request, name: str) -> str:
    """Return the query's value of `name`; raises a 422 Problem that names it if there is none."""
    value = request.query.get(name)
    if not value:
        raise unfit(name, "is needed")
    return value


def cursor(*parts: object) -> str:
    """Return an opaque `next` that stands for the last item shown."""
    return base64.urlsafe_b64encode(SEPARATOR.join(map(str, parts)).encode()).decode()


def after(request: web.Request) -> list[str] | None:
    """Return the parts of the cursor that the query carries, None for the first page; raises a 422 Problem."""
    given = request.query.get("after")
    if given is None:
        return None
    try:
        return base64.urlsafe_b64decode(given).decode().split(SEPARATOR)
    except (binascii.Error, ValueError):
        raise no_cursor() from None


def no_cursor() -> Problem:
    """422 for an `after` that is no `next` of ours."""
    return unfit("after", "must be a `next` as it was given")


def unfit(name: str, why: str) -> Problem:
    """422 that names the query's field and says what is wrong with it."""
    return Problem(422, "invalid", "The query does not fit", errors=[{"field": name, "detail": why}])
