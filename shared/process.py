"""A service as a process of its own: `python -m services.NAME`, or with `migrate` its migrations."""

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Protocol, TypeVar

import structlog
import uvloop
from aiohttp import web

from shared import logs, migrations, rabbitmq
from shared.bus import OpenBus
from shared.clock import Clock, SystemClock
from shared.settings import ServiceSettings, load
from shared.web import server

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)
Settings_contra = TypeVar("Settings_contra", bound=ServiceSettings, contravariant=True)

log = structlog.get_logger()


class Build(Protocol[Settings_contra]):
    """A service's composition root."""

    def __call__(self, settings: Settings_contra, *, clock: Clock, open_bus: OpenBus) -> web.Application:
        """Wire the service."""
        ...


def main(service: str, kind: type[SettingsT], build: Build[SettingsT], migrations_folder: Path) -> None:
    """Read the settings, then migrate or serve until told to stop; a loop that ends ends the process with status 1."""
    settings = load(kind)
    if settings.bus_url.startswith("local:"):
        sys.exit(f"settings: BUS_URL: local: works only inside `fagseminar up`; {service} by itself needs amqp://…")
    logs.configure(service, settings.log_level, settings.log_format)
    if sys.argv[1:] == ["migrate"]:
        run(_migrate(service, settings, migrations_folder))
    elif sys.argv[1:]:
        sys.exit(f"usage: python -m services.{service} [migrate]")
    else:
        app = build(settings, clock=SystemClock(), open_bus=lambda _: rabbitmq.RabbitBus(settings.bus_url))
        run(_serve(app, settings))


async def _serve(app: web.Application, settings: ServiceSettings) -> None:
    await server.run(app, server.listen(settings.host, settings.port))


def run(work: Coroutine[None, None, None]) -> None:
    """Run `work` to its end; what ends it before that is one line of the log, and status 1."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work)
    except (OSError, RuntimeError) as error:
        log.error("ended", why=f"{type(error).__name__}: {error}")  # noqa: TRY400 - one line says it
        sys.exit(1)


async def _migrate(service: str, settings: ServiceSettings, folder: Path) -> None:
    applied = await migrations.migrate(settings.database_url, migrations.read(service, folder))
    await rabbitmq.declare(settings.bus_url)
    log.info("migrated", applied=applied)
