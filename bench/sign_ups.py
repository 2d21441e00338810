"""Signing up under load, in one run beside bare aiohttp with pydantic, and beside pgbench with a transaction each.

Everything is on: unique addresses, seats, deadlines, known addresses, Idempotency-Keys, metrics, logs, the outbox and
its relay. The load and PostgreSQL run on the same cores, so that only shares within one run say much.
"""

import asyncio
import itertools
import json
import os
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from yarl import URL

from bench.confirmations import SLUG, has_rabbitmq, site
from bench.load import CONNECTIONS, send
from bench.servers import started
from bench.smtp_servers import noting_sink
from local.postgres import Postgres, remove
from local.services import migrated_databases
from local.up import BROKERS
from services.registration import commands
from shared.clock import SystemClock
from shared.database import open_database
from shared.messages import SeminarSnapshot

ROUNDS, SECONDS = 5, 4  # of each, in turn, so that what else the machine does meets all
HOT, SPREAD = ("seminar-0",), tuple(f"seminar-{number}" for number in range(32))
SEATS = 10_000  # in each room; who comes later stands in line
PATH = "/api/registrations"
SCRIPT = Path(__file__).with_suffix(".lua")
PGBENCH = (*sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"), reverse=True), Path("/usr/bin/pgbench"))
TPS = re.compile(r"tps = ([0-9.]+)")
AVERAGE = re.compile(r"latency average = ([0-9.]+) ms")
EXEMPT = "exempt:127.0.0.0/8"

ONE_BY_ONE = r"""
\set number random(1, 1000000000000)
BEGIN;
SELECT revision FROM seminars WHERE slug = 'seminar-0' FOR NO KEY UPDATE;
SELECT pg_try_advisory_xact_lock(hashtextextended(:number::text, 1));
SELECT answer FROM idempotency_keys WHERE key = :number::text;
SELECT count(*) FROM registrations WHERE seminar = 'seminar-0' AND attendance = 'in_person'
    AND status IN ('confirmed', 'waitlisted');
INSERT INTO registrations (id, seminar, status, attendance, name, email, email_key, organisation, language,
    registered_at, confirmed_at)
    VALUES (gen_random_uuid(), 'seminar-0', 'confirmed', 'in_person', 'Kari Nordmann',
        :number || '@solund.example.no', :number || '@solund.example.no', 'Solund kommune', 'nb', now(), now())
    ON CONFLICT (seminar, email_key) WHERE status <> 'cancelled' DO NOTHING;
INSERT INTO outbox (message_id, type, body) VALUES (gen_random_uuid(), 'registration.confirmed', repeat('x', 600));
INSERT INTO idempotency_keys (key, body_hash, status, answer) VALUES (:number::text, '\x00', 202, '{}');
COMMIT;
"""


class Loaded(NamedTuple):
    """What one round came to."""

    rate: float  # sign-ups a second
    p50: float  # milliseconds
    p99: float

    def __str__(self) -> str:
        return f"{self.rate:>6.0f}/s  p50 {self.p50:.1f} ms  p99 {self.p99:.1f} ms"


class Measured(NamedTuple):
    """The medians of all rounds, by one process where nothing else is said."""

    hot: Loaded
    two: Loaded  # the same with two replicas
    spread: Loaded
    bare: Loaded  # aiohttp with pydantic, which keeps nothing
    alone: Loaded | None  # pgbench with a transaction each, where there is one


_runs = itertools.count()


async def load(url: URL, seminars: Sequence[str], connections: int = CONNECTIONS) -> Loaded:
    """Sign people up for the seminars in turn over so many connections; raises RuntimeError unless all are taken."""
    run = f"run{next(_runs)}"
    if not shutil.which("wrk"):
        return await _load_by_ourselves(url, seminars, run)
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{SECONDS}s",
        "-s",
        str(SCRIPT),
        str(url.with_path(PATH)),
        "--",
        run,
    ]
    process = await asyncio.create_subprocess_exec(*command, *seminars, stdout=asyncio.subprocess.PIPE)
    said = json.loads((await process.communicate())[0].splitlines()[-1])
    if said.pop("errors"):
        raise RuntimeError("some were not taken")
    return Loaded(**said)


