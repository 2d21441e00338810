"""What stands before the services on the one port: the proxy to them, the mailbox and the time machine."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from socket import socket

from aiohttp import web
from yarl import URL

from local import mailbox as mail
from local import proxy, time_machine
from local.mailbox import MAILBOX, Mailbox
from local.time_machine import TIME_MACHINE, KeptClock
from shared.metrics import Metrics
from shared.web.clients import read_networks
from shared.web.keys import METRICS
from shared.web.middleware import MIDDLEWARES
from shared.web.pages import install
from shared.web.server import BODY_LIMIT, serving

TEMPLATES = Path(__file__).parent / "templates"


@asynccontextmanager
async def fronting(
    data: Path, clock: KeptClock, upstreams: dict[str, URL], listener: socket, smtp: socket
) -> AsyncIterator[None]:
    """Serve the one port on `listener`, and SMTP for the mailbox in `data` on `smtp`.

    TRUSTED_PROXIES are here the proxies that somebody has put in front of this machine's.
    """
    mailbox = Mailbox(data / "mailbox")
    async with mailbox.serving(smtp), serving(_application(clock, mailbox, upstreams), listener):
        yield


def _application(clock: KeptClock, mailbox: Mailbox, upstreams: dict[str, URL]) -> web.Application:
    app = web.Application(middlewares=MIDDLEWARES, client_max_size=BODY_LIMIT)
    app[METRICS] = Metrics()
    app[TIME_MACHINE] = clock
    app[MAILBOX] = mailbox
    install(app, TEMPLATES)
    app.add_routes([*time_machine.ROUTES, *mail.ROUTES])
    proxy.add_proxy(app, upstreams, read_networks(os.environ.get("TRUSTED_PROXIES", "")))
    return app
