from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from local.metrics import together
from tests.scrape import Scraped


def exposition(number: int) -> str:
    registry = CollectorRegistry()
    Gauge("waiting", "Those who wait", registry=registry).set(number)
    Counter("sign_ups", "Those who came", ("outcome",), registry=registry).labels("confirmed").inc(number)
    Histogram("seconds", "How long it took", registry=registry, buckets=(1, 5)).observe(number)
    return generate_latest(registry).decode()


def test_services_stand_together_in_one_exposition_each_by_its_name() -> None:
    whole = Scraped(together({"catalog": exposition(1), "registration": exposition(2), "notification": None}).decode())

    assert [whole.get("waiting", service=name) for name in ("catalog", "registration")] == [1, 2]
    assert whole.get("sign_ups_total", service="registration", outcome="confirmed") == 2
    assert whole.get("seconds_bucket", service="catalog", le="1.0") == 1
    assert [whole.get("fagseminar_service_up", service=name) for name in ("catalog", "notification")] == [1, 0]
    assert "# TYPE sign_ups_total counter" in whole.text
    assert "# TYPE seconds histogram" in whole.text
