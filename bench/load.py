"""A bounded load on one address of this machine: so many requests over so many connections, and no more."""

import asyncio
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from yarl import URL

CONNECTIONS = 64
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


class Load(NamedTuple):
    """What came back."""

    seconds: float
    latencies: Sequence[float]  # seconds, in ascending order
    statuses: frozenset[int]
    size: int  # bytes of the last answer's body

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def within(self, share: float) -> float:
        """Return the milliseconds within which `share` of the answers came."""
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))] * 1000


async def get(url: URL, requests: int, headers: Mapping[str, str] | None = None) -> Load:
    """Get `url`, an address of loopback, so many times over 64 connections at once."""
    lines = [
        f"GET {url.raw_path_qs} HTTP/1.1",
        f"Host: {url.authority}",
        *(f"{k}: {v}" for k, v in (headers or {}).items()),
    ]
    return await send(url, ("\r\n".join([*lines, "", ""]).encode() for _ in range(requests)))


async def send(url: URL, requests: Iterator[bytes]) -> Load:
    """Send whole requests (RFC 9112) to the host of `url`, each as soon as a connection is free; raises OSError."""
    loop = asyncio.get_running_loop()
    clients = [(await loop.create_connection(_Client, url.host or "", url.port or 0))[1] for _ in range(CONNECTIONS)]
    began = time.perf_counter()
    await asyncio.gather(*(client.work_off(requests) for client in clients))
    seconds = time.perf_counter() - began
    latencies = sorted(latency for client in clients for latency in client.latencies)
    statuses = frozenset(status for client in clients for status in client.statuses)
    for client in clients:
        client.close()
    return Load(seconds, latencies, statuses, max(client.size for client in clients))


class _Client(asyncio.Protocol):
    """One connection: a request, its whole answer, the next request. Costs a tenth of what aiohttp's client does."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.statuses: set[int] = set()
        self.size = 0
        self._buffer = b""
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self._transport = transport

    async def work_off(self, requests: Iterator[bytes]) -> None:
        self._requests = requests
        self._next()
        await self._done

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._done.set_result(None)
        else:
            self._sent = time.perf_counter()
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = LENGTH.search(head)
        size = int(length[1]) if length and not head.startswith(b"HTTP/1.1 304") else 0
        if len(body) >= size:
            self.latencies.append(time.perf_counter() - self._sent)
            self.statuses.add(int(head[9:12]))
            self.size, self._buffer = size, body[size:]
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(error or ConnectionError("the server hung up"))

    def close(self) -> None:
        self._transport.close()
