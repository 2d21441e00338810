"""The statements by which people are forgotten."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from shared.database import Connection
from shared.messages import ErasedRegistration


async def erase(
    connection: Connection, registrations: Sequence[UUID], organisations: Sequence[str], now: datetime
) -> list[ErasedRegistration]:
    """Forget who these were, and what only they have told; of the organisations those in the list stay."""
    rows = await connection.fetch(
        "UPDATE registrations SET name = '', email = '', email_key = id::text, role = NULL, dietary_needs = NULL,"
        " accessibility_needs = NULL, answers = '{}', links_sent_on = NULL, link_version = link_version + 1,"
        " organisation = CASE WHEN organisation = ANY ($2::text[]) THEN organisation END,"
        " version = version + 1, erased_at = $3 WHERE id = ANY ($1::uuid[]) AND erased_at IS NULL"
        " RETURNING id, version, seminar",
        list(registrations),
        list(organisations),
        now,
    )
    return [ErasedRegistration(**row) for row in rows]


async def over_since(connection: Connection, moment: datetime) -> str | None:
    """Return a seminar that had ended by then and of whose people something is still kept."""
    found: str | None = await connection.fetchval(
        "SELECT slug FROM seminars s WHERE (snapshot->>'end')::timestamptz <= $1"
        " AND EXISTS (SELECT FROM registrations r WHERE r.seminar = s.slug AND r.erased_at IS NULL) LIMIT 1",
        moment,
    )
    return found


async def kept(connection: Connection, seminar: str, limit: int) -> list[UUID]:
    """Return some of those of whom something is still kept."""
    rows = await connection.fetch(
        "SELECT id FROM registrations WHERE seminar = $1 AND erased_at IS NULL LIMIT $2", seminar, limit
    )
    return [row["id"] for row in rows]


async def next_end(connection: Connection, after: datetime) -> datetime | None:
    """Return when the next seminar ends."""
    found: datetime | None = await connection.fetchval(
        "SELECT min((snapshot->>'end')::timestamptz) FROM seminars WHERE (snapshot->>'end')::timestamptz > $1", after
    )
    return found
