"""Each service's API against its own OpenAPI document: the document is sound, and the service keeps to it.

Schemathesis makes requests that fit the document and requests that do not, the same each time, and looks at every
answer. It runs as the program that it is, over HTTP, beside the service.
"""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator
from markupsafe import escape
from schemathesis.specs.openapi.definitions import OPENAPI_31  # as the OpenAPI Initiative has published it

from services.catalog.app import build as build_catalog
from services.catalog.settings import Settings as CatalogSettings
from services.notification import commands as notification
from services.notification.app import build as build_notification
from services.notification.settings import Settings as NotificationSettings
from services.registration import commands as registration
from services.registration.app import build as build_registration
from services.registration.settings import Settings as RegistrationSettings
from shared.clock import MovableClock
from shared.tokens import Link, sign
from shared.web.keys import DATABASE
from tests.conftest import NewDatabase
from tests.factories import (
    NOW,
    ORGANISER,
    SECRET,
    SLUG,
    TOKEN,
    Client,
    RecordingBus,
    make_body,
    make_registration_snapshot,
    make_settings,
    make_sign_up_body,
    make_snapshot,
    served,
)

# Left out is positive_data_acceptance: whether a sign-up is taken depends on more than its form. And what needs
# requests that follow from one another: they have tests of their own, in tests/integration.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
CONFIGURATION = """
seed = 1
request-timeout = 10.0
workers = 1
continue-on-failure = true

[generation]
deterministic = true
max-examples = 25

[phases.stateful]
enabled = false

[checks]
enabled = false
{checks}
# 409 and 412 come before the body is judged by the state of things: the seminar is cancelled, or has changed since.
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 409, 412, 413, 422, 428]

[dictionaries]
{dictionaries}

[parameters]
{parameters}

[auth.openapi]
{tokens}

# So that another is left to be changed.
[[operations]]
include-operation-id = "cancel_seminar"
parameters.slug = "cancelled"
"""


class Api(NamedTuple):
    """A service that is served, whose tokens it takes, and what it knows by the names of parameters."""

    client: Client
    tokens: Mapping[str, str]
    known: Mapping[str, list[str]]

    def configuration(self) -> str:
        return CONFIGURATION.format(
            checks="\n".join(f"{check}.enabled = true" for check in CHECKS),
            dictionaries="\n".join(f'"{name}".values = {json.dumps(values)}' for name, values in self.known.items()),
            parameters="\n".join(f'"{name}" = {{dictionary = "{name}", probability = 0.8}}' for name in self.known),
            tokens="\n".join(f'{caller}.bearer = "{token}"' for caller, token in self.tokens.items()),
        )


async def fill_catalog(client: Client) -> Api:
    for slug in ("live", "cancelled"):
        put = await client.put(f"/api/seminars/{slug}", json=make_body(slug=slug), headers=ORGANISER)
        assert put.status == 201
    assert (await client.post("/api/seminars/cancelled/cancel", headers=ORGANISER)).status == 200
    return Api(client, {"organiser": TOKEN}, {"slug": ["live", "cancelled"]})


async def fill_registration(client: Client) -> Api:
    async with client.app[DATABASE].transaction() as connection:
        await registration.learn_of_seminar(connection, make_snapshot(), NOW)
    taken = await (await client.post("/api/registrations", json=make_sign_up_body())).json()
    link = sign((SECRET.encode(),), "manage", Link(UUID(taken["id"]), 1))
    return Api(client, {"organiser": TOKEN, "link": link}, {"seminar": [SLUG], "body.seminar": [SLUG]})


async def fill_notification(client: Client) -> Api:
    reminders = [{"before_start": before, "attendance": ["in_person"]} for before in ("P1D", "P30D")]
    async with client.app[DATABASE].transaction() as connection:
        await notification.learn_of_seminar(connection, make_snapshot(reminders=reminders), NOW, "")
        await notification.learn_of_registration(connection, make_registration_snapshot(), NOW, "")
    emails = (await (await client.get(f"/api/emails?seminar={SLUG}", headers=ORGANISER)).json())["items"]
    states = {email["state"] for email in emails} - {"sending"}  # which is how one that is pending is when it is tried
    assert "covered" in states, "one that cannot be retried"
    assert len(emails) > len(states - {"pending"}), "one that can"
    return Api(client, {"organiser": TOKEN}, {"seminar": [SLUG], "id": [email["id"] for email in emails]})


class Service(NamedTuple):
    """How a service is made and filled."""

    build: Callable[..., Any]
    settings: Callable[[str], Any]
    fill: Callable[[Client], Awaitable[Api]]


def notification_settings(database_url: str) -> NotificationSettings:
    nowhere = {"smtp_url": "smtp://127.0.0.1:9", "mail_from": "post@example.org"}
    return make_settings(NotificationSettings, database_url, **nowhere)


