"""A seminar in a database of registration's, and what people do with it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from services.registration import commands, store, store_waiting_list
from services.registration.model import Details, Registration
from services.registration.pages import switched
from services.registration.signing_up import Outcome
from shared.database import Connection, Database, open_database
from shared.messages import Attendance, Message, RegistrationSnapshot, RegistrationStatus
from tests.factories import NOW, SLUG, make_sign_up, make_snapshot

IN_PERSON, ONLINE = Attendance


class Seminar:
    """One seminar in a database of registration's, and what can be done with it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.revision = 0
        self.slug = SLUG

    async def revise(self, **overrides: Any) -> None:
        """Let registration learn of the next revision, or of the one that is given."""
        self.revision += 1
        fields: dict[str, Any] = {"slug": self.slug, "revision": self.revision} | overrides
        async with self.database.transaction() as connection:
            await commands.learn_of_seminar(connection, make_snapshot(**fields), NOW)

    async def sign_up(self, name: str, now: datetime = NOW, **overrides: Any) -> Outcome:
        given = make_sign_up(**{"seminar": self.slug, "name": name, "email": f"{name}@example.org"} | overrides)
        async with self.database.transaction() as connection:
            return await commands.sign_up(connection, given, now)

    async def cancel(self, name: str, now: datetime = NOW) -> Registration:
        async with self.database.transaction() as connection:
            return await commands.cancel(connection, await self._id(connection, name), now)

    async def attend(self, name: str, attendance: Attendance, now: datetime = NOW) -> Registration:
        return await self.change(name, lambda details: switched(details, attendance), now)

    async def change(
        self, name: str, edit: Callable[[Details], Details], now: datetime = NOW, read: int | None = None
    ) -> Registration:
        async with self.database.transaction() as connection:
            standing = await store.get(connection, await self._id(connection, name))
            assert standing
            return await commands.change(connection, standing.id, edit(standing.details), now, read=read)

    async def standing(self) -> dict[str, RegistrationStatus]:
        """Return how each name stands, as they came; the latest registration counts."""
        async with self.database.connection() as connection:
            rows = await store.listing(connection, self.slug, 0, None)
        return {row["name"]: RegistrationStatus(row["status"]) for row in rows}

    async def confirmed(self, attendance: Attendance = IN_PERSON) -> int:
        async with self.database.connection() as connection:
            return (await store_waiting_list.standing(connection, self.slug, attendance)).confirmed

    async def place(self, name: str) -> int | None:
        async with self.database.connection() as connection:
            return await store_waiting_list.place_in_queue(connection, await self._id(connection, name))

    async def told(self) -> list[Message]:
        """Return the messages that have been recorded for this seminar, in their order."""
        async with self.database.connection() as connection:
            rows = await connection.fetch("SELECT body FROM outbox ORDER BY position")
        messages = [Message.model_validate_json(row["body"]) for row in rows]
        return [message for message in messages if of(message).seminar == self.slug]

    async def kinds(self, name: str | None = None) -> list[str]:
        return [m.type.removeprefix("registration.") for m in await self.told() if name in (None, of(m).name)]

    async def _id(self, connection: Connection, name: str) -> UUID:
        rows = await store.listing(connection, self.slug, 0, None)
        return UUID(str([row["id"] for row in rows if row["name"] == name][-1]))


def of(message: Message) -> RegistrationSnapshot:
    assert isinstance(message.data, RegistrationSnapshot)
    return message.data


@asynccontextmanager
async def opened(url: str, connections: int = 10) -> AsyncIterator[Database]:
    async with open_database(url, connections=connections) as database:
        yield database


async def blocked(connection: Any, number: int) -> list[int]:
    """Return who waits for a lock, once that are so many."""
    async with asyncio.timeout(10):
        while True:
            await connection.execute("SELECT pg_stat_clear_snapshot()")
            rows = await connection.fetch(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if len(rows) >= number:
                return [row["pid"] for row in rows]
            await asyncio.sleep(0.005)
