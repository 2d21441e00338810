"""What a service tells Prometheus: by registration, which has a bit of everything."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple
from uuid import UUID

import pytest

from services.registration import commands
from services.registration.app import build
from services.registration.settings import Settings
from shared.bus import PublishError
from shared.clock import MovableClock
from shared.database import open_database
from shared.local_bus import LocalBus, LocalEndpoint
from shared.messages import Message
from shared.metrics import MeasuredBus, Metrics
from shared.tokens import Link, sign
from shared.web import exposition
from shared.web.keys import DATABASE
from tests.conftest import NewDatabase
from tests.eventually import eventually
from tests.factories import (
    NOW,
    SECRET,
    SLUG,
    Client,
    RecordingBus,
    make_message,
    make_settings,
    make_sign_up_body,
    make_snapshot,
    relayed,
    served,
)
from tests.scrape import Scraped, scraped

REQUESTS = "http_request_duration_seconds_count"


class Service(NamedTuple):
    """Registration, that knows one seminar, and its bus."""

    client: Client
    bus: RecordingBus

    async def metrics(self) -> Scraped:
        return await scraped(await self.client.get("/metrics"))


@pytest.fixture
async def service(new_database: NewDatabase) -> AsyncIterator[Service]:
    bus, clock = RecordingBus(), MovableClock(NOW - datetime.now(UTC))
    settings = make_settings(Settings, await new_database("registration"), database_connections=2)
    async with served(build, settings, clock, bus) as client:
        async with client.app[DATABASE].transaction() as connection:
            await commands.learn_of_seminar(connection, make_snapshot(capacity=1), NOW)
        yield Service(client, bus)


async def test_requests_are_counted_by_template_and_status_and_none_stays_in_flight(service: Service) -> None:
    for path in (f"/register/{SLUG}", f"/register/{SLUG}", "/register/another", "/nowhere"):
        await service.client.get(path)

    metrics = await service.metrics()

    count = partial(metrics.get, REQUESTS, method="GET")
    assert count(route="/register/{slug}", status="200") == 2
    assert count(route="/register/{slug}", status="404") == 1
    assert count(route="unknown", status="404") == 1
    assert metrics.get("http_requests_in_flight") == 1  # this one


async def test_nothing_of_a_person_and_nothing_that_a_stranger_chooses_is_a_label(service: Service) -> None:
    body = make_sign_up_body()
    answer = await service.client.post("/api/registrations", json=body)
    token = sign((SECRET.encode(),), "manage", Link(UUID((await answer.json())["id"]), 1))
    await service.client.get(f"/my/{token}")
    for method in ("PROPFIND", "MKCOL"):
        await service.client.request(method, f"/register/{SLUG}")

    metrics = await service.metrics()

    labels = metrics.labels(REQUESTS)
    assert {"method": "GET", "route": "/my/{token}", "status": "200"} in labels
    assert {label["method"] for label in labels} == {"GET", "POST", "other"}
    assert [word for word in (token, body["email"], body["name"], SLUG, "MKCOL") if word in metrics.text] == []


async def test_sign_ups_are_counted_by_what_came_of_them(service: Service) -> None:
    for email in ("a@example.org", "b@example.org"):
        await service.client.post("/api/registrations", json=make_sign_up_body(email=email))
    form = make_sign_up_body(seminar=..., email="c@example.org", attendance="online")
    await service.client.post(f"/register/{SLUG}", data=form)
    await service.client.post("/api/registrations", json=make_sign_up_body(seminar="another"))

    metrics = await service.metrics()

    sign_ups = partial(metrics.get, "fagseminar_sign_ups_total")
    assert sign_ups(attendance="in_person", outcome="confirmed") == 1
    assert sign_ups(attendance="in_person", outcome="waitlisted") == 1
    assert sign_ups(attendance="online", outcome="confirmed") == 1
    assert len(metrics.labels("fagseminar_sign_ups_total")) == 3


async def test_what_waits_for_the_bus_is_told_with_its_age_and_what_it_took_is_counted(service: Service) -> None:
    service.bus.refusing = True
    await service.client.post("/api/registrations", json=make_sign_up_body())
    await eventually(partial(_refused, service.bus))

    during = await service.metrics()
    service.bus.refusing = False
    await relayed(service.client.app[DATABASE])
    after = await service.metrics()

    assert during.get("fagseminar_outbox_pending") == 1
    assert (during.get("fagseminar_outbox_oldest_seconds") or 0) > 0
    refused = during.get("fagseminar_messages_published_total", type="registration.confirmed", outcome="refused")
    assert (refused or 0) >= 1
    assert (after.get("fagseminar_outbox_pending"), after.get("fagseminar_outbox_oldest_seconds")) == (0, 0)
    assert after.get("fagseminar_messages_published_total", type="registration.confirmed", outcome="published") == 1


async def _refused(bus: RecordingBus) -> bool:
    return bus.refused > 0


async def test_the_pool_and_the_loops_are_told_of(service: Service) -> None:
    async def at_rest() -> Scraped | None:  # other loops borrow one for a moment as they start
        scraped = await service.metrics()
        return scraped if scraped.get("fagseminar_database_connections", state="used") == 1 else None  # the relay's

    metrics = await eventually(at_rest)

    assert metrics.get("fagseminar_database_connections", state="most") == 2
    assert metrics.get("fagseminar_loop_up", loop="relay") == 1
    assert metrics.get("fagseminar_loop_up", loop="registration.seminar") == 1
    assert metrics.get("fagseminar_readings_up") == 1


async def test_without_the_database_the_rest_is_told_all_the_same(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposition, "PATIENCE", 0.1)
    async with service.client.app[DATABASE].connection():  # the last one: the relay holds the other
        metrics = await service.metrics()

    assert metrics.get("fagseminar_readings_up") == 0
    assert metrics.get("fagseminar_outbox_pending") is None
    assert metrics.get("fagseminar_loop_up", loop="relay") == 1
    assert (await service.metrics()).get("fagseminar_readings_up") == 1


async def test_a_message_is_counted_as_its_handler_fared(new_database: NewDatabase) -> None:
    async with open_database(await new_database("registration")) as database:
        metrics = Metrics()
        bus = MeasuredBus(LocalEndpoint(LocalBus([0.001]), database), metrics)
        attempts = 0

        async def handle(_: Message) -> None:
            nonlocal attempts
            attempts += 1
            if attempts == 1:
                raise RuntimeError("not yet")

        consuming = asyncio.create_task(bus.consume("catalog.registration", handle))
        await asyncio.sleep(0)
        message = make_message("registration.confirmed")
        for _ in range(2):
            with pytest.raises(PublishError):  # notification, the other to get it, is not there
                await bus.publish(message)
            await asyncio.sleep(0.01)
        consuming.cancel()

    def count(outcome: str) -> float | None:
        labels = {"queue": "catalog.registration", "type": "registration.confirmed", "outcome": outcome}
        return metrics.registry.get_sample_value("fagseminar_message_handling_seconds_count", labels)

    assert (count("failed"), count("handled")) == (1, 1)
