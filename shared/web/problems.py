"""Problem details for HTTP APIs (RFC 9457) with types that stay the same."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.faults import faults_in

PROBLEM = "application/problem+json"
TYPES = "/problems/"  # relative to the origin, RFC 9457 section 3.1.1


class FieldError(BaseModel):
    """A field at fault."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    field: str
    """The field by its path in the body, such as programme.0.title, or the name of a query's field or a header."""
    detail: str
    """What would be right, in English."""


class ProblemDetails(BaseModel):
    """Why a request was not done (RFC 9457)."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str
    """What kind of problem it is, by a name that stays; relative to the origin."""
    title: str
    """The same in English."""
    status: int
    """The status of the answer."""
    detail: str = ""
    """More about this time, if there is more to say."""
    errors: tuple[FieldError, ...] = ()
    """Every field at fault, if it is fields."""


class Problem(Exception):  # noqa: N818 - the standard's own word
    """What went wrong, as the API says it.

    `errors` lists every field at fault: `{"field": …, "detail": …}`.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        *,
        detail: str | None = None,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.kind = kind
        self.title = title
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}

    def response(self) -> web.Response:
        """Return the answer with media type application/problem+json."""
        body: dict[str, Any] = {"type": TYPES + self.kind, "title": self.title, "status": self.status}
        if self.detail:
            body["detail"] = self.detail
        if self.errors:
            body["errors"] = list(self.errors)
        return web.json_response(body, status=self.status, headers=dict(self.headers), content_type=PROBLEM)


def not_found(what: str) -> Problem:
    """404 with the same body whoever asks."""
    return Problem(404, "not-found", f"There is no such {what}")


def unavailable() -> Problem:
    """503: what is needed for an answer is away, and will be back."""
    return Problem(503, "unavailable", "The service cannot answer just now", headers={"Retry-After": "1"})


def invalid(error: ValidationError) -> Problem:
    """422 that lists each field by its path in the body, without repeating what was sent."""
    return Problem(422, "invalid", "The body does not fit", errors=field_errors(error))


def field_errors(error: ValidationError) -> list[dict[str, str]]:
    """Return `field` (dotted path) and `detail` (English) for each thing that validation found."""
    return [{"field": fault.field, "detail": fault.detail} for fault in faults_in(error)]
