"""Forgets what organisers have sent to themselves, with the addresses that they typed."""

from datetime import timedelta

from services.notification import store_passages
from shared.clock import Clock
from shared.database import Database

KEPT = timedelta(days=1)  # in which it can be looked at what became of one
PAUSE = timedelta(hours=1)


async def run(database: Database, clock: Clock) -> None:
    """Look every hour, by the clock that tests were sent by."""
    while True:
        async with database.transaction(hurry=False) as connection:
            await store_passages.forget_tests(connection, clock.now() - KEPT)
        await clock.sleep_until(clock.now() + PAUSE)
