"""Looks into the databases and the mailbox from the outside, and changes nothing."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from local.demo.count import Email, Found, Registration, Rule
from local.demo.visitors import SEMINAR, Visitors
from local.services import Environment
from services.notification.rendering import message_id
from shared.clock import Clock
from shared.dead_letters import dead_queues

PATIENCE = 60.0  # seconds for all that is under way to arrive
POLL = 0.1  # seconds between looks

Connections = dict[str, "asyncpg.Connection[asyncpg.Record]"]


class Evidence:
    """What is to be seen of the program without asking it."""

    def __init__(self, environments: Mapping[str, Environment], clock: Clock) -> None:
        self._environments = environments
        self._clock = clock
        self._public_url = environments["notification"]["PUBLIC_URL"]

    async def gather(self, visitors: Visitors) -> Found:
        """Return all that is to be found now."""
        copies = Counter(message["headers"]["Message-ID"] for message in await visitors.mailbox())
        async with self._connected() as databases:
            registration, notification = databases["registration"], databases["notification"]
            return Found(
                registrations=[Registration(**row) for row in await registration.fetch(REGISTRATIONS, SEMINAR)],
                capacity=await registration.fetchval(CAPACITY, SEMINAR),
                known=dict(await _known(notification)),
                emails=[self._email(row) for row in await notification.fetch(EMAILS, SEMINAR)],
                rules=[Rule(**row) for row in await notification.fetch(RULES, SEMINAR, self._clock.now())],
                copies=copies,
                answered=frozenset(visitors.registered),
                unrelayed=await _unrelayed(databases),
                dead=await self._dead(),
            )

    async def settle(self) -> None:
        """Wait until every message has had its effect and every e-mail that is due has left.

        Raises RuntimeError if that takes too long: then something is stuck.
        """
        try:
            async with asyncio.timeout(PATIENCE), self._connected() as databases:
                while await _under_way(databases, self._clock.now()):  # noqa: ASYNC110 - other processes' doings
                    await asyncio.sleep(POLL)
        except TimeoutError:
            raise RuntimeError(f"after {PATIENCE:g} s there are still messages or e-mails under way") from None

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connections]:
        databases: Connections = {}
        try:
            for name, environment in self._environments.items():
                databases[name] = await asyncpg.connect(environment["DATABASE_URL"])
            yield databases
        finally:
            for connection in databases.values():
                await connection.close()

    async def _dead(self) -> int:
        letters = [
            await queue.letters()
            for service, environment in self._environments.items()
            for queue in dead_queues(service, environment["BUS_URL"], environment["DATABASE_URL"])
        ]
        return sum(map(len, letters))

    def _email(self, row: asyncpg.Record) -> Email:
        seen = dict(row)
        return Email(message_id(seen.pop("id"), self._public_url), **seen)


REGISTRATIONS = "SELECT id, version, status, attendance, confirmed_at FROM registrations WHERE seminar = $1"
CAPACITY = "SELECT (snapshot->'attendance'->'in_person'->>'capacity')::integer FROM seminars WHERE slug = $1"
EMAILS = "SELECT id, registration, kind, rule, generation, state, ambiguous FROM emails WHERE seminar = $1"
RULES = "SELECT rule, attendance, generation, due_at FROM reminder_rules WHERE seminar = $1 AND due_at <= $2"
VERSIONS = "SELECT id, version FROM registrations"
REVISIONS = "SELECT slug, revision FROM seminars"
OPEN = (  # reminders of a moment that the rule no longer has stay where they are, for good
    "SELECT count(*) FROM emails e LEFT JOIN reminder_rules r USING (seminar, rule, generation)"
    " WHERE e.state IN ('pending', 'sending') AND e.due_at <= $1 AND (e.rule = '' OR r.rule IS NOT NULL)"
)
UNWRITTEN = "SELECT count(*) FROM reminder_rules WHERE state = 'scheduled' AND due_at <= $1"


async def _known(notification: "asyncpg.Connection[asyncpg.Record]") -> list[tuple[UUID, int]]:
    return [(row["id"], row["version"]) for row in await notification.fetch(VERSIONS)]


async def _unrelayed(databases: Connections) -> int:
    return sum([await database.fetchval("SELECT count(*) FROM outbox") for database in databases.values()])


async def _under_way(databases: Connections, now: datetime) -> bool:
    registration, notification = databases["registration"], databases["notification"]
    return bool(
        await _unrelayed(databases)
        or await _differs(VERSIONS, registration, notification)
        or await _differs(REVISIONS, databases["catalog"], notification)  # registration is not told of recordings
        or await notification.fetchval(UNWRITTEN, now)
        or await notification.fetchval(OPEN, now)
    )


async def _differs(statement: str, *databases: "asyncpg.Connection[asyncpg.Record]") -> bool:
    seen: list[set[Any]] = [{tuple(row) for row in await database.fetch(statement)} for database in databases]
    return any(one != seen[0] for one in seen)
