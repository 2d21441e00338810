import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.postgres import Postgres, remove
from services.registration.app import MIGRATIONS, build
from services.registration.settings import Settings
from shared import migrations
from shared.clock import MovableClock
from shared.web import health
from tests.factories import NOW, Client, RecordingBus, make_settings, served


async def status(client: Client, path: str) -> int:
    async with client.get(path) as answer:
        return answer.status


async def test_a_service_without_its_database_is_alive_and_not_ready(
    postgres: Postgres, templates: dict[str, str]
) -> None:
    owner = templates["registration"]
    await postgres.create_database("mortal", owner=owner, template=owner)
    settings = make_settings(Settings, postgres.dsn(owner, "mortal"))
    clock = MovableClock(NOW - datetime.now(UTC))

    async with served(build, settings, clock, RecordingBus()) as client:
        before = await status(client, "/health/ready")
        await postgres.drop_database("mortal")

        assert before == 200
        assert await status(client, "/health/ready") == 503
        assert await status(client, "/health/live") == 200


async def test_what_needs_a_database_that_is_away_is_answered_so_that_one_tries_again(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        stack.callback(remove, tmp_path)
        server = await stack.enter_async_context(Postgres.running(tmp_path, durable=False))
        await server.create_database("registration")
        url = server.dsn("registration", "registration")
        await migrations.migrate(url, migrations.read("registration", MIGRATIONS))
        clock = MovableClock(NOW - datetime.now(UTC))
        settings = make_settings(Settings, url)
        client = await stack.enter_async_context(served(build, settings, clock, RecordingBus()))

        await server.stop()
        async with client.get("/register/planstrategi-4-0", headers={"Accept": "application/json"}) as answer:
            problem = await answer.json()
        await server.start()

        assert (answer.status, problem["type"], answer.headers["Retry-After"]) == (503, "/problems/unavailable", "1")
        assert await status(client, "/register/planstrategi-4-0") == 404  # it answers: there is no such seminar


async def test_a_service_whose_connections_are_all_taken_is_not_ready_and_says_so_in_time(
    postgres: Postgres, templates: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PATIENCE", 0.2)
    owner = templates["registration"]
    await postgres.create_database("busy", owner=owner, template=owner)
    settings = make_settings(Settings, postgres.dsn(owner, "busy"), database_connections=1)  # which the relay holds
    clock = MovableClock(NOW - datetime.now(UTC))

    async with served(build, settings, clock, RecordingBus()) as client:
        async with asyncio.timeout(2):
            assert await status(client, "/health/ready") == 503
        assert await status(client, "/health/live") == 200
    await postgres.drop_database("busy")
