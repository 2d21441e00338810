"""The services as processes of their own over RabbitMQ: each by itself, each replaceable, by one clock."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import aio_pika
import aiohttp
import asyncpg
import pytest
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity

from local.over_rabbitmq import Processes
from local.processes import command_of, free_port
from local.services import Environment
from local.supervisor import Process
from local.up import remove, running
from tests.conftest import demand_rabbitmq
from tests.end_to_end.conftest import Site, forget
from tests.end_to_end.test_process import address, left_behind, sign_up, started
from tests.eventually import eventually
from tests.scrape import scraped

REPLICAS = {"catalog": 1, "registration": 2, "notification": 2}
SOON = 30.0  # seconds in which what was killed is back, on a busy machine


class Parts(NamedTuple):
    """Everything up over RabbitMQ, and the parts that it consists of."""

    site: Site
    processes: Processes
    environments: dict[str, Environment]
    data: Path

    def process(self, name: str) -> Process:
        servers: dict[str, Process] = {"rabbitmq": self.processes.broker, "postgres": self.processes.postgres}
        return servers.get(name) or self.processes.supervisor.programs[name]

    def log(self, name: str) -> str:
        return self.processes.supervisor.programs[name].log.read_text()


@pytest.fixture(scope="module")
async def parts(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Parts]:
    demand_rabbitmq()
    data = tmp_path_factory.mktemp("parts")
    async with AsyncExitStack() as stack:
        stack.callback(remove, data)
        up = await stack.enter_async_context(running(data, 0, broker="rabbitmq", replicas=REPLICAS))
        client = await stack.enter_async_context(aiohttp.ClientSession())
        assert up.processes
        yield Parts(Site(up.url, up.organiser_token, client), up.processes, up.environments, data)


async def signed_up(site: Site, name: str, attendance: str = "online") -> int:
    """Sign up, again where the process died that had the request; return the status of the answer."""

    async def ask() -> int | None:
        try:
            status, _ = await site.sign_up(name, attendance)
        except aiohttp.ClientError:
            return None
        return None if status in (502, 503) else status

    return await eventually(ask, within=SOON)


def test_each_service_is_a_process_that_names_it(parts: Parts) -> None:
    programs = parts.processes.supervisor.programs

    assert list(programs) == [
        "catalog-1",
        "registration-1",
        "registration-2",
        "notification-1",
        "notification-2",
        "proxy",
    ]
    for name, program in programs.items():
        assert program.pid
        assert name.partition("-")[0].replace("proxy", "front") in command_of(program.pid)
    assert len({program.pid for program in programs.values()}) == 6


WORK = {  # what a replica's log says when it has done its part
    "registration-1": '"route":"/api/registrations"',
    "registration-2": '"route":"/api/registrations"',
    "notification-1": '"event":"e-mail settled"',
    "notification-2": '"event":"e-mail settled"',
}


async def test_both_replicas_of_registration_answer_and_both_of_notification_send(parts: Parts) -> None:
    """Which of two accepts a connection is the kernel's to say, so a few crowds may come before both have."""
    seen: set[str] = set()

    for crowd in range(10):
        names = [f"replica{crowd}x{number}" for number in range(60)]
        answers = await asyncio.gather(*(parts.site.sign_up(name) for name in names))
        mail = await parts.site.mail(**dict.fromkeys(names, 1))
        assert {status for status, _ in answers} == {202}
        assert len({message["headers"]["Message-ID"] for name in names for message in mail[name]}) == 60
        seen = {replica for replica, work in WORK.items() if work in parts.log(replica)}
        if seen == set(WORK):
            break

    assert seen == set(WORK)


async def test_at_this_machine_one_signs_up_as_often_as_one_likes_and_prometheus_is_told_of_every_service(
    parts: Parts,
) -> None:
    statuses = {await signed_up(parts.site, "often") for _ in range(15)}
    async with parts.site.client.get(f"{parts.site.url}/metrics") as answer:
        metrics = await scraped(answer)

    assert statuses == {202}
    assert {labels["service"] for labels in metrics.labels("fagseminar_loop_up")} == set(parts.environments)
    assert metrics.get("fagseminar_loop_up", service="notification", loop="notification.registration") == 1


@pytest.mark.parametrize("other", ["catalog", "notification"])
async def test_registration_cannot_enter_the_database_of_another(parts: Parts, other: str) -> None:
    own, others = (parts.environments[name]["DATABASE_URL"] for name in ("registration", other))
    url = own.rpartition("/")[0] + "/" + others.rpartition("/")[2]

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(url)


async def test_registration_cannot_read_the_queues_of_notification(parts: Parts) -> None:
    async with await aio_pika.connect(parts.environments["registration"]["BUS_URL"]) as connection:
        for queue in ("notification.registration", "notification.seminar.dead"):
            channel = await connection.channel()
            standing = await channel.get_queue(queue, ensure=False)
            with pytest.raises(AMQPError, match="ACCESS_REFUSED"):
                await standing.get(fail=False)


