"""Forgets what has had its use."""

import asyncio
from datetime import UTC, datetime, timedelta

from services.registration import erasing, store, store_erasing
from shared.background import Nudge, first_of
from shared.clock import Clock
from shared.database import Database

INTERVAL = 3600.0  # seconds between looks, while no moment comes
NEVER = datetime.max.replace(tzinfo=UTC)


async def run(database: Database, clock: Clock, kept_for: timedelta, nudge: Nudge) -> None:
    """Clear old idempotency keys, and people whose seminar has been over for `kept_for`, until cancelled."""
    while True:
        async with database.connection() as connection:
            await store.forget_old_keys(connection)
        await _erase_due(database, clock, kept_for)
        async with database.connection() as connection:
            end = await store_erasing.next_end(connection, clock.now() - kept_for)
        following = end + kept_for if end else NEVER
        await first_of(nudge.wait(), clock.sleep_until(following), asyncio.sleep(INTERVAL))


async def _erase_due(database: Database, clock: Clock, kept_for: timedelta) -> None:
    more = True
    while more:
        async with database.transaction() as connection:
            more = await erasing.erase_some(connection, kept_for, clock.now())