SERVICES = {
    "catalog": Service(build_catalog, lambda url: make_settings(CatalogSettings, url), fill_catalog),
    "registration": Service(
        build_registration, lambda url: make_settings(RegistrationSettings, url), fill_registration
    ),
    "notification": Service(build_notification, notification_settings, fill_notification),
}


@asynccontextmanager
async def serving(name: str, database_url: str) -> AsyncIterator[Api]:
    service, clock = SERVICES[name], MovableClock(NOW - datetime.now(UTC))
    async with served(service.build, service.settings(database_url), clock, RecordingBus()) as client:
        yield await service.fill(client)


@pytest.mark.parametrize("name", SERVICES)
async def test_a_service_answers_as_its_document_says(name: str, new_database: NewDatabase, tmp_path: Path) -> None:
    async with serving(name, await new_database(name)) as api:
        (tmp_path / "schemathesis.toml").write_text(api.configuration(), encoding="utf-8")
        document = str(api.client.make_url(f"/api/{name}/openapi.json"))

        run = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "--no-color", "run", document),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await run.communicate()

    assert run.returncode == 0, output.decode()


@pytest.mark.parametrize("name", SERVICES)
async def test_a_document_is_openapi(name: str, new_database: NewDatabase) -> None:
    async with serving(name, await new_database(name)) as api:
        document = await (await api.client.get(f"/api/{name}/openapi.json")).json()

    assert [
        f"{error.json_path}: {error.message}" for error in Draft202012Validator(OPENAPI_31).iter_errors(document)
    ] == []


@pytest.mark.parametrize("name", SERVICES)
async def test_a_page_shows_every_operation_and_value_of_the_document(name: str, new_database: NewDatabase) -> None:
    async with serving(name, await new_database(name)) as api:
        document = await (await api.client.get(f"/api/{name}/openapi.json")).json()
        page = await (await api.client.get(f"/api/{name}/?lang=nn")).text()

    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    shown = {target for target in re.findall(r'id="(\w+)"', page) if f'href="#{target}"' in page}
    assert '<html lang="nn">' in page
    assert {operation["operationId"] for operation in operations} <= shown
    assert {name for name in document["components"]["schemas"] if f'id="{name}"' not in page} == set()
    assert all(escape(operation["summary"]) in page for operation in operations)


@pytest.mark.parametrize("name", SERVICES)
async def test_nothing_is_served_below_api_that_the_document_does_not_describe(
    name: str, new_database: NewDatabase
) -> None:
    async with serving(name, await new_database(name)) as api:
        document = await (await api.client.get(f"/api/{name}/openapi.json")).json()
        routes = [(route.method, route.resource) for route in api.client.app.router.routes()]

    served = {
        (method.lower(), resource.canonical)
        for method, resource in routes
        if resource and resource.canonical.startswith("/api/") and method != "HEAD"
    }
    described = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert served - described == {("get", f"/api/{name}/openapi.json"), ("get", f"/api/{name}/")}


HOSTILE = {
    "nothing": b"",
    "no JSON": b"{",
    "broken UTF-8": b'{"name": "\xff\xfe"}',
    "a lone surrogate": b'{"name": "\\ud800", "slug": "\\udfff", "seminar": "\\ud800"}',
    "NaN": b'{"headcount": NaN}',
    "a field twice": b'{"name": "a", "name": "b"}',
    "a list": b"[]",
    "a number": b"1e999",
    "null": b"null",
    "wrong types": b'{"name": 1, "email": [], "seminar": {}, "title": 3, "start": true, "url": 7, "revision": "x"}',
    "control characters": b'{"name": "a\\u0000b\\r\\nBcc: c", "seminar": "\\u0000", "url": "\\u0000"}',
    "depth": b"[" * 100_000 + b"]" * 100_000,
    "depth in a field": b'{"name": ' * 5_000 + b"1" + b"}" * 5_000,
    "a huge number": b'{"headcount": ' + b"9" * 5_000 + b"}",
    "5 MB": b'{"name": "' + b"a" * 5 * 2**20 + b'"}',
}


@pytest.mark.parametrize("name", SERVICES)
async def test_a_hostile_body_gets_a_described_refusal(name: str, new_database: NewDatabase) -> None:
    async with serving(name, await new_database(name)) as api:
        document = await (await api.client.get(f"/api/{name}/openapi.json")).json()
        bodied = [
            (method, path, operation["responses"].keys())
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if "requestBody" in operation
        ]
        for method, path, described in bodied:
            address = path.format(slug="live", id=UUID(int=1))
            token = api.tokens["link" if path.endswith("/mine") else "organiser"]
            for what, body in HOSTILE.items():
                headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
                answer = await api.client.request(method, address, data=BytesIO(body), headers=headers)
                said = (method, path, what, answer.status, await answer.text())
                assert str(answer.status) in described, said
                if path == "/api/seminar-checks" and answer.status == 200:
                    assert (await answer.json())["errors"], said  # it is what one asks it for
                    continue
                assert 400 <= answer.status < 500, said
                assert answer.content_type == "application/problem+json", said

    assert bodied
