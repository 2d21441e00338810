"""What a service tells Prometheus of itself: a registry of its own, of what it has counted since it started.

What has to be read anew each time, such as how much waits in a table, is read when somebody asks
(shared/web/exposition.py). Labels have few values: a route's template, never a path, and nothing of a person.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.metrics_core import Metric

from shared.bus import Bus, Handler, PublishError
from shared.database import Connection
from shared.messages import Message

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"  # what HTTP has besides, and no route of ours
FAST = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)  # seconds
LONG = (1, 5, 15, 60, 300, 900, 3600, 14400)  # seconds

Reading = Callable[[Connection, datetime], Awaitable[Sequence[Metric]]]

disable_created_metrics()  # type: ignore[no-untyped-call] # when a series began is nothing that we ask for, and it doubles their number


class Metrics:
    """What one service has counted, and what is to be read when somebody asks."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.readings: list[Reading] = []
        ProcessCollector(registry=self.registry)
        self._under_way = 0
        Gauge("http_requests_in_flight", "Requests that are being answered", registry=self.registry).set_function(
            lambda: self._under_way
        )
        self._requests = Histogram(
            "http_request_duration_seconds",
            "Requests by method, route template and status",
            ("method", "route", "status"),
            registry=self.registry,
            buckets=FAST,
        )
        self._series: dict[tuple[str, str, int], Histogram] = {}  # to look one up costs less than to ask for it
        self.published = Counter(
            "fagseminar_messages_published",
            "Messages that the relay brought to the bus: published, or refused and to be tried again",
            ("type", "outcome"),
            registry=self.registry,
        )
        self.handled = Histogram(
            "fagseminar_message_handling_seconds",
            "Messages that came from the bus: handled, or failed and to come again",
            ("queue", "type", "outcome"),
            registry=self.registry,
            buckets=FAST,
        )

    def begin(self) -> float:
        """Note that a request has come; returns what `finish` wants to know."""
        self._under_way += 1
        return time.perf_counter()

    def finish(self, began: float, method: str, route: str, status: int) -> float:
        """Note that it is answered, and return in how many seconds; cheap, as every page pays for it."""
        self._under_way -= 1
        key = (method, route, status)
        series = self._series.get(key) or self._new_series(key)
        taken = time.perf_counter() - began
        series.observe(taken)
        return taken

    def _new_series(self, key: tuple[str, str, int]) -> Histogram:
        method, route, status = key
        series = self._requests.labels(method if method in METHODS else OTHER, route, status)
        self._series[key] = series
        return series


class MeasuredBus:
    """A bus whose messages are counted as they go and come."""

    def __init__(self, bus: Bus, metrics: Metrics) -> None:
        self._bus = bus
        self._metrics = metrics

    async def publish(self, message: Message) -> None:
        """Publish; raises PublishError."""
        try:
            await self._bus.publish(message)
        except PublishError:
            self._metrics.published.labels(message.type, "refused").inc()
            raise
        self._metrics.published.labels(message.type, "published").inc()

    async def consume(self, queue: str, handle: Handler) -> None:
        """Hand the queue's messages to `handle` until cancelled; raises ConsumerLostError."""

        async def measured(message: Message) -> None:
            began, outcome = time.perf_counter(), "failed"
            try:
                await handle(message)
                outcome = "handled"
            finally:
                series = self._metrics.handled.labels(queue, message.type, outcome)
                series.observe(time.perf_counter() - began)

        await self._bus.consume(queue, measured)

    async def close(self) -> None:
        """Let go of the broker."""
        await self._bus.close()
