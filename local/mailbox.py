"""The local mailbox: a real SMTP server on loopback whose messages lie in a Maildir, to be looked at in a browser."""

import asyncio
import email
import itertools
import os
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from socket import socket
from typing import Any, NamedTuple

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from shared.web.middleware import HTML_POLICY
from shared.web.pages import render
from shared.web.problems import not_found
from shared.web.server import listen

LARGEST = 10 * 1024 * 1024  # bytes


class Received(NamedTuple):
    """A message's summary."""

    id: str
    to: str  # the addresses, without names
    subject: str
    date: str
    headers: dict[str, str]


class Mailbox:
    """The messages in one Maildir, all kept, the oldest first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for part in ("tmp", "new", "cur"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        self._numbers = itertools.count()
        self.received: dict[str, Received] = {}
        for path in sorted((folder / "new").iterdir()):
            self.received[path.name] = _summary(path.name, path.read_bytes())

    def deliver(self, content: bytes) -> str:
        """Put the message's file in place, on the disk and not only on its way there, and return its id."""
        name = f"{time.time_ns():020}.{next(self._numbers):06}.fagseminar"
        path = self.folder / "tmp" / name
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        path.rename(self.folder / "new" / name)
        self.received[name] = _summary(name, content)
        return name

    def content(self, identifier: str) -> bytes:
        """Return the message as it came (RFC 5322); raises a 404 Problem."""
        if identifier not in self.received:
            raise not_found("message")
        return (self.folder / "new" / identifier).read_bytes()

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Answer the final dot: 250 only after the file is in place."""
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        returned_to = f"Return-Path: <{envelope.mail_from}>\r\n".encode()  # RFC 5321, 4.4
        return f"250 2.0.0 kept as {self.deliver(returned_to + content)}"

    @asynccontextmanager
    async def serving(self, listener: socket | None = None) -> AsyncIterator[int]:
        """Serve SMTP on `listener`, else on a free port of loopback, and give the port."""
        listener = listener or listen("127.0.0.1", 0)
        port: int = listener.getsockname()[1]
        server = await asyncio.get_running_loop().create_server(
            lambda: SMTP(self, data_size_limit=LARGEST, hostname="localhost", ident="Fagseminar mailbox"), sock=listener
        )
        try:
            yield port
        finally:
            server.close()


MAILBOX = web.AppKey("MAILBOX", Mailbox)


def _summary(identifier: str, content: bytes) -> Received:
    message = _parse(content)
    headers: dict[str, str] = {}
    for name, value in message.items():
        headers[name] = f"{headers[name]}, {value}" if name in headers else str(value)
    to = ", ".join(address.addr_spec for address in message["To"].addresses) if "To" in message else ""
    return Received(identifier, to, headers.get("Subject", ""), headers.get("Date", ""), headers)


def _parse(content: bytes) -> EmailMessage:
    return email.message_from_bytes(content, policy=default)


async def mailbox_page(request: web.Request) -> web.Response:
    """Show the messages, the newest first."""
    received = list(reversed(request.app[MAILBOX].received.values()))
    return render(request, "mailbox.html", {"received": received})


async def message_page(request: web.Request) -> web.Response:
    """Show one message with its parts."""
    identifier = request.match_info["id"]
    message = _parse(request.app[MAILBOX].content(identifier))
    parts: dict[str, str] = {}
    for part in message.walk():
        if part.get_content_maintype() == "text":
            parts.setdefault(part.get_content_type(), part.get_content())
    received = request.app[MAILBOX].received[identifier]
    return render(request, "message.html", {"received": received, "parts": parts})


async def message_html(request: web.Request) -> web.Response:
    """Give the HTML part as its own document, for the sandboxed frame."""
    message = _parse(request.app[MAILBOX].content(request.match_info["id"]))
    part = message.get_body(("html",))
    if part is None:
        raise not_found("message")
    return web.Response(text=part.get_content(), content_type="text/html", headers=HTML_POLICY)


async def list_messages(request: web.Request) -> web.Response:
    """Answer with every message's summary, the oldest first."""
    items: list[dict[str, Any]] = [received._asdict() for received in request.app[MAILBOX].received.values()]
    return web.json_response({"items": items, "next": None})


async def raw_message(request: web.Request) -> web.Response:
    """Give the message as it came (RFC 5322)."""
    content = request.app[MAILBOX].content(request.match_info["id"])
    return web.Response(body=content, content_type="message/rfc822")


ROUTES: Iterable[web.RouteDef] = (
    web.get("/mailbox", mailbox_page),
    web.get("/mailbox/messages", list_messages),
    web.get("/mailbox/messages/{id}", raw_message),
    web.get("/mailbox/{id}", message_page),
    web.get("/mailbox/{id}/html", message_html),
)
