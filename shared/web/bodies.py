"""JSON bodies: those of requests into typed values, typed values into those of answers; and the fields of forms."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.web.problems import Problem, invalid

Body = TypeVar("Body", bound=BaseModel)


class AnswerBody(BaseModel):
    """The body of an answer; more fields may come, and a client passes over those that it does not know."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


def json_answer(body: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return the answer that says `body` as JSON."""
    return web.Response(
        text=body.model_dump_json(), status=status, headers=headers, content_type="application/json", charset="utf-8"
    )


async def read_json(request: web.Request, kind: type[Body], *, most: int | None = None) -> Body:
    """Return the JSON body as `kind`; raises a Problem: 400 no JSON, 413 too large, 422 for fields that do not fit.

    `most` is in bytes, where less is too large than the service takes at all.
    """
    await _parse(request, most)
    return _fitting(kind, await request.read())


async def read_object(request: web.Request, *, most: int | None = None) -> dict[str, Any]:
    """Return the JSON body of `most` bytes, which must be an object; raises a Problem: 400, 413 or 422."""
    body = await _parse(request, most)
    if not isinstance(body, dict):
        raise Problem(
            422, "invalid", "The body does not fit", errors=[{"field": "body", "detail": "must be an object"}]
        )
    return body


def fit(kind: type[Body], fields: Mapping[str, Any]) -> Body:
    """Return the fields of a JSON object as `kind`; raises a 422 Problem that names those that do not fit."""
    return _fitting(kind, json.dumps(fields))


async def read_form(request: web.Request, *, most: int | None = None) -> dict[str, str]:
    """Return the fields of a posted form; raises a Problem: 400 when it cannot be read, 413 when it is too large.

    `most` is in bytes, where less is too large than the service takes at all.
    """
    _hold_to(most, request.content_length)
    try:
        fields = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    except (ValueError, LookupError) as error:  # LookupError: a character set that nobody knows
        raise Problem(400, "unreadable-form", "The form cannot be read") from error
    _hold_to(most, sum(map(len, fields.values())))
    return fields


def number_in(form: Mapping[str, str], field: str) -> int:
    """Return the revision or version in a form's field; 0, which there is none of, for what is no number."""
    given = form.get(field, "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < len(str(2**31)) else 0


async def _parse(request: web.Request, most: int | None) -> Any:
    _hold_to(most, request.content_length)
    body = await request.read()
    _hold_to(most, len(body))
    try:
        return DECODER.decode(body.decode())
    except (ValueError, RecursionError) as error:
        raise Problem(400, "not-json", "The body is not JSON") from error


def _no_number(name: str) -> None:
    """Refuse NaN and Infinity, which Python reads and JSON does not have (RFC 8259, section 6)."""
    raise ValueError(name)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that names a field twice: readers differ in which of the two they take (RFC 8259, section 4)."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a name stands twice")
    return fields


DECODER = json.JSONDecoder(parse_constant=_no_number, object_pairs_hook=_once_each)


def _hold_to(most: int | None, size: int | None) -> None:
    """Raise a 413 Problem if there is more; what comes in chunks has no size before it has come."""
    if most is not None and size is not None and size > most:
        raise Problem(413, "too-large", f"The body is larger than {most} bytes")


def _fitting(kind: type[Body], text: bytes | str) -> Body:
    try:
        return kind.model_validate_json(text, strict=True)  # JSON has numbers and truth values of its own
    except ValidationError as error:
        raise invalid(error) from None
