"""The command `fagseminar` (`python -m local`)."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Coroutine
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import aiohttp
import typer
import uvloop
from yarl import URL

from local import asyncapi, dead_letters
from local.demo.show import begin_anew, demo
from local.front import fronting
from local.importing import ImportRefusedError, import_file
from local.over_rabbitmq import ReplicasError, read_replicas
from local.processes import kept_secret
from local.services import SERVICES
from local.time_machine import KeptClock
from local.up import BROKERS, remove, up
from shared import logs, process
from shared.limits import read_limits
from shared.rabbitmq import RabbitBus
from shared.settings import load
from shared.web import server
from shared.web.clients import read_networks

app = typer.Typer(help="Fagseminar on one machine.", no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(dead_letters.app, name="dead-letters")

Data = Annotated[Path, typer.Option(envvar="DATA", help="the folder that all state lies under")]
Broker = Annotated[str, typer.Option(envvar="BROKER", help="local: all in this process; rabbitmq: processes over it")]
Replicas = Annotated[
    str, typer.Option(envvar="REPLICAS", help="over RabbitMQ: how many processes, as notification=3,registration=2")
]
Port = Annotated[int, typer.Option(envvar="PORT", min=0, max=65535)]


class Service(StrEnum):
    """The services."""

    CATALOG = "catalog"
    REGISTRATION = "registration"
    NOTIFICATION = "notification"


@app.command("up")
def start(
    data: Data = Path(".local"),
    port: Port = 8000,
    broker: Broker = "local",
    replicas: Replicas = "",
) -> None:
    """Start everything: PostgreSQL, the three services behind one port, mailbox and time machine."""
    _check(broker)
    try:
        wanted = read_replicas(replicas)
    except ReplicasError as error:
        sys.exit(f"fagseminar: REPLICAS: {error}")
    data.mkdir(parents=True, exist_ok=True)
    _run(up(data.resolve(), port, broker, wanted), data, port)


@app.command("demo")
def show(data: Data = Path(".local/demo"), port: Port = 8000, broker: Broker = "local") -> None:
    """Play the example's ten days, and count what came of it; status 1 if anything was lost or doubled."""
    _check(broker)
    outcome = []
    try:
        begin_anew(data)
    except RuntimeError as error:
        sys.exit(f"fagseminar: {error}")

    async def play() -> None:
        outcome.append(await demo(data.resolve(), port, broker))

    _run(play(), data, port)
    sys.exit(0 if outcome == [True] else 1)


def _check(broker: str) -> None:
    """End with one line that names what is malformed, before anything starts."""
    if broker not in BROKERS:
        sys.exit(f"fagseminar: BROKER: {broker!r} is none of {', '.join(BROKERS)}")
    for name, read in (("TRUSTED_PROXIES", read_networks), ("RATE_LIMIT", read_limits)):
        try:
            read(os.environ.get(name, ""))
        except ValueError as error:
            sys.exit(f"fagseminar: {name}: {error}")


def _run(work: Coroutine[None, None, None], data: Path, port: int) -> None:
    """Run everything in this process, its log under `data`; what it could not start is one line."""
    with (data / "fagseminar.log").open("a") as log:
        logs.configure("local", stream=log)
        try:
            run(work)
        except (OSError, RuntimeError) as error:
            sys.exit(f"fagseminar: {error_line(error, port)}")


def error_line(error: Exception, port: int) -> str:
    """Say in one line why it could not start."""
    if isinstance(error, OSError) and "address already in use" in str(error).lower():
        return f"port {port} is taken; choose another, such as PORT={port + 1}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def run(work: Coroutine[None, None, None]) -> None:
    """Run `work` until it ends, or until the first SIGINT or SIGTERM cancels it; it then ends all that it started."""

    async def main() -> None:
        task = asyncio.ensure_future(work)
        stopped = False

        def stop() -> None:
            nonlocal stopped
            if not stopped:  # a second Ctrl-C must not interrupt the ending
                stopped = True
                task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        try:
            await task
        except asyncio.CancelledError:
            if not stopped:
                raise

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


@app.command("import")
def import_seminar(
    file: Path,
    url: Annotated[str, typer.Option(envvar="PUBLIC_URL", help="where Fagseminar answers")] = "http://localhost:8000",
    token: Annotated[str | None, typer.Option(envvar="ORGANISER_TOKENS", help="an organiser's token")] = None,
    data: Data = Path(".local"),
) -> None:
    """Create or replace a seminar from its file."""
    token = (token or kept_secret(data / "organiser-token").decode()).split(",")[0].rpartition(":")[2]

    async def put() -> None:
        async with aiohttp.ClientSession() as session:
            imported = await import_file(session, url, token, file)
        typer.echo(f"{file}: revision {imported.revision}")
        for warning in imported.warnings:
            typer.echo(f"{file}: {warning}", err=True)

    try:
        run(put())
    except (ImportRefusedError, aiohttp.ClientConnectionError) as error:
        sys.exit(f"fagseminar: {error}")


@app.command()
def serve(
    service: Service,
    clock: Annotated[Path | None, typer.Option(help="the file of a time machine's clock, to live by that")] = None,
    listener: Annotated[int | None, typer.Option("--socket", help="a listening socket that is open already")] = None,
) -> None:
    """Run one service by itself, as in production; its settings come from the environment."""
    if clock is None or listener is None:
        os.execv(sys.executable, [sys.executable, "-m", f"services.{service}"])  # noqa: S606 - a fixed choice of modules
    process.run(_serve(service, KeptClock(clock), socket.socket(fileno=listener)))


async def _serve(name: str, clock: KeptClock, listener: socket.socket) -> None:
    service = SERVICES[name]
    settings = load(service.settings)
    logs.configure(name, settings.log_level, settings.log_format)
    app = service.build(settings, clock=clock, open_bus=lambda _: RabbitBus(settings.bus_url))
    await server.run(app, listener)


@app.command(hidden=True)
def front(upstreams: str, listener: int, smtp: int, data: Data) -> None:
    """Run what stands before the services: proxy, mailbox and time machine, on sockets that are open already."""
    addresses = {name: URL(address) for name, address in json.loads(upstreams).items()}
    logs.configure("front")

    async def serve() -> None:
        stop, clock = server.stop_signal(), KeptClock(data / "clock.json")
        async with fronting(data, clock, addresses, socket.socket(fileno=listener), socket.socket(fileno=smtp)):
            await stop.wait()

    process.run(serve())


@app.command()
def migrate(service: Service) -> None:
    """Prepare one service's database and the broker."""
    os.execv(sys.executable, [sys.executable, "-m", f"services.{service}", "migrate"])  # noqa: S606 - as above


@app.command("asyncapi")
def print_asyncapi() -> None:
    """Print the description of every message: what docs/asyncapi.yaml has to say."""
    typer.echo(asyncapi.as_yaml(), nl=False)


@app.command()
def clean(data: Data = Path(".local")) -> None:
    """Remove DATA and what lies elsewhere for it, and end what a killed run left behind."""
    try:
        for folder in (data / "demo", data):
            remove(folder)
    except RuntimeError as error:
        sys.exit(f"fagseminar: {error}")


def main() -> None:
    """Run the command line."""
    app()
