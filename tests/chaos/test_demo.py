"""The story over RabbitMQ, with each kind of service and the broker killed in the middle of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import demand_rabbitmq
from tests.end_to_end.conftest import forget
from tests.end_to_end.test_demo import play, report


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    demand_rabbitmq()
    yield tmp_path / "state"
    forget(tmp_path / "state")


def test_nothing_is_lost_or_doubled_when_each_service_and_the_broker_are_killed(data: Path) -> None:
    played = play(data, BROKER="rabbitmq")

    assert played.returncode == 0, played.stdout + played.stderr
    assert {"lost 0", "doubled 0"} < set(played.stdout.splitlines())
    seen = report(data)
    killed = {death["process"].partition("-")[0]: death for death in seen["deaths"]}
    assert set(killed) == {"catalog", "registration", "notification", "rabbitmq"}
    assert killed["notification"]["claimed"] > 0  # rows were its own when it died
    assert seen["answered_without_broker"] > 0
    assert seen["counted"]["sign-ups"] == 300
