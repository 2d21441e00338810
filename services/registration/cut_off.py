"""Closes waiting lists when their moment comes."""

import asyncio
from datetime import UTC, datetime

from services.registration import store_waiting_list, waiting_list
from shared.background import Nudge, first_of
from shared.clock import Clock
from shared.database import Database

POLL = 30.0  # seconds between looks when nobody nudges: another replica may have learnt of a seminar


async def run(database: Database, clock: Clock, nudge: Nudge) -> None:
    """Close what is due, then sleep until the next moment, however the clock gets there, until cancelled."""
    while True:
        await _close_due(database, clock)
        async with database.connection() as connection:
            following = await store_waiting_list.next_cut_off(connection) or datetime.max.replace(tzinfo=UTC)
        await first_of(nudge.wait(), clock.sleep_until(following), asyncio.sleep(POLL))


async def _close_due(database: Database, clock: Clock) -> None:
    more = True
    while more:
        async with database.transaction() as connection:
            more = await waiting_list.close_one(connection, clock.now())
