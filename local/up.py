"""Everything on one machine: PostgreSQL, mailbox, time machine and the three services, in one process on one port."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import aiohttp
import structlog
import typer
from aiohttp import web
from yarl import URL

from local import mailbox as mail
from local import proxy, time_machine
from local.importing import import_file
from local.mailbox import MAILBOX, Mailbox
from local.postgres import Postgres
from local.processes import kept_secret
from local.time_machine import TIME_MACHINE, TimeMachine
from services.catalog import app as catalog
from services.catalog.settings import Settings as CatalogSettings
from services.notification import app as notification
from services.notification.settings import Settings as NotificationSettings
from services.registration import app as registration
from services.registration.settings import Settings as RegistrationSettings
from shared import migrations
from shared.clock import Clock
from shared.local_bus import LocalBus, LocalEndpoint
from shared.settings import ServiceSettings
from shared.web.middleware import MIDDLEWARES
from shared.web.pages import install
from shared.web.server import BODY_LIMIT, listen, serving, until

HERE = Path(__file__).parent
EXAMPLE = HERE.parent / "examples" / "planstrategi-4-0.yaml"
PATIENCE = 10.0  # seconds for the example to get from catalog to registration
POLL = 0.02  # seconds


class Service(NamedTuple):
    """What it takes to run a service."""

    build: Callable[..., web.Application]
    settings: type[ServiceSettings]
    migrations: Path


SERVICES = {
    "catalog": Service(catalog.build, CatalogSettings, catalog.MIGRATIONS),
    "registration": Service(registration.build, RegistrationSettings, registration.MIGRATIONS),
    "notification": Service(notification.build, NotificationSettings, notification.MIGRATIONS),
}


class Running(NamedTuple):
    """What is up, and where."""

    url: str
    organiser_token: str
    smtp_url: str
    database_urls: dict[str, str]
    services: list[web.Application]
    time_machine: TimeMachine


@asynccontextmanager
async def running(data: Path, port: int, *, durable: bool = True) -> AsyncIterator[Running]:
    """Have everything up while the caller's block runs, with its state under `data`; all that was started ends with it.

    Raises OSError when the port is taken, PostgresError when PostgreSQL can't be had.
    """
    async with AsyncExitStack() as stack:
        listener = listen("127.0.0.1", port)
        stack.callback(listener.close)
        url = f"http://localhost:{listener.getsockname()[1]}"
        postgres = await stack.enter_async_context(Postgres.running(data, durable=durable, report=typer.echo))
        machine = TimeMachine(data / "clock.json")
        mailbox = Mailbox(data / "mailbox")
        smtp_url = (
            os.environ.get("SMTP_URL") or f"smtp://127.0.0.1:{await stack.enter_async_context(mailbox.serving())}"
        )
        settings = _settings(data, url, smtp_url, await _databases(postgres))
        services, upstreams = await _start_services(stack, settings, machine.clock)
        token = settings["catalog"].organiser_tokens.split(",")[0].rpartition(":")[2]
        await _import_example(data, upstreams, token)
        await stack.enter_async_context(serving(_front(machine, mailbox, upstreams), listener))
        yield Running(url, token, smtp_url, {n: s.database_url for n, s in settings.items()}, services, machine)


async def _databases(postgres: Postgres) -> dict[str, str]:
    """Return each service's database URL, migrated."""
    urls = {}
    for name, service in SERVICES.items():
        await postgres.create_database(name)
        urls[name] = postgres.dsn(name, name)
        await migrations.migrate(urls[name], migrations.read(name, service.migrations))
    return urls


def _settings(data: Path, url: str, smtp_url: str, database_urls: dict[str, str]) -> dict[str, ServiceSettings]:
    values = {
        "bus_url": "local:",
        "public_url": os.environ.get("PUBLIC_URL") or url,
        "secret_key": os.environ.get("SECRET_KEY") or kept_secret(data / "secret-key").decode(),
        "organiser_tokens": os.environ.get("ORGANISER_TOKENS") or kept_secret(data / "organiser-token").decode(),
        "smtp_url": smtp_url,
        "mail_from": os.environ.get("MAIL_FROM") or "Fagseminar <fagseminar@localhost.localdomain>",
    }
    return {
        name: service.settings.model_validate(
            {field: value for field, value in values.items() if field in service.settings.model_fields}
            | {"database_url": database_urls[name]}
        )
        for name, service in SERVICES.items()
    }


async def _start_services(
    stack: AsyncExitStack, settings: dict[str, ServiceSettings], clock: Clock
) -> tuple[list[web.Application], dict[str, URL]]:
    bus = LocalBus()
    apps, upstreams = [], {}
    for name, service in SERVICES.items():
        with structlog.contextvars.bound_contextvars(service=name):
            app = service.build(settings[name], clock=clock, open_bus=partial(LocalEndpoint, bus))
            listener = listen("127.0.0.1", 0)
            await stack.enter_async_context(serving(app, listener))
        apps.append(app)
        upstreams[name] = URL(f"http://127.0.0.1:{listener.getsockname()[1]}")
    return apps, upstreams


def _front(machine: TimeMachine, mailbox: Mailbox, upstreams: dict[str, URL]) -> web.Application:
    """Return the application behind the one port: the local pages, and the way to the services."""
    app = web.Application(middlewares=MIDDLEWARES, client_max_size=BODY_LIMIT)
    app[TIME_MACHINE] = machine
    app[MAILBOX] = mailbox
    install(app, HERE / "templates")
    app.add_routes([*time_machine.ROUTES, *mail.ROUTES])
    proxy.add_proxy(app, upstreams)
    return app


async def _import_example(data: Path, upstreams: dict[str, URL], token: str) -> None:
    """Import the example seminar, once for these data: who removes or changes it has the last word."""
    done = data / "example-imported"
    if done.exists():
        return
    async with aiohttp.ClientSession() as session:
        await import_file(session, str(upstreams["catalog"]).rstrip("/"), token, EXAMPLE)
        async with asyncio.timeout(PATIENCE):
            while not await _can_be_signed_up_for(session, upstreams["registration"]):  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(POLL)
    done.touch()


async def _can_be_signed_up_for(session: aiohttp.ClientSession, registration: URL) -> bool:
    async with session.get(registration / "register" / EXAMPLE.stem) as answer:
        return answer.ok


async def up(data: Path, port: int) -> None:
    """Run until cancelled; raises RuntimeError when a loop of a service ends."""
    async with running(data, port) as everything:
        typer.echo(_summary(everything, data))
        await until(asyncio.Event(), *everything.services)


def _summary(everything: Running, data: Path) -> str:
    url, moment = everything.url, everything.time_machine.clock.now().astimezone(time_machine.OSLO)
    return f"""
Fagseminar is up. It is {moment:%d %B %Y %H:%M} in Oslo, by the clock of the time machine.

  {url}/                              the seminars
  {url}/seminars/planstrategi-4-0     the example: its page, and from there the sign-up
  {url}/mailbox                       every e-mail that was sent
  {url}/time-machine                  move the clock, and see the reminders arrive

  services      catalog, registration, notification: in this process, on the local bus
  PostgreSQL    one database a service
  SMTP          {everything.smtp_url}
  state         {data.resolve()} (logs: fagseminar.log)
  organiser     Authorization: Bearer {everything.organiser_token}

Ctrl-C ends it all and keeps the data; `make clean` removes them.
"""
