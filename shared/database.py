"""One pool of PostgreSQL connections a process."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg
import asyncpg.pool

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

STATEMENT_TIMEOUT = 15_000  # milliseconds; shorter than any lease, so a stuck statement never outlives its claim


class Database:
    """A pool with the ways that services use it: to read, to look around without touching, to change and tell."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self.pool = pool
        self.after_commit: Callable[[], None] = lambda: None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection outside any transaction, for reading."""
        async with self.pool.acquire() as connection:
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """Lend a connection that sees one moment, however often it looks, and cannot write."""
        async with (
            self.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection

    @asynccontextmanager
    async def transaction(self, *, hurry: bool = True) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction; after its commit in a `hurry` the relay is nudged."""
        async with self.pool.acquire() as connection, connection.transaction():
            yield connection
        if hurry:
            self.after_commit()


@asynccontextmanager
async def open_database(url: str, *, connections: int = 10) -> AsyncIterator[Database]:
    """Open a pool of up to `connections` and close it at the end."""
    pool = await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=connections,
        init=_speak_json,
        reset=_leave_as_is,
        command_timeout=STATEMENT_TIMEOUT / 1000 + 5,
        server_settings={"statement_timeout": str(STATEMENT_TIMEOUT), "timezone": "UTC"},
    )
    try:
        yield Database(pool)
    finally:
        await pool.close()


async def _speak_json(connection: Connection) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)


async def _leave_as_is(_: Connection) -> None:
    """Spare the round trip by which connections are made as new: nobody here sets what outlives a statement.

    An advisory lock of a session is given back by who took it; a transaction that was left open is rolled back.
    """
