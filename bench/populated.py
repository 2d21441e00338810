"""A notification database with a seminar and as many people to be reminded of it as wanted."""

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from local.importing import read_document
from local.up import EXAMPLE
from services.notification import store
from services.notification.model import Claimed, Kept, Kind
from services.notification.rendering import Renderer
from services.notification.settings import Settings
from shared.clock import SystemClock
from shared.database import Connection, open_database
from shared.messages import RegistrationSnapshot, SeminarSnapshot

RULE = "before_start P1D"
SETTINGS = {
    "bus_url": "local:",
    "public_url": "https://fagseminar.example.no",
    "secret_key": "a-key-for-benchmarks-only",
    "organiser_tokens": "a-token-for-benchmarks",
    "mail_from": "Fagseminar <fagseminar@example.no>",
}
NOBODY = UUID(int=0)


def a_seminar() -> SeminarSnapshot:
    """Return the example, to be held in ten days."""
    document = read_document(EXAMPLE)
    start = SystemClock().now() + timedelta(days=10)
    return SeminarSnapshot.model_validate(
        {
            **{field: document.get(field) for field in ("slug", "title", "summary", "venue", "serving", "contact")},
            "revision": 1,
            "status": "published",
            "start": start,
            "end": start + timedelta(hours=3),
            "zone": "Europe/Oslo",
            "attendance": {"online": {}, "in_person": {}},
            "stream_access": "registered",
        }
    )


def somebody() -> RegistrationSnapshot:
    """Return who attends online."""
    now = SystemClock().now() - timedelta(days=1)
    return RegistrationSnapshot.model_validate(
        {
            "id": NOBODY,
            "version": 1,
            "seminar": a_seminar().slug,
            "status": "confirmed",
            "attendance": "online",
            "name": "Åse Ødegård",
            "email": "aase@solund.example.no",
            "language": "nn",
            "registered_at": now,
            "confirmed_at": now,
        }
    )


def an_email() -> bytes:
    """Return a reminder as it leaves."""
    settings = Settings(database_url="postgresql://localhost", smtp_url="smtp://localhost", **SETTINGS)  # type: ignore[arg-type] # texts that it reads
    email = Claimed(Kind.REMINDER, 1, 1, somebody(), a_seminar(), 0, unsubscribed=False, suppressed=False)
    return Renderer(settings).render(NOBODY, email, SystemClock().now(), eight_bit=True)


async def populate(database_url: str, people: int, due_at: datetime) -> None:
    """Have so many people confirmed, and a reminder of theirs due at `due_at`; what was there before is gone."""
    seminar, person = a_seminar(), somebody()
    async with open_database(database_url) as database, database.transaction() as connection:
        await connection.execute("SET LOCAL statement_timeout = 0")
        await connection.execute("TRUNCATE emails, registrations, reminder_rules, seminars, outbox")
        await store.keep_seminar(connection, Kept(seminar))
        await _sign_up(connection, person, people)
        await connection.execute(
            "INSERT INTO reminder_rules (seminar, rule, attendance, due_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
            seminar.slug,
            RULE,
            person.attendance,
            due_at,
            seminar.start,
        )


async def _sign_up(connection: Connection, person: RegistrationSnapshot, people: int) -> None:
    await connection.execute(
        "INSERT INTO registrations (id, seminar, version, status, attendance, confirmed_at, snapshot)"
        " SELECT id, $2, 1, 'confirmed', 'online', $3, $1::jsonb || jsonb_build_object('id', id,"
        "   'name', 'Åse Ødegård ' || number, 'email', 'aase' || number || '@kommune' || number % 356 || '.example.no')"
        " FROM (SELECT gen_random_uuid() AS id, number FROM generate_series(1, $4) AS number) AS people",
        person.model_dump(mode="json"),
        person.seminar,
        person.confirmed_at,
        people,
        timeout=600,
    )


async def analysed(database_url: str) -> None:
    """Have the database know what it holds, as it would a minute later by itself."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("VACUUM (ANALYZE) emails, registrations")
    finally:
        await connection.close()
