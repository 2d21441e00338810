"""Forgets what has had its use."""

import asyncio

from services.registration import store
from shared.database import Database

INTERVAL = 3600.0  # seconds


async def run(database: Database) -> None:
    """Clear old idempotency keys, now and every hour, until cancelled."""
    while True:
        async with database.connection() as connection:
            await store.forget_old_keys(connection)
        await asyncio.sleep(INTERVAL)
