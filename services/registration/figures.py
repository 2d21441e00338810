"""What Prometheus is told of sign-ups: how many, and what came of them."""

from aiohttp import web
from prometheus_client import Counter

from services.registration.model import Refusal
from shared.messages import Attendance, RegistrationStatus
from shared.metrics import Metrics

SIGN_UPS = web.AppKey("SIGN_UPS", Counter)


def count_in(metrics: Metrics) -> Counter:
    """Return the counter of sign-ups; one for an address that stands already counts as a stranger's would."""
    return Counter(
        "fagseminar_sign_ups",
        "Sign-ups that came through, by how and by what came of them: a status, or why not",
        ("attendance", "outcome"),
        registry=metrics.registry,
    )


def count_sign_up(request: web.Request, attendance: Attendance, outcome: RegistrationStatus | Refusal) -> None:
    """Count one."""
    request.app[SIGN_UPS].labels(attendance, outcome).inc()
