"""Many callers share one call: while one is under way the next ones gather, and each gets its own result."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


LINGER = 0.001  # seconds that a call waits for those who shared the one before, while there are several


class Together(Generic[Item, Result]):
    """Calls `call` with all items that have gathered, in their order, at most `most`; one call at a time.

    It answers with a result each, in the same order. What it raises goes to all who shared it. Who is alone never
    waits; a crowd waits until it is as large as it was, at most `linger` seconds, as a call costs about the same for
    all of it. Of several that are given the same `turns` only so many call at once; who comes meanwhile joins.
    """

    def __init__(
        self,
        call: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        most: int = 100,
        linger: float = LINGER,
        turns: AbstractAsyncContextManager[None] | None = None,
    ) -> None:
        self._call = call
        self._most = most
        self._linger = linger
        self._turns = turns or contextlib.nullcontext()
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._running: asyncio.Task[None] | None = None
        self._crowd = 1  # how many shared the last call
        self._enough = asyncio.Event()

    def submit(self, item: Item) -> asyncio.Future[Result]:
        """Have `item` in the next call and return its result's future, which need not be waited for at once."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if len(self._waiting) >= self._crowd:
            self._enough.set()
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return future

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                async with self._turns:
                    taken, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                    self._crowd = len(taken)
                    await self._call_with([item for item, _ in taken], [future for _, future in taken])
        finally:
            self._running = None

    async def idle(self) -> None:
        """Return once nobody waits, of those who have submitted so far and whoever still does."""
        while self._running:
            await asyncio.wait([self._running])

    async def _gather(self) -> None:
        if not self._linger or len(self._waiting) >= self._crowd:
            return
        self._enough.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._linger):
                await self._enough.wait()

    async def _call_with(self, items: list[Item], futures: list["asyncio.Future[Result]"]) -> None:
        try:
            results = await self._call(items)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the callers' to handle
            for future in futures:
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # one who has been cancelled meanwhile need not hear of it
            return
        for future, result in zip(futures, results, strict=True):
            if not future.done():
                future.set_result(result)
