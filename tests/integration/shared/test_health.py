import asyncio
from datetime import UTC, datetime

import pytest

from local.postgres import Postgres
from services.registration.app import build
from services.registration.settings import Settings
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
