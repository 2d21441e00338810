import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from local.postgres import Postgres
from shared.migrations import SHARED, ChangedMigrationError, Migration, migrate, read

FIRST = Migration("catalog/0001_seats.sql", "CREATE TABLE seats (number integer PRIMARY KEY)")
SECOND = Migration("catalog/0002_first.sql", "INSERT INTO seats VALUES (1)")
FAILING = Migration("catalog/0003_failing.sql", "CREATE TABLE half (a int); INSERT INTO seats VALUES (2); SELECT 1 / 0")


@pytest.fixture
async def url(postgres: Postgres) -> AsyncIterator[str]:
    await postgres.create_database("empty")
    yield postgres.dsn("empty", "empty")
    await postgres.drop_database("empty")


async def look(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def written(folder: Path, **files: str) -> Path:
    for name, sql in files.items():
        (folder / f"{name}.sql").write_text(sql)
    return folder


async def test_what_is_missing_is_applied_in_order_and_named(url: str) -> None:
    applied = await migrate(url, [FIRST, SECOND])

    assert applied == [FIRST.name, SECOND.name]
    assert await look(url, "SELECT number FROM seats") == 1


async def test_what_was_applied_is_not_applied_again(url: str) -> None:
    await migrate(url, [FIRST])

    applied = await migrate(url, [FIRST, SECOND])

    assert applied == [SECOND.name]
    assert await migrate(url, [FIRST, SECOND]) == []
    assert await look(url, "SELECT count(*) FROM seats") == 1


async def test_of_several_that_migrate_at_once_one_does_and_the_others_find_it_done(url: str) -> None:
    slow = Migration("catalog/0002_slow.sql", "SELECT pg_sleep(0.05); INSERT INTO seats VALUES (1)")

    applied = await asyncio.gather(*(migrate(url, [FIRST, slow]) for _ in range(4)))

    assert sorted(map(len, applied)) == [0, 0, 0, 2]
    assert await look(url, "SELECT count(*) FROM seats") == 1


async def test_a_file_that_was_edited_after_it_was_applied_is_refused_by_its_name(url: str) -> None:
    await migrate(url, [FIRST])
    edited = FIRST._replace(sql=FIRST.sql + " -- as an afterthought")

    with pytest.raises(ChangedMigrationError, match=FIRST.name):
        await migrate(url, [edited, SECOND])

    assert await look(url, "SELECT count(*) FROM seats") == 0


async def test_an_edited_file_keeps_those_before_it_from_being_applied_too(url: str) -> None:
    await migrate(url, [FIRST])
    added = Migration("shared/0002_added.sql", "CREATE TABLE added (a int)")
    edited = FIRST._replace(sql=FIRST.sql + " -- as an afterthought")

    with pytest.raises(ChangedMigrationError):
        await migrate(url, [added, edited])

    assert await look(url, "SELECT to_regclass('added')") is None


async def test_a_file_that_fails_leaves_nothing_behind_and_those_before_it_stand(url: str) -> None:
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(url, [FIRST, SECOND, FAILING])

    assert await look(url, "SELECT to_regclass('half')") is None
    assert await look(url, "SELECT count(*) FROM seats") == 1
    assert (
        await look(url, "SELECT string_agg(name, ' ' ORDER BY name) FROM migrations") == f"{FIRST.name} {SECOND.name}"
    )


async def test_a_file_that_cannot_be_noted_as_applied_is_not_applied(url: str) -> None:
    unnoted = Migration("catalog/0002_unnoted.sql", "CREATE TABLE half (a int); DROP TABLE migrations")

    with pytest.raises(asyncpg.UndefinedTableError):
        await migrate(url, [FIRST, unnoted])

    assert await look(url, "SELECT to_regclass('half')") is None
    assert await look(url, "SELECT name FROM migrations") == FIRST.name


async def test_a_file_that_failed_is_applied_once_it_has_been_put_right(url: str) -> None:
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(url, [FIRST, FAILING])

    applied = await migrate(url, [FIRST, FAILING._replace(sql="INSERT INTO seats VALUES (2)")])

    assert applied == [FAILING.name]


async def test_a_run_that_fails_lets_the_next_one_in(url: str) -> None:
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(url, [FIRST, FAILING])

    async with asyncio.timeout(5):
        assert await migrate(url, [FIRST]) == []


def test_shared_files_come_first_and_each_folders_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = written(tmp_path, **{"0010_last": "SELECT 10", "0001_first": "SELECT 1", "0002_then": "SELECT 2"})

    names = [migration.name for migration in read("catalog", folder)]

    shared = [f"shared/{path.name}" for path in sorted(SHARED.glob("*.sql"))]
    assert names == [*shared, "catalog/0001_first.sql", "catalog/0002_then.sql", "catalog/0010_last.sql"]


def test_what_is_no_sql_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("how to")

    assert all(migration.name.startswith("shared/") for migration in read("catalog", tmp_path))
