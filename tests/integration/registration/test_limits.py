"""Registration under a flood: who has to wait, how they are told so, and that it tells nobody anything else."""

import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import ClientResponse

from local.postgres import Postgres
from services.registration import commands
from services.registration.api import LARGEST
from services.registration.app import build
from services.registration.settings import Settings
from shared.clock import MovableClock
from shared.web.keys import DATABASE
from tests.factories import (
    NOW,
    SLUG,
    Client,
    RecordingBus,
    make_settings,
    make_sign_up_body,
    make_snapshot,
    served,
)

MOST, TRIES = 6, 2  # requests of a client, and sign-ups of an address, an hour
HERE = "192.0.2.1"
SIGN_UP = "/api/registrations"
FORM = f"/register/{SLUG}"


@pytest.fixture(scope="module")
async def client(postgres: Postgres, templates: dict[str, str]) -> AsyncIterator[Client]:
    """Registration behind a proxy at 127.0.0.1, with one seminar."""
    owner, name = templates["registration"], "registration_limits"
    await postgres.create_database(name, owner=owner, template=owner)
    limits = {"rate_limit": f"client:{MOST}/1h,address:{TRIES}/1h", "trusted_proxies": "127.0.0.1"}
    settings = make_settings(Settings, postgres.dsn(owner, name), **limits)
    clock = MovableClock(NOW - datetime.now(UTC))
    async with served(build, settings, clock, RecordingBus()) as client:
        async with client.app[DATABASE].transaction() as connection:
            await commands.learn_of_seminar(connection, make_snapshot(), NOW)
        yield client
    await postgres.drop_database(name)


_hosts = itertools.count(1)


@pytest.fixture
def somebody() -> str:
    """Return the address of somebody who has not been here yet."""
    return f"198.51.100.{next(_hosts)}"


async def sign_up(client: Client, address: str, **overrides: Any) -> ClientResponse:
    body = make_sign_up_body(**overrides)
    return await client.post(SIGN_UP, json=body, headers={"X-Forwarded-For": address})


async def send_form(client: Client, address: str, language: str = "nb", **overrides: Any) -> ClientResponse:
    form = make_sign_up_body(seminar=..., **overrides)
    headers = {"X-Forwarded-For": address, "Accept-Language": language, "Accept": "text/html"}
    return await client.post(FORM, data=form, headers=headers, allow_redirects=False)


async def use_up(client: Client, address: str) -> None:
    for number in range(MOST):
        assert (await sign_up(client, address, email=f"{number}@{address}.example.org")).status == 202


def is_an_interval(answer: ClientResponse) -> bool:
    """Return whether one is told to wait until there is room for one more, give or take what the test takes."""
    return 0 < 3600 / MOST - int(answer.headers["Retry-After"]) + 1 < 60


async def test_a_client_who_has_had_its_share_waits_and_nobody_else_does(client: Client, somebody: str) -> None:
    await use_up(client, somebody)

    refused = await sign_up(client, somebody, email="one.more@example.org")
    other = await sign_up(client, HERE, email="another@example.org")

    problem = await refused.json(content_type="application/problem+json")
    assert (refused.status, problem["status"], problem["type"]) == (429, 429, "/problems/rate-limited")
    assert is_an_interval(refused)
    assert other.status == 202


async def test_a_client_has_one_share_of_all_that_changes_something(client: Client, somebody: str) -> None:
    await use_up(client, somebody)
    headers = {"X-Forwarded-For": somebody}

    answers = [
        await client.request(method, path, data=b"", headers=headers)
        for method, path in (
            ("POST", SIGN_UP),
            ("POST", FORM),
            ("PATCH", f"{SIGN_UP}/mine"),
            ("DELETE", f"{SIGN_UP}/mine"),
            ("POST", "/my/a-token/cancel"),
            ("POST", "/my/a-token/attendance"),
        )
    ]
    reading = [await client.get(path, headers=headers) for path in (FORM, f"{SIGN_UP}/mine", "/my/a-token")]

    assert [answer.status for answer in answers] == 6 * [429]
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
    assert [answer.status for answer in reading] == [200, 401, 404]


async def test_what_a_client_writes_of_its_address_does_not_count(client: Client, somebody: str) -> None:
    answers = [
        await sign_up(client, f"203.0.113.{number}, {somebody}", email=f"{number}@spoof.example.org")
        for number in range(MOST + 1)
    ]

    assert [answer.status for answer in answers] == MOST * [202] + [429]


async def test_an_address_is_signed_up_a_few_times_and_then_waits_whether_it_is_known_or_not(
    client: Client, somebody: str
) -> None:
    await sign_up(client, HERE, email="known@example.org")
    known = [await sign_up(client, somebody, email="known@example.org") for _ in range(TRIES + 1)]
    stranger = f"{somebody}9"
    new = [await sign_up(client, stranger, email="new@example.org", seminar="another") for _ in range(TRIES + 1)]

    assert [answer.status for answer in known] == [202, 202, 429]
    assert [answer.status for answer in new] == [404, 404, 429]
    assert await known[-1].read() == await new[-1].read()


async def test_the_form_holds_an_address_to_as_many(client: Client, somebody: str) -> None:
    email = f"form@{somebody}.example.org"

    assert [(await send_form(client, somebody, email=email)).status for _ in range(TRIES + 1)] == [303, 303, 429]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("nb", "Prøv igjen om 10 minutter."),
        ("nn", "Prøv igjen om 10 minutt."),
        ("en", "Please try again in 10 minutes."),
    ],
)
async def test_the_form_says_when_to_try_again_and_keeps_what_was_typed(
    client: Client, somebody: str, language: str, words: str
) -> None:
    await use_up(client, somebody)

    answer = await send_form(client, somebody, language, name="Åse Ødegård", organisation="Solund kommune")

    page = await answer.text()
    assert (answer.status, is_an_interval(answer)) == (429, True)
    assert words in page
    assert 'value="Åse Ødegård"' in page
    assert 'value="Solund kommune"' in page
    assert 'value="in_person" required' in page
    assert 'aria-invalid="true"' not in page


async def test_a_page_of_ones_own_says_when_to_try_again(client: Client, somebody: str) -> None:
    await use_up(client, somebody)

    headers = {"X-Forwarded-For": somebody, "Accept": "text/html", "Accept-Language": "nn"}
    answer = await client.post("/my/a-token/cancel", headers=headers)

    assert (answer.status, is_an_interval(answer)) == (429, True)
    assert "Prøv igjen om 10 minutt." in await answer.text()


@pytest.mark.parametrize("size", [LARGEST + 1, LARGEST])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("method", "path", "start"), [
    ("POST", SIGN_UP, b'{"name": "'), ("POST", FORM, b"name="), ("PATCH", f"{SIGN_UP}/mine", b'{"name": "'),
])  # fmt: skip
async def test_what_somebody_tells_of_themselves_is_held_to_a_size(
    client: Client, somebody: str, method: str, path: str, start: bytes, size: int, *, chunked: bool
) -> None:
    body = start + (size - len(start) + 5 * (path == FORM)) * b"x"  # of a form the values are measured

    async def in_chunks() -> AsyncIterator[bytes]:
        yield body[:1000]
        yield body[1000:]

    headers = {"X-Forwarded-For": somebody, "Content-Type": "application/x-www-form-urlencoded"}
    answer = await client.request(method, path, data=in_chunks() if chunked else body, headers=headers)

    too_large = size > LARGEST or (path == FORM and not chunked)
    assert (answer.status == 413) == too_large, answer.status
    if too_large:
        assert (await answer.json())["type"] == "/problems/too-large"
