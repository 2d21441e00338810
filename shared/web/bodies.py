"""Request bodies into typed values."""

import json
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from shared.web.problems import Problem, invalid

Body = TypeVar("Body", bound=BaseModel)


async def read_json(request: web.Request, kind: type[Body]) -> Body:
    """Return the JSON body as `kind`; raises a Problem: 400 no JSON, 413 too large, 422 for fields that do not fit."""
    await _parse(request)
    try:
        return kind.model_validate_json(await request.read())
    except ValidationError as error:
        raise invalid(error) from None


async def read_object(request: web.Request) -> dict[str, Any]:
    """Return the JSON body, which must be an object; raises a Problem: 400, 413 or 422."""
    body = await _parse(request)
    if not isinstance(body, dict):
        raise Problem(
            422, "invalid", "The body does not fit", errors=[{"field": "body", "detail": "must be an object"}]
        )
    return body


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
