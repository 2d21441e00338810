"""`GET /metrics`, in Prometheus' text format; for the inside of the house, as no proxy of ours passes it on."""

import asyncio
from collections.abc import Iterable, Sequence

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from shared import outbox
from shared.background import Background
from shared.database import Connection, Database
from shared.logs import describe
from shared.web.keys import BACKGROUND, CLOCK, DATABASE, METRICS

PATIENCE = 1.0  # seconds for what the database is asked; whoever scrapes waits ten

log = structlog.get_logger()


async def metrics(request: web.Request) -> web.Response:
    """Answer with what was counted, and what stands now; without the latter while the database is away."""
    app = request.app
    read = await _read(app)
    complete = GaugeMetricFamily(
        "fagseminar_readings_up", "Whether the database answered in time for this", read is not None
    )
    families = [_pool(app[DATABASE]), _loops(app[BACKGROUND]), complete, *(read or ())]
    return web.Response(
        body=generate_latest(app[METRICS].registry) + generate_latest(as_registry(families)),
        headers={"Content-Type": CONTENT_TYPE_LATEST},
    )


async def _read(app: web.Application) -> Sequence[Metric] | None:
    now = app[CLOCK].now()
    try:
        async with asyncio.timeout(PATIENCE), app[DATABASE].connection() as connection:
            found = [*await _outbox(connection)]
            for reading in app[METRICS].readings:
                found += await reading(connection, now)
            return found
    except Exception as error:  # noqa: BLE001 - whatever keeps the database from answering, the rest is told
        log.warning("metrics not read", why=describe(error))
        return None


async def _outbox(connection: Connection) -> Iterable[Metric]:
    pending, seconds = await outbox.backlog(connection)
    return (
        GaugeMetricFamily("fagseminar_outbox_pending", "Messages that wait for the bus", pending),
        GaugeMetricFamily("fagseminar_outbox_oldest_seconds", "How long the oldest of them has waited", seconds),
    )


def _pool(database: Database) -> Metric:
    pool = database.pool
    family = GaugeMetricFamily("fagseminar_database_connections", "Connections of the pool", labels=("state",))
    idle = pool.get_idle_size()
    for state, number in (("idle", idle), ("used", pool.get_size() - idle), ("most", pool.get_max_size())):
        family.add_metric((state,), number)
    return family


def _loops(background: Background) -> Metric:
    family = GaugeMetricFamily("fagseminar_loop_up", "Whether the loop runs", labels=("loop",))
    for name, alive in background.loops():
        family.add_metric((name,), alive)
    return family


class _Families:
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def as_registry(families: Iterable[Metric]) -> CollectorRegistry:
    """Return what can be written out, of families that are at hand."""
    registry = CollectorRegistry()
    registry.register(_Families(families))
    return registry


ROUTES = (web.get("/metrics", metrics),)
