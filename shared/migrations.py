"""Numbered `.sql` files, each applied once, in order, by a command and never at a replica's start."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import asyncpg

LOCK = 0x_FA65_0001  # advisory lock: one migration of a database at a time
SHARED = Path(__file__).parent / "migrations"


class Migration(NamedTuple):
    """One file: its name with the folder's, its SQL."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the SQL, so that an edited old file is noticed."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


class ChangedMigrationError(RuntimeError):
    """A migration that was applied before has another text now."""


def read(service: str, folder: Path) -> list[Migration]:
    """Return the shared migrations and those of the service, in the order they are applied."""
    return [
        Migration(f"{owner}/{path.name}", path.read_text())
        for owner, place in (("shared", SHARED), (service, folder))
        for path in sorted(place.glob("*.sql"))
    ]


async def migrate(url: str, migrations: list[Migration]) -> list[str]:
    """Apply what is missing, each in its own transaction, and return the names of what was applied.

    Raises ChangedMigrationError if an applied one was edited.
    """
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, checksum text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT clock_timestamp())",
        )
        rows = await connection.fetch("SELECT name, checksum FROM migrations")
        applied: dict[str, str] = {row["name"]: row["checksum"] for row in rows}
        _check_unedited(migrations, applied)
        missing = [migration for migration in migrations if migration.name not in applied]
        for migration in missing:
            await _apply(connection, migration)
        return [migration.name for migration in missing]
    finally:
        await connection.close()


def _check_unedited(migrations: list[Migration], applied: dict[str, str]) -> None:
    for migration in migrations:
        if applied.get(migration.name, migration.checksum) != migration.checksum:
            raise ChangedMigrationError(
                f"{migration.name} was applied and has been edited since; add a new file instead"
            )


async def _apply(connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO migrations (name, checksum) VALUES ($1, $2)", migration.name, migration.checksum
        )
