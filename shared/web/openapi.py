"""The routes of an API and its OpenAPI 3.1 document, both from one table, and the document as a page.

So neither can promise what the other does not keep.
"""

import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from http import HTTPStatus
from itertools import chain
from shlex import quote
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from shared.web.keys import SETTINGS
from shared.web.operations import BY, HEADERS, IN_PATHS, NOT_ALWAYS, OF_STATUS, SCHEMES, Operation
from shared.web.pages import render
from shared.web.problems import PROBLEM, TYPES, ProblemDetails

VERSION = "1.0.0"  # of the APIs: a breaking change would be a new address, so the first number stays
JSON = "application/json"
REFERENCE = "#/components/schemas/{model}"
IN_GENERAL = (
    "Whatever is not done is answered with problem details (RFC 9457), whose type stays the same. 404 and 405 also"
    " answer an address that there is not and a method that an address does not have; 500 is always a mistake of ours."
    " Answers may come to have more fields: pass over those that you do not know."
)

Tree = dict[str, Any]
References = Mapping[tuple[type[BaseModel], JsonSchemaMode], Tree]


def routes(service: str, about: str, operations: tuple[Operation, ...]) -> tuple[web.RouteDef, ...]:
    """Return the routes of the operations, and those at which they are described."""

    @cache  # made when first asked for, as it takes pydantic some time
    def document() -> Tree:
        return describe(service, about, operations)

    async def openapi(_: web.Request) -> web.Response:
        return web.json_response(document())

    async def page(request: web.Request) -> web.Response:
        origin = request.app[SETTINGS].public_url
        return render(request, "api.html", {"service": service, "api": document(), "curl": curl, "origin": origin})

    described = (web.get(f"/api/{service}/openapi.json", openapi), web.get(f"/api/{service}/", page))
    return (*(operation.route for operation in operations), *described)


def describe(service: str, about: str, operations: tuple[Operation, ...]) -> Tree:
    """Return the OpenAPI 3.1 document of the operations."""
    references, schemas = _schemas(operations)
    paths: dict[str, Tree] = {}
    for operation in operations:
        paths.setdefault(operation.route.path, {})[operation.route.method.lower()] = _operation(operation, references)
    schemes = set(chain.from_iterable(BY[caller] for operation in operations for caller in operation.callers))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Fagseminar: {service}",
            "version": VERSION,
            "description": f"{about}\n\n{IN_GENERAL}",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {name: scheme for name, scheme in SCHEMES.items() if name in schemes},
        },
    }


def _operation(operation: Operation, references: References) -> Tree:
    handler = operation.route.handler
    summary, _, more = (inspect.getdoc(handler) or "").partition("\n\n")
    body = {"schema": references[operation.body, "validation"]} if operation.body else {}
    if operation.example:
        body["example"] = dict(operation.example)
    described: Tree = {
        "operationId": handler.__name__,
        "summary": summary,
        "description": more,
        "parameters": [*_parameters(operation)],
        "requestBody": body and {"required": True, "content": {JSON: body}},
        "security": [*_security(operation)],
        "responses": _responses(operation, references),
    }
    return {name: value for name, value in described.items() if value}


def _security(operation: Operation) -> Iterator[Tree]:
    for caller in operation.callers:
        yield from [{scheme: []} for scheme in BY[caller]] or [{}]


def _parameters(operation: Operation) -> Iterator[Tree]:
    for name in re.findall(r"\{(\w+)\}", operation.route.path):
        yield {"name": name, "in": "path", "required": True, **IN_PATHS[name]}
    if operation.query:
        schema = _query_schema(operation.query)
        for name, field in schema["properties"].items():
            yield {"name": name, "in": "query", "required": name in schema.get("required", ()), **_parameter(field)}
    for name in operation.headers:
        yield {"name": name, "in": "header", "required": False, **HEADERS[name]}


def _parameter(field: Tree) -> Tree:
    """Return what a query's field is as a parameter: there, null is to leave it out."""
    match field:
        case {"anyOf": [given, {"type": "null"}], "default": None, **more}:
            field = {**given, **more}
    described = {name: field[name] for name in ("description", "example") if name in field}
    return described | {"schema": {name: value for name, value in field.items() if name not in described}}


def _responses(operation: Operation, references: References) -> Tree:
    sound = {
        str(status): _response(status, answer.headers, _content(answer.body, references))
        for status, answer in operation.answers.items()
    }
    problems = {
        str(status): _response(status, OF_STATUS.get(status, ()), _problem(status, kinds, references))
        for status, kinds in operation.every_problem().items()
    }
    return sound | problems


def _response(status: int, headers: Iterable[str], content: Tree) -> Tree:
    described = {
        "description": HTTPStatus(status).phrase,
        "headers": {name: {**HEADERS[name], "required": name not in NOT_ALWAYS} for name in headers},
        "content": content,
    }
    return {name: value for name, value in described.items() if value}


def _content(body: type[BaseModel] | str | None, references: References) -> Tree:
    if body is None:
        return {}
    return (
        {body: {"schema": {"type": "string"}}}
        if isinstance(body, str)
        else {JSON: {"schema": references[body, "serialization"]}}
    )


def _problem(status: int, kinds: Iterable[str], references: References) -> Tree:
    special = {"type": {"enum": [TYPES + kind for kind in kinds]}, "status": {"const": status}}
    return {PROBLEM: {"schema": references[ProblemDetails, "validation"] | {"properties": special}}}


# --- schemas ---


class _Untitled(GenerateJsonSchema):
    """A field's name is title enough."""

    def field_title_should_be_set(self, _schema: object) -> bool:
        return False


def _schemas(operations: Iterable[Operation]) -> tuple[References, Tree]:
    """Return where each model's schema is to be found, and all of them by name."""
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], Tree] = {(ProblemDetails, "validation"): {}}
    schemas: Tree = {}
    for operation in operations:
        if operation.body:
            wanted[operation.body, "validation"] = {}
        if operation.query:
            schemas |= _query_schema(operation.query).get("$defs", {})
        wanted |= {
            (answer.body, "serialization"): {} for answer in operation.answers.values() if isinstance(answer.body, type)
        }
    found, made = models_json_schema([*wanted], ref_template=REFERENCE, schema_generator=_Untitled)
    return {key: found[key] for key in wanted}, schemas | made["$defs"]


def _query_schema(query: type[BaseModel]) -> Tree:
    return query.model_json_schema(ref_template=REFERENCE, schema_generator=_Untitled)


# --- an example ---


def curl(origin: str, path: str, method: str, operation: Tree) -> str:
    """Return a command that does the operation, with the examples that stand in it."""
    given = {parameter["name"]: parameter for parameter in operation.get("parameters", ()) if "example" in parameter}
    address = origin + path.format(**{name: parameter["example"] for name, parameter in given.items()})
    asked = {name: parameter["example"] for name, parameter in given.items() if parameter["in"] == "query"}
    verb = "" if method == "get" else f"-X {method.upper()} "
    lines = [f"curl {verb}'{address}{'?' + urlencode(asked) if asked else ''}'"]
    if {} not in operation["security"]:
        lines.append('-H "Authorization: Bearer $TOKEN"')
    if "requestBody" in operation:
        content = json.dumps(operation["requestBody"]["content"][JSON].get("example", {}), ensure_ascii=False)
        lines += [f"-H 'Content-Type: {JSON}'", f"-d {quote(content)}"]
    return " \\\n  ".join(lines)
