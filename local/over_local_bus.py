"""The three services in this process, on the local bus."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog
from yarl import URL

from local.front import fronting
from local.services import SERVICES, Environment, Ground, settings_of
from shared.local_bus import LocalBus, LocalEndpoint
from shared.web.server import listen, serving, until


@asynccontextmanager
async def running(ground: Ground, environments: dict[str, Environment]) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Have the services up while the caller's block runs; gives what raises RuntimeError when a loop of one ends."""
    bus = LocalBus()
    apps, upstreams = [], {}
    async with AsyncExitStack() as stack:
        for name, service in SERVICES.items():
            with structlog.contextvars.bound_contextvars(service=name):
                open_bus = partial(LocalEndpoint, bus)
                app = service.build(settings_of(name, environments[name]), clock=ground.clock, open_bus=open_bus)
                listener = listen("127.0.0.1", 0)
                await stack.enter_async_context(serving(app, listener))
            apps.append(app)
            upstreams[name] = URL(f"http://127.0.0.1:{listener.getsockname()[1]}")
        front = fronting(ground.data, ground.clock, upstreams, ground.listener, ground.smtp)
        await stack.enter_async_context(front)
        yield partial(until, asyncio.Event(), *apps)
