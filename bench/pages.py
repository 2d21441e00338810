"""The seminar's page and the list under load, as a share of a bare aiohttp answer of the same size."""

import asyncio
import copy
import statistics
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
from yarl import URL

from bench.load import Load, get
from bench.servers import started
from local.importing import read_document
from local.postgres import Postgres, remove
from local.services import migrated_databases
from local.up import EXAMPLE

ROUNDS, REQUESTS = 9, 3000  # of either, in turn, so that what else the machine does meets both
SEMINARS = 500  # besides the example, for the list
TOKEN = "a-token-for-benchmarks"  # noqa: S105 - of a server that lives for a minute
PAGE = {"Accept": "text/html", "Accept-Language": "nb"}


class Case(NamedTuple):
    """A page, and the headers that it is asked for with."""

    name: str
    path: str
    known: bool = False  # whether whoever asks has it already, and gets 304


CASES = (
    Case("a seminar's page", "/seminars/planstrategi-4-0"),
    Case("the same, known already (304)", "/seminars/planstrategi-4-0", known=True),
    Case(f"the list of {SEMINARS + 1} seminars", "/"),
)


class Measured(NamedTuple):
    """A case's figures."""

    case: Case
    size: int  # bytes
    ours: float  # answers a second
    bare: float
    p50: float  # milliseconds
    p99: float

    @property
    def share(self) -> float:
        """How much of the bare answers' rate is ours."""
        return self.ours / self.bare


async def measure() -> list[Measured]:
    """Return each case's figures; takes about half a minute."""
    async with _servers() as (ours, bare):
        return [await _measure(case, ours, bare) for case in CASES]


@asynccontextmanager
async def _servers() -> AsyncIterator[tuple[URL, URL]]:
    async with AsyncExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.callback(remove, data)
        postgres = await stack.enter_async_context(Postgres.running(data))
        environment = {
            "DATABASE_URL": (await migrated_databases(postgres))["catalog"],
            "BUS_URL": "local:",
            "PUBLIC_URL": "http://localhost",
            "SECRET_KEY": "a-key-for-benchmarks-only",
            "ORGANISER_TOKENS": TOKEN,
        }
        ours = await stack.enter_async_context(started("catalog", environment))
        await _fill(ours)
        yield ours, await stack.enter_async_context(started("bare"))


async def _fill(catalog: URL) -> None:
    """Put up the example, and many that are like it."""
    document = read_document(EXAMPLE)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:
        for slug in (document["slug"], *(f"seminar-{number}" for number in range(SEMINARS))):
            async with session.put(
                catalog / "api" / "seminars" / slug, json=copy.copy(document) | {"slug": slug}
            ) as answer:
                answer.raise_for_status()


async def _measure(case: Case, ours: URL, bare: URL) -> Measured:
    headers = dict(PAGE)
    async with aiohttp.ClientSession() as session, session.get(ours.join(URL(case.path)), headers=PAGE) as answer:
        size = 0 if case.known else len(await answer.read())
        if case.known:
            headers["If-None-Match"] = answer.headers["ETag"]
    taken: list[Load] = []
    least: list[Load] = []
    for _ in range(ROUNDS):
        least.append(await get(bare / str(size), REQUESTS, PAGE))
        taken.append(await get(ours.join(URL(case.path)), REQUESTS, headers))
    wanted = {304 if case.known else 200}
    if any(load.statuses != wanted for load in taken):
        raise RuntimeError(f"{case.name}: answered {[load.statuses for load in taken]}, not {wanted}")
    return Measured(
        case,
        size,
        statistics.median(load.rate for load in taken),
        statistics.median(load.rate for load in least),
        statistics.median(load.within(0.50) for load in taken),
        statistics.median(load.within(0.99) for load in taken),
    )


def main() -> None:
    """Measure, and print the table."""
    print("pages: answers a second on one process, 64 connections, beside bare aiohttp answers of the same size")  # noqa: T201 - what it is for
    for one in asyncio.run(measure()):
        print(  # noqa: T201 - as above
            f"  {one.case.name:<32} {one.size:>7} bytes  {one.ours:>7.0f}/s  bare {one.bare:>7.0f}/s"
            f"  share {one.share:.2f}  p50 {one.p50:.1f} ms  p99 {one.p99:.1f} ms"
        )