async def test_registration_cannot_publish_what_is_catalogs_to_say(parts: Parts) -> None:
    async with await aio_pika.connect(parts.environments["registration"]["BUS_URL"]) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange("fagseminar", ensure=False)
        with pytest.raises(AMQPError, match="ACCESS_REFUSED"):
            await exchange.publish(aio_pika.Message(b"{}"), "seminar.cancelled")


@pytest.mark.parametrize(
    "victim", ["catalog-1", "registration-1", "notification-1", "notification-2", "proxy", "rabbitmq", "postgres"]
)
async def test_whatever_is_killed_is_back_and_sign_ups_are_confirmed(parts: Parts, victim: str) -> None:
    process = parts.process(victim)
    before = process.pid
    assert before

    os.kill(before, signal.SIGKILL)
    assert await signed_up(parts.site, f"after-{victim}") == 202

    async def back() -> bool:
        return process.pid not in (None, before)

    async def healthy() -> bool:
        async with parts.site.client.get(f"{parts.site.url}/health/ready") as answer:
            return answer.ok

    await eventually(back, within=SOON)
    await eventually(healthy, within=SOON)

    async def confirmed() -> bool:
        messages = (await parts.site.get("/mailbox/messages"))["items"]
        return any(message["to"].startswith(f"after-{victim}@") for message in messages)

    await eventually(confirmed, within=SOON)


@pytest.mark.parametrize("queue", ["registration.seminar", "notification.registration"])
async def test_a_deleted_queue_is_back_and_flows_within_a_quarter_of_a_minute(parts: Parts, queue: str) -> None:
    admin = parts.processes.broker.url()
    async with await aio_pika.connect(admin) as connection, connection.channel() as channel:
        await channel.queue_delete(queue)

    async def consumed() -> bool:
        try:
            async with await aio_pika.connect(admin) as connection, connection.channel() as channel:
                return bool((await channel.get_queue(queue)).declaration_result.consumer_count)
        except ChannelNotFoundEntity:
            return False

    await eventually(consumed, within=15)
    name = f"after-{queue.replace('.', '-')}"
    assert await signed_up(parts.site, name) == 202
    await parts.site.mail(**{name: 1})


async def test_a_move_of_the_clock_is_applied_in_every_process_by_the_time_it_is_answered(parts: Parts) -> None:
    before = datetime.fromisoformat((await parts.site.get("/time"))["now"])
    await parts.site.move_clock("2023-05-30T08:00:00+02:00")
    refusals = await asyncio.gather(*(parts.site.sign_up(f"late{number}", "in_person") for number in range(20)))
    after = datetime.fromisoformat((await parts.site.get("/time"))["now"])

    assert before < after
    assert {(status, answer["type"]) for status, answer in refusals} == {(409, "/problems/deadline-passed")}


async def test_reminders_leave_when_the_clock_gets_there(parts: Parts) -> None:
    await parts.site.sign_up("reminded")
    await parts.site.mail(reminded=1)  # two replicas might else send the two e-mails in either order
    await parts.site.move_clock("2023-05-31T10:00:00+02:00")

    messages = (await parts.site.mail(reminded=2))["reminded"]

    assert messages[1]["subject"].startswith("Påminnelse: ")


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    demand_rabbitmq()
    yield tmp_path / "state"
    forget(tmp_path / "state")


async def nothing_is_left_of(data: Path) -> None:
    """Wait for the broker's own helpers, which notice a moment later that it is gone."""

    async def look() -> bool:
        return left_behind(data) == []

    await eventually(look)


async def test_a_signal_to_the_supervisor_ends_every_process(data: Path) -> None:
    async with started(data, free_port(), BROKER="rabbitmq") as process:
        assert len(left_behind(data)) > 6
        process.terminate()
        await asyncio.to_thread(process.wait, 60)

    assert process.returncode == 0
    await nothing_is_left_of(data)


async def test_after_a_killed_supervisor_the_next_run_takes_over_and_nothing_is_lost(data: Path) -> None:
    port = free_port()
    async with started(data, port, BROKER="rabbitmq") as process:
        await sign_up(await address(process), "ole")
        process.kill()
    second = started(data, port, BROKER="rabbitmq", REPLICAS="notification=1")
    async with second as process, aiohttp.ClientSession() as client:
        await address(process)  # until then what the first one left behind may still answer

        async def confirmed() -> list[str] | None:
            async with client.get(f"http://localhost:{port}/mailbox/messages") as answer:
                return [message["headers"]["Message-ID"] for message in (await answer.json())["items"]] or None

        ids = await eventually(confirmed, within=SOON)
        programs = [name for name in ("notification-1", "notification-2") if (data / "run" / f"{name}.pid").exists()]

    assert len(set(ids)) == 1
    assert programs == ["notification-1"]