async def _load_both(urls: Sequence[URL]) -> Loaded:
    """Sign people up for the hot seminar at two replicas, over half of the connections each."""
    one, other = await asyncio.gather(*(load(url, HOT, CONNECTIONS // 2) for url in urls))
    return Loaded(one.rate + other.rate, max(one.p50, other.p50), max(one.p99, other.p99))


async def _load_by_ourselves(url: URL, seminars: Sequence[str], run: str) -> Loaded:
    loop = asyncio.get_running_loop()
    until = loop.time() + SECONDS
    requests = itertools.takewhile(lambda _: loop.time() < until, _requests(url, seminars, run))
    load = await send(url, requests)
    if load.statuses != {202}:
        raise RuntimeError(f"answered {load.statuses}")
    return Loaded(load.rate, load.within(0.50), load.within(0.99))


def _requests(url: URL, seminars: Sequence[str], run: str) -> Iterator[bytes]:
    for number in itertools.count(1):
        body = json.dumps(
            {
                "seminar": seminars[number % len(seminars)],
                "name": "Kari Nordmann",
                "email": f"{run}-{number}@solund.example.no",
                "attendance": "in_person",
                "organisation": "Solund kommune",
            }
        ).encode()
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: {url.authority}\r\nContent-Type: application/json\r\n"
            f"Idempotency-Key: {run}-{number}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


async def measure() -> Measured:
    """Return the figures of the hot seminar and of many, and what they are measured beside; takes two minutes."""
    hot, two, spread, bare, alone = [], [], [], [], []
    async with _servers() as (ours, replica, least, database_url):
        for _ in range(ROUNDS):
            await _afresh(database_url)
            hot.append(await load(ours, HOT))
            await _afresh(database_url)
            two.append(await _load_both((ours, replica)))
            bare.append(await load(least, HOT))
            await _afresh(database_url)
            spread.append(await load(ours, SPREAD))
            if pgbench := find_pgbench():
                await _afresh(database_url)
                alone.append(await _one_by_one(pgbench, database_url))
    beside = _median(alone) if alone else None
    return Measured(_median(hot), _median(two), _median(spread), _median(bare), beside)


@asynccontextmanager
async def _servers() -> AsyncIterator[tuple[URL, URL, URL, str]]:
    """Run two replicas of registration on a database of their own, and the least that there can be."""
    async with AsyncExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.callback(remove, data)
        postgres = await stack.enter_async_context(Postgres.running(data))
        database_url = (await migrated_databases(postgres))["registration"]
        await _publish(database_url)
        environment = {
            "DATABASE_URL": database_url,
            "BUS_URL": "local:",
            "PUBLIC_URL": "http://localhost",
            "SECRET_KEY": "a-key-for-benchmarks-only",
            "ORGANISER_TOKENS": "a-token-for-benchmarks",
            "RATE_LIMIT": EXEMPT,
        }
        ours = await stack.enter_async_context(started("registration", environment))
        replica = await stack.enter_async_context(started("registration", environment))
        yield ours, replica, await stack.enter_async_context(started("bare-sign-up")), database_url


async def measure_all(broker: str) -> tuple[Loaded, float]:
    """Return the same of the whole program, and how many confirmations a second a mail server was given meanwhile."""
    async with noting_sink() as (port, taken), site(broker, port) as url:
        before = len(taken)
        loaded = await load(url, [SLUG])
        return loaded, (len(taken) - before) / SECONDS


def _median(rounds: Sequence[Loaded]) -> Loaded:
    return Loaded(*(statistics.median(figures) for figures in zip(*rounds, strict=True)))


async def _publish(database_url: str) -> None:
    """Have the seminars there."""
    async with open_database(database_url) as database, database.transaction() as connection:
        for slug in SPREAD:
            await commands.learn_of_seminar(connection, _seminar(slug), SystemClock().now())


async def _afresh(database_url: str) -> None:
    """Have nobody signed up."""
    async with open_database(database_url) as database, database.connection() as connection:
        await connection.execute("TRUNCATE registrations, standings, idempotency_keys, outbox")


def _seminar(slug: str) -> SeminarSnapshot:
    start = SystemClock().now() + timedelta(days=10)
    return SeminarSnapshot.model_validate(
        {
            "slug": slug,
            "revision": 1,
            "status": "published",
            "title": {"nb": "Planstrategi 4.0", "en": "Planning strategy 4.0"},
            "start": start,
            "end": start + timedelta(hours=3),
            "zone": "Europe/Oslo",
            "attendance": {
                "in_person": {"capacity": SEATS, "deadline": start - timedelta(days=3)},
                "online": {"deadline": start},
            },
        }
    )


def find_pgbench() -> Path | None:
    """Return where PostgreSQL's own benchmark is, if it is here."""
    return next((path for path in PGBENCH if path.exists()), None)


async def _one_by_one(pgbench: Path, database_url: str) -> Loaded:
    """Have pgbench insert what a sign-up does, each in a transaction of its own, over as many connections."""
    at = urlsplit(database_url)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(ONE_BY_ONE)
        script.flush()
        process = await asyncio.create_subprocess_exec(
            *(pgbench, "-n", "-M", "prepared", f"-c{CONNECTIONS}", "-j1", f"-T{SECONDS}", "-r", "-f", script.name),
            *("-h", at.hostname or "", "-p", str(at.port), "-U", at.username or "", at.path.removeprefix("/")),
            env={**os.environ, "PGPASSWORD": at.password or ""},
            stdout=asyncio.subprocess.PIPE,
        )
        said = (await process.communicate())[0].decode()
    rate, average = TPS.search(said), AVERAGE.search(said)
    if not rate or not average:
        raise RuntimeError(f"pgbench: {said}")
    return Loaded(float(rate[1]), float(average[1]), float("nan"))


def main() -> None:
    """Measure, and print the figures."""
    say = sys.stdout.write
    say(f"sign-ups: one process of registration, {CONNECTIONS} connections, all of them other people\n")
    hot, two, spread, bare, alone = asyncio.run(measure())
    say(f"  one hot seminar               {hot}  share of bare {hot.rate / bare.rate:.2f}\n")
    say(f"  the same with two replicas    {two}  share of bare {two.rate / bare.rate:.2f}\n")
    say(f"  spread over {len(SPREAD)} seminars       {spread}  share of bare {spread.rate / bare.rate:.2f}\n")
    say(f"  bare aiohttp with pydantic    {bare}\n")
    if alone:
        times = f"hot is {hot.rate / alone.rate:.1f} times that, with two replicas {two.rate / alone.rate:.1f}"
        say(f"  pgbench, a transaction each   {alone.rate:>6.0f}/s  {times}\n")
    else:
        say("  NOT MEASURED: there is no pgbench here to insert the same in a transaction each\n")
    for broker in BROKERS if has_rabbitmq() else BROKERS[:1]:
        loaded, emails = asyncio.run(measure_all(broker))
        say(f"  everything, over {broker:<12} {loaded}  with {emails:.0f} e-mails/s\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
