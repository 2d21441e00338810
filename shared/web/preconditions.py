"""Revisions as entity tags, so that nobody overwrites what they have not seen (RFC 9110, 8.8.3 and 13.1.1)."""

import re

from aiohttp import web

from shared.web.problems import Problem

REVISION = re.compile(r'(?:W/)?"([0-9]{1,9})"')


def etag(revision: int) -> dict[str, str]:
    """Return the header that names the revision."""
    return {"ETag": f'"{revision}"'}


def if_match(request: web.Request) -> int | None:
    """Return the revision that the request builds on, None if it does not say; raises a 412 Problem for any other."""
    given = request.headers.get("If-Match")
    if given is None:
        return None
    found = REVISION.fullmatch(given.strip())
    if found is None:
        raise Problem(412, "precondition-failed", 'If-Match must be one ETag as it was given, such as "3"')
    return int(found[1])
