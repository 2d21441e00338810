"""A name server on loopback that knows the replicas of services, as Docker's does."""

import asyncio
import ipaddress
import socket
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

RECURSIVE_ANSWER = 0x8180  # RFC 1035, 4.1.1: a response, recursion desired and available, no error
NO_SUCH_NAME = 3
LARGEST = 512  # bytes of a query (4.2.1)
A, IN = 1, 1
NAME_OF_THE_QUESTION = 0xC00C  # a pointer to where it stands (4.1.4)


def answer(query: bytes, replicas: Mapping[str, Sequence[str]]) -> bytes:
    """Answer a query of one question with every address of the name."""
    end = query.index(b"\0", 12) + 5  # the question: labels, type, class
    name, kind = _name(query[12 : end - 5]), struct.unpack("!H", query[end - 4 : end - 2])[0]
    addresses = replicas.get(name, ()) if kind == A else ()
    flags = RECURSIVE_ANSWER if name in replicas else RECURSIVE_ANSWER | NO_SUCH_NAME
    records = b"".join(
        struct.pack("!HHHIH", NAME_OF_THE_QUESTION, A, IN, 0, 4) + ipaddress.ip_address(address).packed
        for address in addresses
    )
    return query[:2] + struct.pack("!5H", flags, 1, len(addresses), 0, 0) + query[12:end] + records


def _name(labels: bytes) -> str:
    words = []
    while labels:
        length = labels[0]
        words.append(labels[1 : 1 + length].decode())
        labels = labels[1 + length :]
    return ".".join(words)


@asynccontextmanager
async def serving(replicas: Mapping[str, Sequence[str]]) -> AsyncIterator[int]:
    """Answer on a free UDP port of 127.0.0.1, which is returned, with whatever `replicas` holds at the time."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(0)

        async def run() -> None:
            while True:
                query, asker = await loop.sock_recvfrom(listener, LARGEST)
                await loop.sock_sendto(listener, answer(query, replicas), asker)

        running = asyncio.create_task(run())
        try:
            yield listener.getsockname()[1]
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
