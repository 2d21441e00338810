"""From an application to a process that serves it and ends in good order."""

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from aiohttp import web

from shared.background import Background
from shared.bus import Bus, OpenBus
from shared.clock import Clock
from shared.database import Database, open_database
from shared.metrics import MeasuredBus, Metrics
from shared.outbox import Relay
from shared.settings import ServiceSettings
from shared.web import exposition, health
from shared.web.keys import BACKGROUND, CLOCK, DATABASE, METRICS, SETTINGS
from shared.web.limiting import LIMITER, Limiter
from shared.web.middleware import MIDDLEWARES
from shared.web.pages import install

BODY_LIMIT = 256 * 1024  # bytes; a seminar document with every talk in three languages is a tenth of it
SHUTDOWN = 10.0  # seconds for requests under way

log = structlog.get_logger()


def new_application(
    settings: ServiceSettings, clock: Clock, templates: Path, routes: Iterable[web.AbstractRouteDef], **site: str | None
) -> web.Application:
    """Return a service's application; `site` is what the base layout says of it. Nothing is connected yet."""
    app = web.Application(middlewares=MIDDLEWARES, client_max_size=BODY_LIMIT)
    app[SETTINGS] = settings
    app[CLOCK] = clock
    app[METRICS] = Metrics()
    app[LIMITER] = Limiter(settings.limits, settings.proxies)
    install(app, templates, **site)
    app.add_routes([*health.ROUTES, *exposition.ROUTES, *routes])
    return app


@asynccontextmanager
async def connected(app: web.Application, open_bus: OpenBus) -> AsyncIterator[tuple[Database, Bus, Background]]:
    """Open a service's pool and its end of the bus, relay its outbox, and close them in the opposite order."""
    settings = app[SETTINGS]
    async with open_database(settings.database_url, connections=settings.database_connections) as database:
        bus, background = MeasuredBus(open_bus(database), app[METRICS]), Background()
        app[DATABASE], app[BACKGROUND] = database, background
        background.start("relay", Relay(database, bus).run())
        try:
            yield database, bus, background
        finally:
            await background.stop()
            await bus.close()


@asynccontextmanager
async def serving(app: web.Application, listener: socket.socket) -> AsyncIterator[None]:
    """Serve `app` on `listener`; at the end requests finish first, then its loops, bus and pool close."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()


def listen(host: str, port: int) -> socket.socket:
    """Bind a listening socket; raises OSError when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


async def run(app: web.Application, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; raises RuntimeError when a loop of the service ends before that."""
    stop = stop_signal()
    async with serving(app, listener):
        settle()
        log.info("serving", address=listener.getsockname()[:2])
        await until(stop, app)


def settle() -> None:
    """Leave what is loaded by now to itself: the garbage collector would stop all for 50 ms to look through it."""
    gc.collect()
    gc.freeze()


def stop_signal() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def until(stop: asyncio.Event, *apps: web.Application) -> None:
    """Return when `stop` is set; raises RuntimeError when a loop of one of `apps` ends."""
    waits = {asyncio.ensure_future(stop.wait())} | {asyncio.ensure_future(app[BACKGROUND].ended()) for app in apps}
    done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in pending:
        wait.cancel()
    for name in [name for wait in done if isinstance(name := wait.result(), str)]:
        raise RuntimeError(f"the loop {name} ended; so does the process")
