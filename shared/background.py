"""Loops that run beside the HTTP server. One that ends, for whatever reason, ends the process."""

import asyncio
import contextlib
from collections.abc import Coroutine

import structlog

log = structlog.get_logger()


class Nudge:
    """Wakes a loop at once; a nudge given while the loop works is not lost."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def __call__(self) -> None:
        """Wake whoever waits, or the next one to wait."""
        self._event.set()

    async def wait(self) -> None:
        """Return at the next nudge, or at once if one came since the last wait."""
        await self._event.wait()
        self._event.clear()


async def first_of(*waits: Coroutine[None, None, object]) -> None:
    """Return when the first of `waits` does; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Background:
    """The loops of one service."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def start(self, name: str, loop: Coroutine[None, None, None]) -> None:
        """Run `loop` until `stop`; should it end before that, `ended` says which."""
        task = asyncio.create_task(loop, name=name)
        task.add_done_callback(self._on_done)
        self._tasks.append(task)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        if self._stopping or self._ended.done():
            return
        error = None if task.cancelled() else task.exception()
        log.error("loop ended", loop=task.get_name(), exc_info=error)
        self._ended.set_result(task.get_name())

    def loops(self) -> list[tuple[str, bool]]:
        """Return the name of each loop, and whether it runs."""
        return [(task.get_name(), not task.done()) for task in self._tasks]

    async def ended(self) -> str:
        """Return the name of the first loop that ended by itself; it never should."""
        return await asyncio.shield(self._ended)

    async def stop(self) -> None:
        """Cancel the loops, the last started first, and wait until each has let go."""
        self._stopping = True
        while self._tasks:
            task = self._tasks.pop()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
