"""What stands behind the question mark, as typed values, and the cursor of a list."""

import base64
import binascii
from typing import Annotated, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.web.problems import Problem, field_errors

SEPARATOR = " "
INTEGER, BIGINT = 9, 18  # digits that there is room for in any case


class Query(BaseModel):
    """What may be asked; what else stands in an address is passed over, as on the web everywhere."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class OfSeminar(Query):
    """Which seminar it is about."""

    seminar: Annotated[str, Field(min_length=1, max_length=80, json_schema_extra={"example": "planstrategi-4-0"})]
    """The seminar's slug."""


class Listing(Query):
    """Where a list goes on."""

    after: Annotated[str, Field(min_length=1)] | None = None
    """What the answer before has as next; left out for the beginning."""


class ListingOfSeminar(Listing, OfSeminar):
    """Which seminar's list, and where it goes on."""


Asked = TypeVar("Asked", bound=Query)


def asked(request: web.Request, kind: type[Asked]) -> Asked:
    """Return the query as `kind`; raises a 422 Problem that names each field that does not fit."""
    try:
        return kind.model_validate(dict(request.query))
    except ValidationError as error:
        raise Problem(422, "invalid", "The query does not fit", errors=field_errors(error)) from None


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


def number_behind(request: web.Request, *, most: int = INTEGER, signed: bool = False) -> int | None:
    """Return the number that the list goes on behind, of at most so many characters; None for the first page.

    Raises a 422 Problem.
    """
    match after(request):
        case None:
            return None
        case [number] if len(number) <= most and _is_number(number, signed=signed):
            return int(number)
    raise no_cursor()


def _is_number(text: str, *, signed: bool) -> bool:
    digits = text.removeprefix("-") if signed else text
    return digits.isascii() and digits.isdigit()


def no_cursor() -> Problem:
    """422 for an `after` that is no `next` of ours."""
    return unfit("after", "must be a `next` as it was given")


def unfit(name: str, why: str) -> Problem:
    """422 that names the query's field and says what is wrong with it."""
    return Problem(422, "invalid", "The query does not fit", errors=[{"field": name, "detail": why}])
