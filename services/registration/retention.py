"""Forgets what has had its use."""

import asyncio

from services.registration import store
from shared import inbox
from shared.database import Database

INTERVAL = 3600.0  # seconds


async def run(database: Database) -> None:
    """Clear old idempotency keys and inbox rows, now and every hour."""
    while True:
        async with database.connection() as connection:
            await store.forget_old_keys(connection)
            await inbox.forget_old(connection)
        await asyncio.sleep(INTERVAL)
