"""What Prometheus is told of e-mails: what came of each attempt, how late they leave, how many should have left."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache

from prometheus_client import Counter, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from services.notification import store
from services.notification.model import Kind, State
from services.notification.smtp import Result
from services.notification.store_claims import Claim
from shared.database import Connection
from shared.metrics import LONG, Metrics

OUTCOMES = {
    Result.ACCEPTED: "sent",
    Result.REFUSED: "failed",
    Result.REJECTED: "failed",
    Result.POSTPONED: "postponed",
    Result.AMBIGUOUS: "ambiguous",
    Result.UNREACHED: "postponed",
    Result.WITHDRAWN: "withdrawn",
}


class Figures:
    """What this process counts of its e-mails; times are the seminars'."""

    def __init__(self, metrics: Metrics) -> None:
        self._attempts = Counter(
            "fagseminar_emails",
            "E-mails by kind and what came of an attempt; the same one may be postponed often",
            ("kind", "outcome"),
            registry=metrics.registry,
        )
        self._lateness = Histogram(
            "fagseminar_email_lateness_seconds",
            "How long after its moment the server took an e-mail over",
            ("kind",),
            registry=metrics.registry,
            buckets=LONG,
        )
        metrics.readings.append(due)

    def claimed(self, claims: Sequence[Claim]) -> None:
        """Count those of whom a copy may have left with a process that died."""
        for claim in claims:
            if claim.doubtful:
                self._attempts.labels(claim.kind, OUTCOMES[Result.AMBIGUOUS]).inc()

    def settled(self, claim: Claim, result: Result, now: datetime) -> None:
        """Count what came of the dialogue."""
        self._counter(claim.kind, result).inc()
        if result is Result.ACCEPTED:
            self._lateness.labels(claim.kind).observe(max(0.0, (now - claim.due_at).total_seconds()))

    @cache  # noqa: B019 - one for each process; finding a counter by its labels takes longer than counting
    def _counter(self, kind: Kind, result: Result) -> Counter:
        return self._attempts.labels(kind, OUTCOMES[result])

    def closed(self, claim: Claim, state: State) -> None:
        """Count one that was not sent, and will not be."""
        self._attempts.labels(claim.kind, state).inc()


async def due(connection: Connection, now: datetime) -> tuple[Metric, Metric]:
    """Return how many e-mails should have left by now, and how late the latest of them is."""
    waiting = GaugeMetricFamily("fagseminar_emails_due", "E-mails whose moment has come, not settled", labels=("kind",))
    oldest = GaugeMetricFamily("fagseminar_emails_overdue_seconds", "Since when the oldest is due", labels=("kind",))
    found = {kind: (number, since) for kind, number, since in await store.due(connection, now)}
    for kind in Kind:  # all of them: an alert on what is not there never goes off
        number, since = found.get(kind, (0, now))
        waiting.add_metric((kind,), number)
        oldest.add_metric((kind,), (now - since).total_seconds())
    return waiting, oldest
