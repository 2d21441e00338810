"""A service as a process of its own: `python -m services.NAME`, or with `migrate` its migrations."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, TypeVar

import structlog
import uvloop
from aiohttp import web

from shared import broker, logs, migrations, rabbitmq
from shared import dead_letter_commands as commands
from shared.bus import OpenBus
from shared.clock import Clock, SystemClock
from shared.dead_letters import dead_queues
from shared.settings import ServiceSettings, load
from shared.web import server

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)
Settings_contra = TypeVar("Settings_contra", bound=ServiceSettings, contravariant=True)

T = TypeVar("T")
Command = Callable[[SettingsT, list[str]], Coroutine[None, None, int]]
"""What a service does besides, with the words after its name; returns the exit status (sysexits.h)."""

USAGE = "migrate | dead-letters list|show ID|retry ID|retry --all|drop ID|drop --all"

log = structlog.get_logger()


class Build(Protocol[Settings_contra]):
    """A service's composition root."""

    def __call__(self, settings: Settings_contra, *, clock: Clock, open_bus: OpenBus) -> web.Application:
        """Wire the service."""
        ...


def main(
    service: str,
    kind: type[SettingsT],
    build: Build[SettingsT],
    migrations_folder: Path,
    commands_of_its_own: Mapping[str, Command[SettingsT]] = MappingProxyType({}),
) -> None:
    """Read the settings, then do what the command line says: serve until told to stop, unless it says otherwise.

    A loop that ends while serving ends the process with status 1.
    """
    settings = load(kind)
    if settings.bus_url.startswith("local:"):
        sys.exit(f"settings: BUS_URL: local: works only inside `fagseminar up`; {service} by itself needs amqp://…")
    logs.configure(service, settings.log_level, settings.log_format)
    match sys.argv[1:]:
        case []:
            app = build(settings, clock=SystemClock(), open_bus=lambda _: rabbitmq.RabbitBus(settings.bus_url))
            run(_serve(app, settings))
        case ["migrate"]:
            run(_migrate(service, settings, migrations_folder))
        case ["dead-letters", *words] if command := _dead_letters(words, service, settings):
            run(_say(command))
        case [word, *words] if word in commands_of_its_own:
            sys.exit(run(commands_of_its_own[word](settings, words)))
        case _:
            usage = " | ".join([USAGE, *commands_of_its_own])
            sys.exit(f"usage: python -m services.{service} [{usage}]")


def _dead_letters(words: list[str], service: str, settings: ServiceSettings) -> Coroutine[None, None, str] | None:
    """Return the command that `words` name, None if they name none."""
    queues = dead_queues(service, settings.bus_url, settings.database_url)
    match words:
        case ["list"]:
            return commands.listed(queues)
        case ["show", chosen]:
            return commands.shown(queues, chosen)
        case ["retry", chosen]:
            return commands.retry(queues, None if chosen == "--all" else chosen)
        case ["drop", chosen]:
            return commands.drop(queues, None if chosen == "--all" else chosen)
    return None


async def _say(command: Coroutine[None, None, str]) -> None:
    sys.stdout.write(f"{await command}\n")


async def _serve(app: web.Application, settings: ServiceSettings) -> None:
    await server.run(app, server.listen(settings.host, settings.port))


def run(work: Coroutine[None, None, T]) -> T:
    """Run `work` to its end and return what it does; what ends it before that is one line of the log, and status 1."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)
    except (OSError, RuntimeError) as error:
        log.error("ended", why=f"{type(error).__name__}: {error}")  # noqa: TRY400 - one line says it
        sys.exit(1)


async def _migrate(service: str, settings: ServiceSettings, folder: Path) -> None:
    applied = await migrations.migrate(settings.database_url, migrations.read(service, folder))
    await broker.declare(settings.bus_url)
    log.info("migrated", applied=applied)
