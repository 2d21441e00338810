"""Sign-ups that come while others are being written share the next transaction; who comes alone has one at once.

A batch is of one seminar, whose row it locks. There is no timer: a batch is who has come while the one before it was
written, so that it is as large as the load is, and where there is none it is one.
"""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple
from weakref import WeakValueDictionary

import asyncpg
from aiohttp import web
from prometheus_client import Histogram

from services.registration.signing_up import Answer, Outcome, Submission, sign_up_all
from shared.clock import Clock
from shared.database import Database
from shared.metrics import FAST, Metrics
from shared.together import Together

MOST = 128  # sign-ups in one transaction
ROOM = 2000  # sign-ups that may wait; at a tenth of the usual speed they are done in some five seconds
AT_ONCE = 4  # transactions, of as many seminars; the pool's other connections are for who reads
SIZES = (1, 2, 4, 8, 16, 32, 64, MOST)

# Nobody's fault; whether the batch was written is unknown then, so it is not tried again one by one.
OF_THE_DATABASE = (OSError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.InterfaceError)


class OverloadedError(Exception):
    """More sign up than can be written; who tries again in a moment finds room."""


class Waiting(NamedTuple):
    """A submission, and since when it waits."""

    submission: Submission
    since: float  # by time.perf_counter


class GroupCommit:
    """One for a process."""

    def __init__(self, database: Database, clock: Clock, metrics: Metrics, *, room: int = ROOM) -> None:
        self._database = database
        self._clock = clock
        self._room = room
        self._waiting = 0
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._lanes: WeakValueDictionary[str, Together[Waiting, Answer]] = WeakValueDictionary()  # while in use
        self._waits = Histogram(
            "fagseminar_sign_up_wait_seconds",
            "How long sign-ups waited for their transaction to begin",
            registry=metrics.registry,
            buckets=FAST,
        )
        self._sizes = Histogram(
            "fagseminar_sign_up_batch_size",
            "How many sign-ups shared a transaction",
            registry=metrics.registry,
            buckets=SIZES,
        )

    async def sign_up(self, submission: Submission) -> Outcome:
        """Sign somebody up together with whoever comes now; raises what `sign_up_all` answers, OverloadedError."""
        if self._waiting >= self._room:
            raise OverloadedError
        self._waiting += 1
        try:
            answer = await self._lane(submission.given.seminar).submit(Waiting(submission, time.perf_counter()))
        finally:
            self._waiting -= 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _lane(self, slug: str) -> Together[Waiting, Answer]:
        lane = self._lanes.get(slug)
        if lane is None:
            call = partial(self._write, slug)
            lane = self._lanes[slug] = Together(call, most=MOST, linger=0.0, turns=self._turns)
        return lane

    async def drain(self) -> None:
        """Return once everybody who waits has been written, whether or not they still wait for the answer."""
        await asyncio.gather(*(lane.idle() for lane in list(self._lanes.values())))

    async def _write(self, slug: str, batch: Sequence[Waiting]) -> list[Answer]:
        """Write the batch in one transaction or, when something in it cannot be written, each in one of its own."""
        now = time.perf_counter()
        for waiting in batch:
            self._waits.observe(now - waiting.since)
        self._sizes.observe(len(batch))
        submissions = [waiting.submission for waiting in batch]
        try:
            return await self._transact(slug, submissions)
        except Exception as error:
            if len(batch) == 1 or isinstance(error, OF_THE_DATABASE):
                raise
        return [await self._write_one(slug, submission) for submission in submissions]

    async def _write_one(self, slug: str, submission: Submission) -> Answer:
        try:
            (answer,) = await self._transact(slug, [submission])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this one's
            return error
        return answer

    async def _transact(self, slug: str, submissions: Sequence[Submission]) -> list[Answer]:
        async with self._database.transaction() as connection:
            return await sign_up_all(connection, slug, submissions, self._clock.now())


GROUP_COMMIT = web.AppKey("GROUP_COMMIT", GroupCommit)
