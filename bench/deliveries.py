"""Delivery: how fast many are reminded, how late, how soon a sign-up is confirmed, and what a death leaves in doubt."""

import asyncio
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import asyncpg

from bench import populated
from bench.servers import running
from bench.smtp_servers import is_there, noting_sink, smtp_sink, smtp_source
from local.postgres import Postgres, remove
from local.services import migrated_databases
from local.supervisor import ROOT
from shared.clock import SystemClock

CONNECTIONS = 8
ROUNDS = 3  # of each, in turn, so that what else the machine does meets all
MOST_RAW = 10_000  # e-mails of a round of what is possible


class Ground(NamedTuple):
    """What the benchmarks of delivery stand on."""

    database_url: str
    connection: "asyncpg.Connection[asyncpg.Record]"
    sink: int  # the port of smtp-sink

    def environment(self, port: int, **others: str) -> dict[str, str]:
        """Return that of a replica which sends to `port`."""
        settings = {name.upper(): value for name, value in populated.SETTINGS.items()}
        return {
            **settings,
            "DATABASE_URL": self.database_url,
            "SMTP_URL": f"smtp://127.0.0.1:{port}",
            "SMTP_CONNECTIONS": str(CONNECTIONS),
            **others,
        }

    async def populate(self, people: int, due_at: datetime) -> None:
        """Have so many people to be reminded at `due_at`."""
        await populated.populate(self.database_url, people, due_at)
        await populated.analysed(self.database_url)

    async def sent(self, people: int) -> None:
        """Return once so many e-mails are sent."""
        while await self.connection.fetchval("SELECT count(*) FROM emails WHERE state = 'sent'") < people:  # noqa: ASYNC110 - by other processes
            await asyncio.sleep(0.1)

    async def relayed(self) -> None:
        """Return once the others have been told of everything."""
        while await self.connection.fetchval("SELECT count(*) FROM outbox"):  # noqa: ASYNC110 - by another process
            await asyncio.sleep(0.1)

    async def seconds(self) -> float:
        """Return the seconds from the first e-mail that was sent to the last."""
        spent = "SELECT extract(epoch FROM max(sent_at) - min(sent_at))::float FROM emails"
        return float(await self.connection.fetchval(spent))


@asynccontextmanager
async def ground() -> AsyncIterator[Ground]:
    """Have PostgreSQL, durable as in production, and an SMTP sink."""
    async with AsyncExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.callback(remove, data)
        postgres = await stack.enter_async_context(Postgres.running(data))
        url = (await migrated_databases(postgres))["notification"]
        connection = await asyncpg.connect(url)
        stack.push_async_callback(connection.close)
        yield Ground(url, connection, await stack.enter_async_context(smtp_sink()))


# --- a reminder to many ---


class FanOut(NamedTuple):
    """What a reminder to so many people came to, beside what was possible in the same run."""

    people: int
    ours: float  # e-mails a second
    cpu: float  # microseconds of our process for each
    raw: float
    raw_cpu: float
    source: float

    def __str__(self) -> str:
        return (
            f"a reminder to {self.people:>6,}  {self.ours:>6.0f}/s  raw aiosmtplib {self.raw:>6.0f}/s"
            f"  smtp-source {self.source:>6.0f}/s  share {self.ours / self.raw:.2f}"
            f"  CPU {self.cpu:.0f} us, raw {self.raw_cpu:.0f} us"
        )


async def fan_out(ground: Ground, people: int, rounds: int = ROUNDS) -> FanOut:
    """Measure a reminder to so many people, and what is possible, in turn."""
    size = len(populated.an_email())
    ours, raw, source = [], [], []
    for _ in range(rounds):
        raw.append(await _raw(ground.sink, min(people, MOST_RAW)))
        ours.append(await _ours(ground, people))
        source.append(await smtp_source(ground.sink, min(people, MOST_RAW), size, CONNECTIONS))
    median = [statistics.median(values) for values in (*zip(*ours, strict=True), *zip(*raw, strict=True), source)]
    return FanOut(people, *median)


async def _ours(ground: Ground, people: int) -> tuple[float, float]:
    """Return the e-mails a second, from the first that is sent to the last, and the CPU for each."""
    await ground.populate(people, SystemClock().now() - timedelta(seconds=1))
    async with running("notification", ground.environment(ground.sink)) as replica:
        idle = replica.cpu()
        await ground.sent(people)
        await ground.relayed()
        cpu = replica.cpu() - idle
    return people / await ground.seconds(), cpu / people * 1e6


