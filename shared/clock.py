"""Where all domain time comes from: deadlines, due moments, expiry, the lives of a seminar.

Leases use PostgreSQL's own clock, and timeouts and backoff monotonic time; neither belongs here.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Protocol

LONGEST_NAP = 30.0  # seconds; the system's clock may be stepped while we sleep, so look again now and then


class Clock(Protocol):
    """What a service asks for the time."""

    def now(self) -> datetime:
        """Return the instant it is, in UTC."""
        ...

    async def sleep_until(self, moment: datetime) -> None:
        """Return once `now()` has reached `moment`, at once if it has."""
        ...


class SystemClock:
    """The machine's clock: what production runs by."""

    def now(self) -> datetime:
        """Return the instant it is, in UTC."""
        return datetime.now(UTC)

    async def sleep_until(self, moment: datetime) -> None:
        """Return once `now()` has reached `moment`, at once if it has."""
        while (left := (moment - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - time itself is waited for
            await asyncio.sleep(min(left, LONGEST_NAP))


class ClockMovedBackwardsError(ValueError):
    """The clock was asked to go to an instant before its now; time has no way back."""


class MovableClock:
    """A clock that ticks at the system's pace from wherever it was last moved to."""

    def __init__(self, offset: timedelta = timedelta()) -> None:
        self.offset = offset
        self._moved = asyncio.Event()

    @property
    def longest_nap(self) -> float:
        """Seconds after which a sleeper looks at the clock again, whether it was told of a jump or not."""
        return LONGEST_NAP

    def now(self) -> datetime:
        """Return the instant it is for this clock, in UTC."""
        return datetime.now(UTC) + self.offset

    def move_to(self, moment: datetime) -> None:
        """Jump to `moment` and wake all who sleep; raises ClockMovedBackwardsError for the past."""
        if moment < self.now():
            raise ClockMovedBackwardsError(f"{moment.isoformat()} is before {self.now().isoformat()}")
        self.offset = moment - datetime.now(UTC)
        self._moved.set()
        self._moved = asyncio.Event()

    async def sleep_until(self, moment: datetime) -> None:
        """Return once `now()` has reached `moment`, also when it gets there by a jump."""
        while (left := (moment - self.now()).total_seconds()) > 0:
            moved = self._moved
            try:
                async with asyncio.timeout(min(left, self.longest_nap)):
                    await moved.wait()
            except TimeoutError:
                continue
