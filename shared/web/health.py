"""Health: liveness looks at nothing but the process, readiness at what a request needs."""

import asyncio

from aiohttp import web

from shared.web.keys import DATABASE

PATIENCE = 2.0  # seconds


async def live(_: web.Request) -> web.Response:
    """Answer: the process runs."""
    return web.json_response({"status": "live"})


async def ready(request: web.Request) -> web.Response:
    """Answer whether requests can be served: the database answers; the broker may be away, the outbox absorbs that."""
    try:
        async with asyncio.timeout(PATIENCE):
            async with request.app[DATABASE].connection() as connection:
                await connection.fetchval("SELECT 1")
    except Exception:  # noqa: BLE001 - whatever keeps the database from answering
        return web.json_response({"status": "unready", "database": "no answer"}, status=503)
    return web.json_response({"status": "ready"})


ROUTES = (web.get("/health/live", live), web.get("/health/ready", ready))
