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


async def read_json(request: web.Request, kind: type[Body]) -> Body:
    """Return the JSON body as `kind`; raises a Problem: 400 no JSON, 413 too large, 422 for fields that do not fit."""
    await _parse(request)
    return _fitting(kind, await request.read())


async def read_object(request: web.Request) -> dict[str, Any]:
    """Return the JSON body, which must be an object; raises a Problem: 400, 413 or 422."""
    body = await _parse(request)
    if not isinstance(body, dict):
        raise Problem(
            422, "invalid", "The body does not fit", errors=[{"field": "body", "detail": "must be an object"}]
        )
    return body


def fit(kind: type[Body], fields: Mapping[str, Any]) -> Body:
    """Return the fields of a JSON object as `kind`; raises a 422 Problem that names those that do not fit."""
    return _fitting(kind, json.dumps(fields))


async def read_form(request: web.Request) -> dict[str, str]:
    """Return the fields of a posted form; raises a Problem: 400 when it cannot be read, 413 when it is too large."""
    try:
        return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    except (ValueError, LookupError) as error:  # LookupError: a character set that nobody knows
        raise Problem(400, "unreadable-form", "The form cannot be read") from error


async def _parse(request: web.Request) -> Any:
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise Problem(400, "not-json", "The body is not JSON") from error


def _fitting(kind: type[Body], text: bytes | str) -> Body:
    try:
        return kind.model_validate_json(text, strict=True)  # JSON has numbers and truth values of its own
    except ValidationError as error:
        raise invalid(error) from None
