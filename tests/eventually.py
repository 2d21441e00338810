"""Waiting for what other tasks and processes bring about."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Found = TypeVar("Found")


async def eventually(look: Callable[[], Awaitable[Found | None]], *, within: float = 10.0) -> Found:
    """Return what `look` finds as soon as it is true; fails after `within` seconds."""
    deadline = time.monotonic() + within
    while not (found := await look()):
        assert time.monotonic() < deadline, f"not within {within} s: last seen {found!r}"
        await asyncio.sleep(0.02)
    return found
