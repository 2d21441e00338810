"""What tests of all kinds share: one private PostgreSQL and one private RabbitMQ a session, a database a test."""

import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from local.postgres import Postgres, remove
from local.rabbitmq import RabbitMQ, RabbitMQMissingError, find_server
from shared import migrations

SERVICES = Path(__file__).parents[1] / "services"
NewDatabase = Callable[[str], Awaitable[str]]


@pytest.fixture(scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    data = tmp_path_factory.mktemp("postgres")
    async with Postgres.running(data, durable=False) as server:
        yield server
    remove(data)


@pytest.fixture(scope="session")
async def templates(postgres: Postgres) -> dict[str, str]:
    """Migrated databases to copy, by service: copying takes a tenth of migrating."""
    names = {}
    for service in ("catalog", "registration", "notification"):
        names[service] = f"template_{service}"
        await postgres.create_database(names[service])
        found = migrations.read(service, SERVICES / service / "migrations")
        await migrations.migrate(postgres.dsn(names[service], names[service]), found)
    return names


@pytest.fixture
async def new_database(postgres: Postgres, templates: dict[str, str]) -> AsyncIterator[NewDatabase]:
    """Make a fresh, migrated database of a service and return its URL; dropped after the test."""
    made: list[str] = []

    async def make(service: str) -> str:
        name = f"{service}_{next(_numbers)}"
        owner = templates[service]
        await postgres.create_database(name, owner=owner, template=owner)
        made.append(name)
        return postgres.dsn(owner, name)

    yield make
    for name in made:
        await postgres.drop_database(name)


_numbers = itertools.count()


def demand_rabbitmq() -> None:
    """Skip the test where there is no RabbitMQ; in CI fail it."""
    try:
        find_server()
    except RabbitMQMissingError as missing:
        if os.environ.get("CI"):
            pytest.fail(f"CI must have RabbitMQ: {missing}")
        pytest.skip(f"NOT TESTED, no RabbitMQ here: {missing}")


@pytest.fixture(scope="session")
async def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RabbitMQ]:
    demand_rabbitmq()
    async with RabbitMQ.running(tmp_path_factory.mktemp("rabbitmq")) as node:
        yield node
