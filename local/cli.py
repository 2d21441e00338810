"""The command `fagseminar` (`python -m local`)."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Coroutine
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import aiohttp
import typer
import uvloop

from local import dead_letters, postgres
from local.importing import ImportRefusedError, import_file
from local.processes import kept_secret
from local.up import up
from shared import logs

app = typer.Typer(help="Fagseminar on one machine.", no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(dead_letters.app, name="dead-letters")

Data = Annotated[Path, typer.Option(envvar="DATA", help="the folder that all state lies under")]
Broker = Annotated[str, typer.Option(envvar="BROKER", help="local: messages stay in this process")]
Port = Annotated[int, typer.Option(envvar="PORT", min=0, max=65535)]


class Service(StrEnum):
    """The services."""

    CATALOG = "catalog"
    REGISTRATION = "registration"
    NOTIFICATION = "notification"


@app.command("up")
def start(data: Data = Path(".local"), port: Port = 8000, broker: Broker = "local") -> None:
    """Start everything: PostgreSQL, the three services behind one port, mailbox and time machine."""
    if broker != "local":
        sys.exit(f"fagseminar: BROKER={broker}: only the local bus so far; for RabbitMQ see README, Settings")
    data.mkdir(parents=True, exist_ok=True)
    with (data / "fagseminar.log").open("a") as log:
        logs.configure("local", stream=log)
        try:
            run(up(data, port))
        except (OSError, RuntimeError) as error:
            sys.exit(f"fagseminar: {error_line(error, port)}")


def error_line(error: Exception, port: int) -> str:
    """Say in one line why it could not start."""
    if isinstance(error, OSError) and "address already in use" in str(error).lower():
        return f"port {port} is taken; choose another: make run PORT={port + 1}"
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
            revision = await import_file(session, url, token, file)
        typer.echo(f"{file}: revision {revision}")

    try:
        run(put())
    except (ImportRefusedError, aiohttp.ClientConnectionError) as error:
        sys.exit(f"fagseminar: {error}")


@app.command()
def serve(service: Service) -> None:
    """Run one service by itself, as in production; its settings come from the environment."""
    os.execv(sys.executable, [sys.executable, "-m", f"services.{service}"])  # noqa: S606 - a fixed choice of modules


@app.command()
def migrate(service: Service) -> None:
    """Prepare one service's database and the broker."""
    os.execv(sys.executable, [sys.executable, "-m", f"services.{service}", "migrate"])  # noqa: S606 - as above


@app.command()
def clean(data: Data = Path(".local")) -> None:
    """Remove DATA and what lies elsewhere for it."""
    postgres.remove(data)
    shutil.rmtree(data, ignore_errors=True)


def main() -> None:
    """Run the command line."""
    app()
