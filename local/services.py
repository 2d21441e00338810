"""The three services as this machine runs them: what each is made of, and the environment it gets."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from socket import socket
from typing import NamedTuple

from aiohttp import web

from local.postgres import Postgres
from local.processes import kept_secret, write_private
from local.time_machine import KeptClock
from services.catalog import app as catalog
from services.catalog.settings import Settings as CatalogSettings
from services.notification import app as notification
from services.notification.settings import Settings as NotificationSettings
from services.registration import app as registration
from services.registration.settings import Settings as RegistrationSettings
from shared import migrations
from shared.settings import ServiceSettings

Environment = dict[str, str]

LOOPBACK = "127.0.0.0/8,::1"


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


class Ground(NamedTuple):
    """What the services of this machine stand on, whichever bus they use."""

    data: Path
    listener: socket  # of the one port
    smtp: socket  # of the mailbox
    clock: KeptClock
    postgres: Postgres
    database_urls: dict[str, str]
    extra: Mapping[str, str]  # variables for every service's environment

    @property
    def url(self) -> str:
        """Where everything is."""
        return f"http://localhost:{self.listener.getsockname()[1]}"

    def environments(self, bus_urls: Mapping[str, str]) -> dict[str, Environment]:
        """Return each service's environment; what the caller's own has goes before what is made up here.

        A copy is kept in DATA for commands that concern the running services.
        """
        common = {
            "PUBLIC_URL": os.environ.get("PUBLIC_URL") or self.url,
            "SECRET_KEY": os.environ.get("SECRET_KEY") or kept_secret(self.data / "secret-key").decode(),
            "ORGANISER_TOKENS": os.environ.get("ORGANISER_TOKENS")
            or kept_secret(self.data / "organiser-token").decode(),
            "SMTP_URL": os.environ.get("SMTP_URL") or f"smtp://127.0.0.1:{self.smtp.getsockname()[1]}",
            "TRUSTED_PROXIES": LOOPBACK,  # where the proxy is, in this process or beside it
            "RATE_LIMIT": without_loopback(os.environ.get("RATE_LIMIT", "")),
            "MAIL_FROM": os.environ.get("MAIL_FROM") or "Fagseminar <fagseminar@localhost.localdomain>",
        }
        made = {
            name: common | {"DATABASE_URL": self.database_urls[name], "BUS_URL": bus_urls[name], **self.extra}
            for name in SERVICES
        }
        write_private(self.data / "services.json", json.dumps(made, indent=2).encode())
        return made


def without_loopback(limits: str) -> str:
    """Return the limits, under which whoever is at this machine may do as they like."""
    exempt = [f"exempt:{network}" for network in LOOPBACK.split(",")]
    return limits if limits.strip() == "off" else ",".join(filter(None, [limits, *exempt]))


async def migrated_databases(postgres: Postgres) -> dict[str, str]:
    """Return the URL of each service's own database, with the role that owns it, migrated."""
    urls = {}
    for name, service in SERVICES.items():
        await postgres.create_database(name)
        urls[name] = postgres.dsn(name, name)
        await migrations.migrate(urls[name], migrations.read(name, service.migrations))
    return urls


def settings_of(name: str, environment: Environment) -> ServiceSettings:
    """Return a service's settings as it would read them from `environment`; raises ValidationError."""
    kind = SERVICES[name].settings
    values = {variable.lower(): value for variable, value in environment.items()}
    return kind.model_validate({field: values[field] for field in kind.model_fields if field in values})