async def _raw(port: int, messages: int) -> tuple[float, float]:
    arguments = ("-m", "bench.raw_smtp", str(port), str(messages), str(CONNECTIONS))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    rate, cpu = printed.split()
    return float(rate), float(cpu)


# --- how late ---


class Lateness(NamedTuple):
    """How long after their common moment reminders were taken over."""

    people: int
    replicas: int
    p50: float  # seconds
    p99: float

    def __str__(self) -> str:
        return (
            f"{self.people:,} due in the same minute, {self.replicas} replica{'s' * (self.replicas > 1)}:"
            f" late by p50 {self.p50:.1f} s, p99 {self.p99:.1f} s"
        )


async def lateness(ground: Ground, people: int, replicas: int) -> Lateness:
    """Measure how late so many reminders leave that are due at the same moment."""
    async with AsyncExitStack() as stack:
        await ground.populate(people, due_at := SystemClock().now() + timedelta(seconds=15))
        for _ in range(replicas):
            await stack.enter_async_context(running("notification", ground.environment(ground.sink)))
        if SystemClock().now() > due_at:
            raise RuntimeError("the replicas were not up in time")
        await ground.sent(people)
    late = "SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM sent_at - due_at))"
    p50, p99 = await ground.connection.fetchval(f"{late} FROM emails")
    return Lateness(people, replicas, p50, p99)


# --- how much waits ---


class Waiting(NamedTuple):
    """What an e-mail costs while so many wait."""

    people: int
    seconds: float  # for each e-mail
    cpu: float  # microseconds of our process for each

    def __str__(self) -> str:
        return f"while {self.people:>9,} wait  {self.seconds * 1e6:.0f} us an e-mail, CPU {self.cpu:.0f} us"


async def waiting(ground: Ground, people: int, measured: int) -> Waiting:
    """Measure the first `measured` e-mails of so many that are due."""
    await ground.populate(people, SystemClock().now() - timedelta(seconds=1))
    async with running("notification", ground.environment(ground.sink)) as replica:
        await ground.sent(1)
        idle = replica.cpu()
        await ground.sent(measured)
        cpu = replica.cpu() - idle
    seconds, sent = (
        await ground.seconds(),
        await ground.connection.fetchval("SELECT count(*) FROM emails WHERE state = 'sent'"),
    )
    return Waiting(people, seconds / sent, cpu / sent * 1e6)


# --- a death ---


class Death(NamedTuple):
    """What became of e-mails one of whose senders was killed."""

    people: int
    lost: int
    doubled: int  # more copies than were counted as ambiguous
    ambiguous: int

    def __str__(self) -> str:
        return (
            f"a replica killed in the middle of {self.people:,}: lost {self.lost}, ambiguous {self.ambiguous}"
            f" of {CONNECTIONS} connections, doubled without being counted {self.doubled}"
        )


async def death(ground: Ground, people: int) -> Death:
    """Kill a sender in the middle of it, start another, and count what arrived."""
    await ground.populate(people, SystemClock().now() - timedelta(seconds=1))
    async with noting_sink() as (port, taken):
        environment = ground.environment(port, LEASE_SECONDS="9", SMTP_DEADLINE_SECONDS="3")
        async with running("notification", environment) as replica:
            await ground.sent(people // 3)
            replica.process.kill()
        async with running("notification", environment):
            await ground.sent(people)
    ids = Counter(email.message_id for email in taken)
    ambiguous = int(await ground.connection.fetchval("SELECT sum(ambiguous) FROM emails"))
    return Death(people, people - len(ids), max(0, sum(ids.values()) - len(ids) - ambiguous), ambiguous)


async def measure() -> AsyncIterator[object]:
    """Give each figure as it is known; takes some minutes."""
    async with ground() as on:
        yield await fan_out(on, 5_000)
        yield await fan_out(on, 50_000, rounds=1)
        for replicas in (1, 2):
            yield await lateness(on, 10_000, replicas)
        yield await death(on, 3_000)
        few, many = await waiting(on, 1_000, 1_000), await waiting(on, 1_000_000, 1_000)
        yield few
        yield f"{many}, {many.seconds / few.seconds:.2f} of that"


async def _print(found: AsyncIterator[object]) -> None:
    async for one in found:
        sys.stdout.write(f"  {one}\n")
        sys.stdout.flush()


def main() -> None:
    """Measure, and print the figures, where Postfix's test programs are."""
    if not is_there():
        sys.stdout.write("deliveries: not measured, as smtp-sink and smtp-source (of Postfix) are not installed\n")
        return
    sys.stdout.write(f"deliveries: one process, {CONNECTIONS} SMTP connections, smtp-sink, PostgreSQL that syncs\n")
    asyncio.run(_print(measure()))
