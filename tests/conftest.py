"""What tests of all kinds share: one private PostgreSQL and one private RabbitMQ a session, a database a test."""

import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
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


@pytest.fixture(scope="session")
def clean() -> dict[str, list[str]]:
    """Hold the databases that tests have used and that are empty again, by service."""
    return {}


@pytest.fixture
async def new_database(
    postgres: Postgres, templates: dict[str, str], clean: dict[str, list[str]]
) -> AsyncIterator[NewDatabase]:
    """Make a migrated database of a service without rows and return its URL; emptied after the test.

    To empty one takes a seventh of copying one. What a test has changed of the tables themselves is dropped.
    """
    made: list[tuple[str, str]] = []

    async def make(service: str) -> str:
        owner, known = templates[service], clean.setdefault(service, [])
        name = known.pop() if known else await copied(postgres, service, owner)
        made.append((service, name))
        return postgres.dsn(owner, name)

    yield make
    for service, name in made:
        if await emptied(postgres, name, templates[service]):
            clean[service].append(name)
        else:
            await postgres.drop_database(name)


async def copied(postgres: Postgres, service: str, template: str) -> str:
    """Make a database as the template is, and return its name."""
    name = f"{service}_{next(_numbers)}"
    await postgres.create_database(name, owner=template, template=template)
    if template not in _shapes:
        async with connected(postgres.dsn(template, name)) as connection:
            _shapes[template] = await connection.fetchval(SHAPE)
    return name


SHAPE = """
    SELECT md5(string_agg(part, '|' ORDER BY part)) FROM (
        SELECT c.relname || '.' || a.attname || a.atttypid || a.attnotnull FROM pg_attribute a
            JOIN pg_class c ON c.oid = a.attrelid
            WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT tgname FROM pg_trigger WHERE NOT tgisinternal
    ) AS parts (part)
"""
TABLES = "SELECT string_agg(relname, ', ') FROM pg_class WHERE relkind = 'r' AND relname <> 'migrations'"
RESTART = "SELECT setval(format('%I', sequencename)::regclass, start_value, false) FROM pg_sequences"


async def emptied(postgres: Postgres, name: str, template: str) -> bool:
    """Empty the tables of a database; False if they are not those of `template` any more."""
    try:
        async with connected(postgres.dsn(template, name)) as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            if await connection.fetchval(SHAPE) != _shapes[template]:
                return False
            await connection.execute("SET lock_timeout = '2s'")
            tables = await connection.fetchval(f"{TABLES} AND relnamespace = 'public'::regnamespace")
            await connection.execute(f"TRUNCATE {tables}; {RESTART}")
    except asyncpg.PostgresError:
        return False
    return True


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


_numbers = itertools.count()
_shapes: dict[str, str] = {}  # of the templates' tables


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
