"""`fagseminar dead-letters`: the dead letters of all services on this machine, over whichever bus they run."""

import asyncio
import json
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Annotated

import asyncpg
import typer

from shared import dead_letter_commands as commands
from shared.dead_letters import DeadQueue, dead_queues

app = typer.Typer(help="Messages that a queue has given up.", no_args_is_help=True)

Data = Annotated[Path, typer.Option(envvar="DATA", help="the folder that all state lies under")]
Queue = Annotated[str | None, typer.Option(help="only those of this queue")]
Chosen = Annotated[str | None, typer.Argument(metavar="ID")]
All = Annotated[bool, typer.Option("--all", help="all that are there now")]


@app.command("list")
def list_letters(queue: Queue = None, data: Data = Path(".local")) -> None:
    """List them: queue, id, type, attempts, since when, and why."""
    _say(commands.listed(_queues(data, queue)))


@app.command()
def show(
    chosen: Annotated[str, typer.Argument(metavar="ID")], queue: Queue = None, data: Data = Path(".local")
) -> None:
    """Print the whole message as JSON, personal data and all."""
    _say(commands.shown(_queues(data, queue), chosen))


@app.command()
def retry(chosen: Chosen = None, *, all_: All = False, queue: Queue = None, data: Data = Path(".local")) -> None:
    """Bring one, or all, to their queues again, as if never tried."""
    _say(commands.retry(_queues(data, queue), _choice(chosen, all_=all_)))


@app.command()
def drop(chosen: Chosen = None, *, all_: All = False, queue: Queue = None, data: Data = Path(".local")) -> None:
    """Remove one, or all, for good."""
    _say(commands.drop(_queues(data, queue), _choice(chosen, all_=all_)))


def _choice(chosen: str | None, *, all_: bool) -> str | None:
    if all_ == bool(chosen):
        sys.exit("fagseminar: name either one dead letter by its ID, or --all")
    return chosen


def _queues(data: Path, only: str | None) -> list[DeadQueue]:
    """Return the dead letters of every service that runs on `data`, or those of one queue."""
    environments = _environments(data / "services.json")
    queues = [
        queue
        for service, environment in environments.items()
        for queue in dead_queues(service, environment["BUS_URL"], environment["DATABASE_URL"])
    ]
    chosen = [queue for queue in queues if only in (None, queue.name)]
    if not chosen:
        sys.exit(f"fagseminar: there is no queue {only}; there are {', '.join(queue.name for queue in queues)}")
    return chosen


def _environments(file: Path) -> dict[str, dict[str, str]]:
    try:
        found: dict[str, dict[str, str]] = json.loads(file.read_text())
    except FileNotFoundError:
        sys.exit(f"fagseminar: {file} is not there: nothing has been started on {file.parent} by `make run`")
    return found


def _say(command: Awaitable[str]) -> None:
    async def answer() -> str:
        return await command

    try:
        typer.echo(asyncio.run(answer()))
    except (OSError, RuntimeError, asyncpg.PostgresError) as error:
        sys.exit(f"fagseminar: {error}")
