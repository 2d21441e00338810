"""What an API's table says of each operation, besides its route: what goes in, what comes out, and who may."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from aiohttp import web
from pydantic import BaseModel

from shared.web.preconditions import REVISION
from shared.web.session import COOKIE

UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
NOTHING: Mapping[Any, Any] = MappingProxyType({})

Caller = Literal["anyone", "organiser", "link"]  # link: who has the token of a mailed one
Problems = Mapping[int, tuple[str, ...]]  # types by status


SCHEMES: Mapping[str, Mapping[str, Any]] = {
    "organiser": {"type": "http", "scheme": "bearer", "description": "A token from ORGANISER_TOKENS."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "Set by signing in at /organiser/sign-in; changes are then taken from our own pages only.",
    },
    "link": {"type": "http", "scheme": "bearer", "description": "What stands after /my/ in a mailed link."},
}
BY: Mapping[Caller, tuple[str, ...]] = {"anyone": (), "organiser": ("organiser", "session"), "link": ("link",)}
TAG = {"type": "string", "pattern": f"^{REVISION.pattern}$"}
HEADERS: Mapping[str, Mapping[str, Any]] = {
    "Content-Disposition": {"description": "A name for the file.", "schema": {"type": "string"}},
    "ETag": {"description": "The revision or version, for If-Match.", "schema": TAG},
    "Idempotency-Key": {
        "description": "A name for this request: sent again, it is answered the same and done once.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
    "Idempotent-Replayed": {"description": "There if it was done before.", "schema": {"const": "true"}},
    "If-Match": {"description": "The ETag of what you read: nothing is done if it has changed since.", "schema": TAG},
    "If-None-Match": {"description": "The ETag of what you have.", "schema": {"type": "string"}},
    "Retry-After": {"description": "In seconds.", "schema": {"type": "integer", "minimum": 0}},
    "WWW-Authenticate": {"description": "What is needed (RFC 6750).", "schema": {"type": "string"}},
}
NOT_ALWAYS = frozenset({"Idempotent-Replayed"})
OF_STATUS: Mapping[int, tuple[str, ...]] = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}
IN_PATHS: Mapping[str, Mapping[str, Any]] = {
    "slug": {
        "description": "The seminar's name in addresses.",
        "schema": {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 80},
        "example": "planstrategi-4-0",
    },
    "id": {
        "description": "Its id.",
        "schema": {"type": "string", "format": "uuid"},
        "example": "6f1ed002-ab59-4e2b-8b3b-5f1c2f8b7a10",
    },
}


class Answer(NamedTuple):
    """An answer that is no problem: its body, or its media type if that is not JSON, and its headers."""

    body: type[BaseModel] | str | None
    headers: tuple[str, ...] = ()


class Operation(NamedTuple):
    """A route and what goes in and out by it; `problems` are those that do not follow from the rest of it."""

    route: web.RouteDef
    answers: Mapping[int, Answer]
    callers: tuple[Caller, ...] = ("anyone",)
    query: type[BaseModel] | None = None
    headers: tuple[str, ...] = ()
    body: type[BaseModel] | None = None
    example: Mapping[str, Any] = NOTHING  # of the body
    problems: Problems = NOTHING

    def every_problem(self) -> dict[int, tuple[str, ...]]:
        """Return the types of its own problems, and of those that come of what it takes, by status."""
        found: dict[int, tuple[str, ...]] = {}
        for part in (*self._usual_problems(), self.problems):
            for status, kinds in part.items():
                found[status] = tuple(dict.fromkeys((*found.get(status, ()), *kinds)))
        return dict(sorted(found.items()))

    def _usual_problems(self) -> Iterable[Problems]:
        yield {503: ("unavailable",)}
        if self.callers != ("anyone",):
            yield {401: ("unauthorised",)}
        if self.route.method in UNSAFE:
            yield {403: ("cross-site",)}
        if "{" in self.route.path:
            yield {404: ("not-found",), 422: ("invalid",)}  # 422: U+0000, which cannot even be looked for
        if self.query:
            yield {422: ("invalid",)}
        if "If-Match" in self.headers:
            yield {412: ("precondition-failed",)}
        if self.body:
            yield {400: ("not-json",), 413: ("too-large",), 422: ("invalid",)}
