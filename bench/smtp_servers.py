"""SMTP servers that take everything and keep nothing: Debian's smtp-sink, and one of ours that notes what it takes."""

import asyncio
import re
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from local.processes import free_port

SMTP_SINK, SMTP_SOURCE = "/usr/sbin/smtp-sink", "/usr/sbin/smtp-source"
MESSAGE_ID = re.compile(rb"\r\nMessage-ID: (\S+)", re.IGNORECASE)
RECIPIENT = re.compile(rb"RCPT TO:<([^>]+)>", re.IGNORECASE)


def is_there() -> bool:
    """Return whether Postfix's test programs are installed."""
    return bool(shutil.which(SMTP_SINK) and shutil.which(SMTP_SOURCE))


@asynccontextmanager
async def smtp_sink() -> AsyncIterator[int]:
    """Run Debian's smtp-sink with 8BITMIME, and give its port."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(SMTP_SINK, "-u", "nobody", f"127.0.0.1:{port}", "100")
    try:
        await _listening(port)
        yield port
    finally:
        process.terminate()
        await process.wait()


async def _listening(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


async def smtp_source(port: int, messages: int, size: int, connections: int) -> float:
    """Have Debian's smtp-source send so many messages of `size` bytes; return how many a second."""
    arguments = ("-s", str(connections), "-m", str(messages), "-l", str(size), "-d", f"127.0.0.1:{port}")
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(SMTP_SOURCE, *arguments)
    if await process.wait():
        raise RuntimeError("smtp-source failed")
    return messages / (time.perf_counter() - began)


class Taken(NamedTuple):
    """An e-mail that was answered with 250."""

    at: float  # by the monotonic clock
    recipient: str
    message_id: str


class Sink(asyncio.Protocol):
    """One connection to a server that notes what it takes. Not for what is to be fast: each line is looked at."""

    def __init__(self, taken: list[Taken]) -> None:
        self._taken = taken
        self._buffer = b""
        self._in_data = False
        self._recipient = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self._transport = transport
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer every command and content that is whole."""
        self._buffer += data
        while True:
            end = b"\r\n.\r\n" if self._in_data else b"\r\n"
            text, found, rest = self._buffer.partition(end)
            if not found:
                return
            self._buffer = rest
            self._transport.write(self._take(text) if self._in_data else self._answer(text))

    def _take(self, content: bytes) -> bytes:
        self._in_data = False
        message_id = MESSAGE_ID.search(content)
        self._taken.append(Taken(time.monotonic(), self._recipient, message_id[1].decode() if message_id else ""))
        return b"250 taken\r\n"

    def _answer(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if recipient := RECIPIENT.match(line):
            self._recipient = recipient[1].decode()
        self._in_data = verb == b"DATA"
        return {b"EHLO": b"250-sink\r\n250 8BITMIME\r\n", b"DATA": b"354 go on\r\n"}.get(verb, b"250 ok\r\n")


@asynccontextmanager
async def noting_sink() -> AsyncIterator[tuple[int, list[Taken]]]:
    """Run our own server in this process; give its port and the list that it fills."""
    taken: list[Taken] = []
    server = await asyncio.get_running_loop().create_server(lambda: Sink(taken), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], taken
    finally:
        server.close()
