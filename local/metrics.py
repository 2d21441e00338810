"""What the services of this machine tell Prometheus, together: told apart by the label `service`."""

from collections.abc import Mapping

from prometheus_client import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from shared.web.exposition import as_registry


def together(texts: Mapping[str, str | None]) -> bytes:
    """Return the services' expositions as one; None stands for a service that is away."""
    up = GaugeMetricFamily("fagseminar_service_up", "Whether the service answered", labels=("service",))
    families: dict[str, Metric] = {up.name: up}
    for service, text in texts.items():
        up.add_metric((service,), text is not None)
        for family in text_string_to_metric_families(text or ""):
            whole = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            whole.samples += [
                sample._replace(labels={"service": service, **sample.labels}) for sample in family.samples
            ]
    return generate_latest(as_registry(families.values()))
