"""Relays of several replicas on one database."""

import asyncio
from functools import partial

import pytest

from shared import outbox
from shared.database import Database, open_database
from tests.conftest import NewDatabase
from tests.eventually import eventually
from tests.factories import RecordingBus, make_message


async def test_what_a_replica_records_that_stands_by_is_relayed_at_once(
    new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.outbox.POLL", 60.0)
    url, bus = await new_database("registration"), RecordingBus()
    async with open_database(url) as first, open_database(url) as second:
        relays = [asyncio.create_task(outbox.Relay(database, bus).run()) for database in (first, second)]
        try:
            await eventually(partial(_one_holds_the_lock, first))
            for number, database in enumerate((first, second), 1):  # one of which stands by
                async with database.transaction() as connection:
                    await outbox.record(connection, make_message())
                await eventually(partial(_published, bus, number), within=5)
        finally:
            for relay in relays:
                relay.cancel()
            await asyncio.gather(*relays, return_exceptions=True)


async def _one_holds_the_lock(database: Database) -> bool:
    async with database.connection() as connection:
        return bool(await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"))


async def _published(bus: RecordingBus, number: int) -> bool:
    return len(bus.published) == number
