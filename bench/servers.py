"""Servers to be measured, each a process of its own: a service as production runs it, and the least aiohttp can do."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import aiohttp
import uvloop
from aiohttp import web
from yarl import URL

from local.processes import end, free_port
from local.supervisor import ROOT
from local.up import NOTHING
from services.catalog import app as catalog
from services.catalog.settings import Settings
from services.notification import app as notification
from services.notification.settings import Settings as NotificationSettings
from services.registration import app as registration
from services.registration.answers import Outcome
from services.registration.model import SignUp
from services.registration.settings import Settings as RegistrationSettings
from shared import logs
from shared.bus import Handler
from shared.clock import SystemClock
from shared.local_bus import LocalBus, LocalEndpoint
from shared.messages import Message, RegistrationStatus
from shared.settings import load
from shared.web import health
from shared.web.server import listen, serving, settle, stop_signal

PATIENCE = 30.0  # seconds for a server to answer
POLL = 0.05  # seconds


class Server(NamedTuple):
    """One of `SERVERS`, running."""

    url: URL
    process: "subprocess.Popen[bytes]"

    def cpu(self) -> float:
        """Return the seconds of CPU that it has used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime (proc(5))


@asynccontextmanager
async def started(name: str, environment: Mapping[str, str] = NOTHING) -> AsyncIterator[URL]:
    """Run one of `SERVERS` as a process of its own while the caller's block runs, and give its address."""
    async with running(name, environment) as server:
        yield server.url


@asynccontextmanager
async def running(name: str, environment: Mapping[str, str] = NOTHING) -> AsyncIterator[Server]:
    """Run one of `SERVERS` as a process of its own while the caller's block runs."""
    port = free_port()
    process = await asyncio.to_thread(_spawn, name, {**environment, "PORT": str(port)})
    url = URL(f"http://127.0.0.1:{port}")
    try:
        async with aiohttp.ClientSession() as session, asyncio.timeout(PATIENCE):
            while not await _answers(session, url / "health" / "live"):  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(POLL)
        yield Server(url, process)
    finally:
        await end(process, ((signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0)))  # patience in seconds


def _spawn(name: str, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "bench.servers", name],
        cwd=ROOT,
        env={**os.environ, **environment},
        stderr=subprocess.DEVNULL,
    )


async def _answers(session: aiohttp.ClientSession, url: URL) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.ok
    except aiohttp.ClientConnectionError:
        return False


def bare() -> web.Application:
    """Return what answers every GET of /SIZE with so many bytes, made ready before."""
    bodies: dict[str, bytes] = {}

    async def answer(request: web.Request) -> web.Response:
        size = request.match_info["size"]
        body = bodies.setdefault(size, b"x" * int(size))
        return web.Response(body=body, content_type="text/html", charset="utf-8")

    app = web.Application()
    app.add_routes([*health.ROUTES, web.get("/{size:\\d+}", answer)])
    return app


def bare_sign_up() -> web.Application:
    """Return the least that aiohttp and pydantic can do with a sign-up: read it, and answer."""

    async def answer(request: web.Request) -> web.Response:
        given = SignUp.model_validate_json(await request.read())
        status = RegistrationStatus.CONFIRMED if given.attendance else RegistrationStatus.WAITLISTED
        body = Outcome(id=uuid4(), outcome=status).model_dump_json()
        return web.Response(text=body, status=202, content_type="application/json")

    app = web.Application()
    app.add_routes([*health.ROUTES, web.post("/api/registrations", answer)])
    return app


class TakesAll:
    """A bus that takes every message over at once, and brings none."""

    async def publish(self, _message: Message) -> None:
        """Take it."""

    async def consume(self, _queue: str, _handle: Handler) -> None:
        """Wait for messages that never come."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Nothing is held open."""


def a_registration() -> web.Application:
    """Return registration as production runs it, on a bus that takes over all that it relays."""
    settings = load(RegistrationSettings)
    logs.configure("registration", settings.log_level, settings.log_format)
    return registration.build(settings, clock=SystemClock(), open_bus=lambda _: TakesAll())


def a_catalog() -> web.Application:
    """Return catalog as production runs it, but for the bus, which has nothing to do with its pages."""
    settings = load(Settings)
    logs.configure("catalog", settings.log_level, settings.log_format)
    return catalog.build(settings, clock=SystemClock(), open_bus=partial(LocalEndpoint, LocalBus()))


def a_notification() -> web.Application:
    """Return notification as production runs it, on a bus that nobody else is on."""
    settings = load(NotificationSettings)
    logs.configure("notification", settings.log_level, settings.log_format)
    return notification.build(settings, clock=SystemClock(), open_bus=partial(LocalEndpoint, LocalBus()))


SERVERS = {
    "bare": bare,
    "bare-sign-up": bare_sign_up,
    "catalog": a_catalog,
    "notification": a_notification,
    "registration": a_registration,
}


async def _serve(name: str) -> None:
    stop = stop_signal()
    async with serving(SERVERS[name](), listen("127.0.0.1", int(os.environ["PORT"]))):
        settle()
        await stop.wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(sys.argv[1]))
