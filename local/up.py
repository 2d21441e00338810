"""Everything on one machine: PostgreSQL, mailbox, time machine and the three services in one process, behind one port."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
import structlog
from aiohttp import web
from yarl import URL

from local import proxy, time_machine
from local import mailbox as mail
from local.importing import import_file
from local.mailbox import MAILBOX, Mailbox
from local.postgres import Postgres
from local.time_machine import TIME_MACHINE, TimeMachine
from services.catalog import app as catalog
from services.catalog.settings import Settings as CatalogSettings
from services.notification import app as notification
from services.notification.settings import Settings as NotificationSettings
from services.registration import app as registration
from services.registration.settings import Settings as RegistrationSettings
from shared import migrations
from shared.bus import OpenBus
from shared.clock import Clock
from shared.local_bus import LocalBus, LocalEndpoint
from shared.settings import ServiceSettings
from shared.web.middleware import MIDDLEWARES
from shared.web.pages import install
from shared.web.server import BODY_LIMIT, listen, serving, until

HERE = Path(__file__).parent
EXAMPLE = HERE.parent / "examples" / "planstrategi-4-0.yaml"
MIGRATIONS = {
    "catalog": catalog.MIGRATIONS,
    "registration": registration.MIGRATIONS,
    "notification": notification.MIGRATIONS,
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
    """Have everything up while the caller's block runs; state lies under `data`, and all that was started ends with it.

    Raises OSError when the port is taken, PostgresError when PostgreSQL can't be had.
    """
    data.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        listener = listen("127.0.0.1", port)
        stack.callback(listener.close)
        url = f"http://localhost:{listener.getsockname()[1]}"
        postgres = await stack.enter_async_context(Postgres.running(data, durable=durable, report=print))
        machine = TimeMachine(data / "clock.json")
        mailbox = Mailbox(data / "mailbox")
        smtp_url = (
            os.environ.get("SMTP_URL") or f"smtp://127.0.0.1:{await stack.enter_async_context(mailbox.serving())}"
        )
        settings = _settings(data, url, smtp_url, await _databases(postgres))
        services, upstreams = await _start_services(stack, settings, machine.clock)
        await stack.enter_async_context(serving(_front(settings["catalog"], machine, mailbox, upstreams), listener))
        token = settings["catalog"].organiser_tokens.split(",")[0].rpartition(":")[2]
        await _import_example(data, url, token)
        yield Running(url, token, smtp_url, {n: s.database_url for n, s in settings.items()}, services, machine)


async def _databases(postgres: Postgres) -> dict[str, str]:
    """Return each service's database URL, migrated."""
    urls = {}
    for service, folder in MIGRATIONS.items():
        await postgres.create_database(service)
        urls[service] = postgres.dsn(service, service)
        await migrations.migrate(urls[service], migrations.read(service, folder))
    return urls


def _settings(data: Path, url: str, smtp_url: str, database_urls: dict[str, str]) -> dict[str, ServiceSettings]:
    shared = {
        "bus_url": "local:",
        "public_url": os.environ.get("PUBLIC_URL") or url,
        "secret_key": os.environ.get("SECRET_KEY") or kept(data / "secret-key"),
        "organiser_tokens": os.environ.get("ORGANISER_TOKENS") or kept(data / "organiser-token"),
    }
    sender = os.environ.get("MAIL_FROM") or "Fagseminar <fagseminar@localhost.localdomain>"
    return {
        "catalog": CatalogSettings(database_url=database_urls["catalog"], **shared),
        "registration": RegistrationSettings(database_url=database_urls["registration"], **shared),
        "notification": NotificationSettings(
            database_url=database_urls["notification"], smtp_url=smtp_url, mail_from=sender, **shared
        ),
    }


def kept(file: Path) -> str:
    """Return the secret in `file`; made at first, for its owner's eyes only."""
    if not file.exists():
        with os.fdopen(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600), "w") as fresh:
            fresh.write(secrets.token_urlsafe(24))
    return file.read_text().strip()


async def _start_services(
    stack: AsyncExitStack, settings: dict[str, ServiceSettings], clock: Clock
) -> tuple[list[web.Application], dict[str, URL]]:
    bus = LocalBus()

    def open_bus(database: object) -> LocalEndpoint:
        return LocalEndpoint(bus, database)

    builds = {"catalog": catalog.build, "registration": registration.build, "notification": notification.build}
    apps, upstreams = [], {}
    for service, build in builds.items():
        with structlog.contextvars.bound_contextvars(service=service):
            app = build(settings[service], clock=clock, open_bus=open_bus)
            listener = listen("127.0.0.1", 0)
            await stack.enter_async_context(serving(app, listener))
        apps.append(app)
        upstreams[service] = URL(f"http://127.0.0.1:{listener.getsockname()[1]}")
    return apps, upstreams


def _front(
    settings: ServiceSettings, machine: TimeMachine, mailbox: Mailbox, upstreams: dict[str, URL]
) -> web.Application:
    """Return the application behind the one port: the local pages, and the way to the services."""
    app = web.Application(middlewares=MIDDLEWARES, client_max_size=BODY_LIMIT)
    app[TIME_MACHINE] = machine
    app[MAILBOX] = mailbox
    install(app, HERE / "templates")
    app.add_routes([*time_machine.ROUTES, *mail.ROUTES])
    proxy.add_proxy(app, upstreams)
    return app


async def _import_example(data: Path, url: str, token: str) -> None:
    """Import the example seminar, once for these data: who removes or changes it has the last word."""
    done = data / "example-imported"
    if not done.exists():
        async with aiohttp.ClientSession() as session:
            await import_file(session, url, token, EXAMPLE)
        done.touch()


async def up(data: Path, port: int) -> None:
    """Run until cancelled; raises RuntimeError when a loop of a service ends."""
    async with running(data, port) as everything:
        print(_summary(everything, data), flush=True)
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
