"""Services as processes over RabbitMQ: what ends them, and that everything flows again once they are started anew."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from shared import outbox
from shared.database import open_database
from shared.messages import Message
from shared.topology import QUEUES
from tests.contracts.steps import NOTIFICATION, PATIENCE, REGISTRATION, eventually, ids, make_seminar

if TYPE_CHECKING:
    from tests.contracts.conftest import Broker, Control

ROOT = Path(__file__).parents[2]
BACK = 15.0  # seconds in which whatever was cut or deleted must be mended
SETTINGS = {
    "PATH": os.environ["PATH"],
    "PUBLIC_URL": "https://seminar.example.no",
    "SECRET_KEY": "a key of sufficient length",
    "ORGANISER_TOKENS": "token",
    "SMTP_URL": "smtp://127.0.0.1:1",
    "MAIL_FROM": "seminar@example.no",
    "PORT": "0",
}


class Processes:
    """The services as production starts them: each with its own database and its own broker user."""

    def __init__(self, urls: dict[str, str], users: dict[str, str]) -> None:
        self._urls = urls
        self._users = users

    @asynccontextmanager
    async def running(self, service: str, *words: str) -> AsyncIterator[Process]:
        places = {"DATABASE_URL": self._urls[service], "BUS_URL": self._users[service]}
        command = (sys.executable, "-m", f"services.{service}", *words)
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=SETTINGS | places, stderr=PIPE)
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.communicate()

    async def supervise(self, service: str) -> None:
        """Start the service again whenever it ends, until cancelled."""
        while True:
            async with self.running(service) as process:
                await process.communicate()

    @asynccontextmanager
    async def supervised(self) -> AsyncIterator[None]:
        """Have all services up while the caller's block runs."""
        supervising = [asyncio.create_task(self.supervise(service)) for service in self._urls]
        try:
            yield
        finally:
            for task in supervising:
                task.cancel()
            await asyncio.gather(*supervising, return_exceptions=True)

    async def record(self, message: Message) -> None:
        """Let catalog owe the message to the bus."""
        async with (
            open_database(self._urls["catalog"], connections=1) as database,
            database.transaction() as connection,
        ):
            await outbox.record(connection, message)

    async def handled(self, queue: str) -> list[str]:
        """Return the ids of the messages that have had their effect."""
        rows = await self.look(queue.partition(".")[0], "SELECT message_id FROM inbox WHERE queue = $1", queue)
        return sorted(str(row["message_id"]) for row in rows)

    async def look(self, service: str, statement: str, *arguments: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self._urls[service])
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()


@pytest.fixture
def processes(urls: dict[str, str], users: dict[str, str]) -> Processes:
    return Processes(urls, users)


async def consumed(broker: "Broker", *queues: str, seconds: float = PATIENCE) -> None:
    """Wait until each of the queues has its one consumer."""

    async def look() -> list[int | None]:
        return [await broker.consumers(queue) for queue in queues]

    await eventually(look, [1] * len(queues), seconds)


async def handled(processes: Processes, *messages: Message) -> None:
    """Wait until registration and notification have handled `messages` and nothing else."""
    for queue in (REGISTRATION, NOTIFICATION):
        await eventually(lambda queue=queue: processes.handled(queue), sorted(map(str, ids(*messages))), BACK)  # type: ignore[misc]


async def says(process: Process, words: str) -> None:
    """Wait until the process logs that, after what it was heard to say before."""
    assert process.stderr
    async with asyncio.timeout(BACK):
        while words not in (line := (await process.stderr.readline()).decode()):
            assert line, "it has ended"


async def last_words(process: Process) -> str:
    """Return what the process has said once it has ended by itself."""
    _, said = await asyncio.wait_for(process.communicate(), BACK)
    return said.decode()


async def test_a_service_whose_queue_is_deleted_ends_with_status_1(processes: Processes, broker: "Broker") -> None:
    async with processes.running("registration") as process:
        await consumed(broker, REGISTRATION)

        await broker.delete_queue(REGISTRATION)

        assert f"the consumer of {REGISTRATION} is gone: its queue was deleted" in await last_words(process)
        assert process.returncode == 1


async def test_a_service_whose_relay_loses_its_database_connection_ends_with_status_1(
    processes: Processes, broker: "Broker"
) -> None:
    """The lock that makes it the one relay went with the connection."""
    async with processes.running("registration") as process:
        await consumed(broker, REGISTRATION)

        async def cut() -> int:
            return len(
                await processes.look(
                    "registration",
                    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                )
            )

        await eventually(cut, 1)

        assert "the loop relay ended" in await last_words(process)
        assert process.returncode == 1


async def test_a_service_waits_out_a_lost_connection(processes: Processes, vhost: str, control: "Control") -> None:
    async with processes.running("registration") as process:
        await says(process, '"event":"consuming"')

        await control("close_all_connections", "--vhost", vhost, "test")

        await says(process, '"event":"broker lost"')
        await says(process, '"event":"consuming"')
        assert process.returncode is None


async def test_everything_flows_again_after_forced_disconnects_and_deleted_queues(
    processes: Processes, broker: "Broker", vhost: str, control: "Control"
) -> None:
    first, second, third = make_seminar(revision=1), make_seminar(revision=2), make_seminar(revision=3)
    async with processes.supervised():
        await consumed(broker, *QUEUES)
        await processes.record(first)
        await handled(processes, first)

        await control("close_all_connections", "--vhost", vhost, "test")
        await processes.record(second)
        await handled(processes, first, second)

        for queue in QUEUES:
            await broker.delete_queue(queue)
        await consumed(broker, *QUEUES, seconds=BACK)
        await processes.record(third)
        await handled(processes, first, second, third)


async def test_migrating_as_a_user_who_may_not_says_in_one_line_who_may(processes: Processes) -> None:
    async with processes.running("registration", "migrate") as process:
        said = await last_words(process)

    assert process.returncode == 1
    assert said.count("\n") == 1
    assert "ACCESS_REFUSED" in said
    assert "BUS_URL must name a user who may configure" in said
