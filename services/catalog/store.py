"""Every SQL statement of catalog."""

from datetime import datetime

import asyncpg

from services.catalog.document import Document
from services.catalog.model import Seminar
from shared.database import Connection


def _seminar(row: asyncpg.Record) -> Seminar:
    return Seminar(document=Document(**row["document"]), revision=row["revision"], cancelled=row["cancelled"])


async def get(connection: Connection, slug: str) -> Seminar | None:
    """Return the seminar as it stands."""
    row = await connection.fetchrow("SELECT document, revision, cancelled FROM seminars WHERE slug = $1", slug)
    return _seminar(row) if row else None


async def lock(connection: Connection, slug: str) -> tuple[Seminar, bool] | None:
    """Return the seminar and whether it was announced, and keep others from changing it until the commit."""
    row = await connection.fetchrow(
        "SELECT document, revision, cancelled, announced FROM seminars WHERE slug = $1 FOR UPDATE", slug
    )
    return (_seminar(row), row["announced"]) if row else None


async def listing(connection: Connection, after: tuple[datetime, str] | None, limit: int) -> list[Seminar]:
    """Return the seminars that are no drafts, the latest start first, from behind `after` (start, slug) on."""
    rows = await connection.fetch(
        "SELECT document, revision, cancelled FROM seminars WHERE announced"
        " AND ($1::timestamptz IS NULL OR (starts_at, slug) < ($1, $2)) ORDER BY starts_at DESC, slug DESC LIMIT $3",
        after[0] if after else None,
        after[1] if after else None,
        limit,
    )
    return [_seminar(row) for row in rows]


async def insert(connection: Connection, seminar: Seminar, *, announced: bool) -> bool:
    """Add a new seminar; False if its slug is taken."""
    done = await connection.fetchval(
        "INSERT INTO seminars (slug, revision, cancelled, announced, document, starts_at)"
        " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING true",
        seminar.document.slug,
        seminar.revision,
        seminar.cancelled,
        announced,
        seminar.document.model_dump(mode="json"),
        seminar.start,
    )
    return done is not None


async def update(connection: Connection, seminar: Seminar, *, announced: bool) -> None:
    """Replace the seminar by its next revision."""
    await connection.execute(
        "UPDATE seminars SET revision = $2, cancelled = $3, announced = $4, document = $5, starts_at = $6"
        " WHERE slug = $1",
        seminar.document.slug,
        seminar.revision,
        seminar.cancelled,
        announced,
        seminar.document.model_dump(mode="json"),
        seminar.start,
    )


async def keep_revision(connection: Connection, seminar: Seminar, by: str, now: datetime) -> None:
    """Write the revision into the history."""
    await connection.execute(
        "INSERT INTO revisions (slug, revision, cancelled, document, made_by, made_at) VALUES ($1, $2, $3, $4, $5, $6)",
        seminar.document.slug,
        seminar.revision,
        seminar.cancelled,
        seminar.document.model_dump(mode="json"),
        by,
        now,
    )
