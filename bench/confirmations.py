"""From a sign-up to the 250 of its confirmation: the whole program, as `make run` starts it, over either bus."""

import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
from yarl import URL

from bench.smtp_servers import Taken, noting_sink
from local.postgres import remove
from local.processes import end, free_port
from local.rabbitmq import RabbitMQMissingError, find_server
from local.supervisor import ROOT
from local.up import BROKERS

RATE = 20  # sign-ups a second
WARM_UP, MEASURED = 40, 400  # sign-ups
PATIENCE = 120.0  # seconds for the program to be up
SLUG = "planstrategi-4-0"


class Confirmed(NamedTuple):
    """How long it took from the request until a mail server had the confirmation."""

    broker: str
    p50: float  # milliseconds
    p99: float
    worst: float

    def __str__(self) -> str:
        return (
            f"sign-up to SMTP 250 at {RATE}/s over {self.broker:<8}  p50 {self.p50:.1f} ms  p99 {self.p99:.1f} ms"
            f"  worst {self.worst:.1f} ms"
        )


async def measure(broker: str) -> Confirmed:
    """Sign people up, evenly, and see when each one's confirmation is taken over."""
    async with noting_sink() as (port, taken), site(broker, port) as url, aiohttp.ClientSession() as client:
        asked = dict(await asyncio.gather(*(_sign_up(client, url, n) for n in range(WARM_UP + MEASURED))))
        async with asyncio.timeout(PATIENCE):
            while len(taken) < len(asked):  # noqa: ASYNC110 - the sink only notes
                await asyncio.sleep(0.05)
    return _confirmed(broker, asked, taken)


def _confirmed(broker: str, asked: dict[str, float], taken: list[Taken]) -> Confirmed:
    late = [(email.at - asked[email.recipient]) * 1000 for email in taken if asked[email.recipient]]
    percentiles = statistics.quantiles(late, n=100, method="inclusive")
    return Confirmed(broker, percentiles[49], percentiles[98], max(late))


async def _sign_up(client: aiohttp.ClientSession, url: URL, number: int) -> tuple[str, float]:
    """Return the address and when it was signed up, 0 while everything was still warming up."""
    await asyncio.sleep(number / RATE)
    address = f"kari{number}@solund.example.no"
    body = {"seminar": SLUG, "name": "Kari Nordmann", "email": address, "attendance": "online"}
    began = time.monotonic()
    async with client.post(url / "api" / "registrations", json=body) as answer:
        answer.raise_for_status()
    return address, began if number >= WARM_UP else 0.0


@asynccontextmanager
async def site(broker: str, smtp: int) -> AsyncIterator[URL]:
    """Run `make run`'s program in a folder of its own, sending to that port of loopback."""
    url = URL(f"http://127.0.0.1:{free_port()}")
    with tempfile.TemporaryDirectory() as folder:
        environment = {"DATA": folder, "PORT": str(url.port), "BROKER": broker, "SMTP_URL": f"smtp://127.0.0.1:{smtp}"}
        process = await asyncio.to_thread(_start, environment)
        try:
            await _ready(url)
            yield url
        finally:
            await end(process, ((signal.SIGINT, 60.0), (signal.SIGKILL, 5.0)))  # patience in seconds
            remove(Path(folder))


def _start(environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "local", "up"],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


async def _ready(url: URL) -> None:
    """Return once the example can be signed up for."""
    async with aiohttp.ClientSession() as client, asyncio.timeout(PATIENCE):
        while not await _answers(client, url / "register" / SLUG):  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.1)


async def _answers(client: aiohttp.ClientSession, url: URL) -> bool:
    try:
        async with client.get(url) as answer:
            return answer.ok
    except aiohttp.ClientError:
        return False


def main() -> None:
    """Measure, and print the figures; RabbitMQ's only where there is one."""
    sys.stdout.write("confirmations: the whole program on this machine, as `make run` starts it\n")
    for broker in BROKERS if has_rabbitmq() else BROKERS[:1]:
        sys.stdout.write(f"  {asyncio.run(measure(broker))}\n")
        sys.stdout.flush()


def has_rabbitmq() -> bool:
    """Return whether a broker can be started here."""
    try:
        find_server()
    except RabbitMQMissingError:
        return False
    return True
