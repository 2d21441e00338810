"""Notification as two processes of its own, over RabbitMQ, on one database and one SMTP server."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from local.mailbox import Mailbox
from local.processes import free_port
from local.rabbitmq import RabbitMQ
from shared.messages import Attendance, ReminderRule
from shared.rabbitmq import RabbitBus
from tests.conftest import NewDatabase
from tests.eventually import eventually
from tests.snapshots import make_message, make_registration, make_seminar

ROOT = Path(__file__).parents[2]
PEOPLE = 120


async def test_two_replicas_send_everything_once_between_them(
    rabbitmq: RabbitMQ, new_database: NewDatabase, tmp_path: Path
) -> None:
    await rabbitmq.add_vhost("replicas")
    mailbox = Mailbox(tmp_path / "mailbox")
    bus = RabbitBus(rabbitmq.url("replicas"))
    async with AsyncExitStack() as stack:
        smtp_port = await stack.enter_async_context(mailbox.serving())
        environment = {
            "DATABASE_URL": await new_database("notification"),
            "BUS_URL": rabbitmq.url("replicas"),
            "SMTP_URL": f"smtp://127.0.0.1:{smtp_port}",
            "MAIL_FROM": "post@fagseminar.example.no",
            "PUBLIC_URL": "https://fagseminar.example.no",
            "SECRET_KEY": "a-key-for-tests-only",
            "ORGANISER_TOKENS": "a-token-for-tests",
        }
        await asyncio.to_thread(run, environment, "migrate")
        for number in (1, 2):
            await stack.enter_async_context(replica(environment, tmp_path / f"replica-{number}.log"))
        reminder_due = datetime.now(UTC) + timedelta(seconds=8)
        await publish(bus, reminder_due)

        async def both_kinds() -> bool:
            return len(mailbox.received) >= 2 * PEOPLE

        await eventually(both_kinds, within=40)
        await bus.close()
    ids = Counter(mail.headers["Message-ID"] for mail in mailbox.received.values())
    recipients = Counter(mail.to for mail in mailbox.received.values())

    assert set(ids.values()) == {1}
    assert set(recipients.values()) == {2}
    shares = await sent_by(environment["DATABASE_URL"])
    assert len(shares) == 2, shares
    assert sum(shares) == len(ids) == 2 * PEOPLE
    await rabbitmq.delete_vhost("replicas")


async def publish(bus: RabbitBus, reminder_due: datetime) -> None:
    rule = ReminderRule(at=reminder_due, attendance=tuple(Attendance))
    start = datetime.now(UTC) + timedelta(days=30)
    await bus.publish(make_message(make_seminar(start=start, end=start + timedelta(hours=3), reminders=(rule,))))
    people = [make_registration() for _ in range(PEOPLE)]
    await asyncio.gather(*(bus.publish(make_message(person)) for person in people))
    await asyncio.gather(*(bus.publish(make_message(person)) for person in people))  # and all of them twice


def run(environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "services.notification", *arguments]
    subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=True, capture_output=True, timeout=60)


@asynccontextmanager
async def replica(environment: dict[str, str], log: Path) -> AsyncIterator[None]:
    process = launch(environment, log)
    try:
        yield
    finally:
        process.terminate()
        assert await asyncio.to_thread(process.wait, 30) == 0


def launch(environment: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "services.notification"]
    with log.open("wb") as output:
        return subprocess.Popen(
            command, cwd=ROOT, env=os.environ | environment | {"PORT": str(free_port())}, stderr=output
        )


async def sent_by(database_url: str) -> list[int]:
    """Return how many e-mails each process has sent."""
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch("SELECT count(*) FROM emails WHERE state = 'sent' GROUP BY claimed_by")
    await connection.close()
    return [row["count"] for row in rows]
