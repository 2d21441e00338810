"""Turns reminder rules into e-mails when their moment comes."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from services.notification import commands, store
from shared.background import Nudge, first_of
from shared.clock import Clock
from shared.database import Database

POLL = 30.0  # seconds between looks when nobody nudges: another replica may have learnt of a rule

log = structlog.get_logger()


class Reminders:
    """The loop that waits for the next rule's moment."""

    def __init__(self, database: Database, clock: Clock, written: Callable[[], None]) -> None:
        self._database = database
        self._clock = clock
        self._written = written
        self.nudge = Nudge()

    async def run(self) -> None:
        """Write what is due, then sleep until the next moment, however the clock gets there."""
        while True:
            await self._write_due()
            async with self._database.connection() as connection:
                following = await store.next_due(connection) or datetime.max.replace(tzinfo=UTC)
            await first_of(self.nudge.wait(), self._clock.sleep_until(following), asyncio.sleep(POLL))

    async def _write_due(self) -> None:
        while True:
            async with self._database.transaction() as connection:
                rule = await commands.materialise_due(connection, self._clock.now())
            if rule is None:
                return
            log.info("reminders written", rule=rule)
            self._written()
