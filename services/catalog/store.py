"""Every SQL statement of catalog."""

from datetime import datetime
from typing import NamedTuple

import asyncpg

from services.catalog.document import Document
from services.catalog.fields import in_zone
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


# --- what others were told, and when ---


async def announced_starts(connection: Connection, slug: str) -> list[datetime]:
    """Return when the seminar was to start, by each revision that others know of, in their order."""
    rows = await connection.fetch(
        "SELECT document->>'start' AS start, document->>'zone' AS zone FROM revisions"
        " WHERE slug = $1 AND document->>'status' = 'published' ORDER BY revision",
        slug,
    )
    return [in_zone(datetime.fromisoformat(row["start"]), row["zone"]) for row in rows]


async def recorded_since(connection: Connection, slug: str) -> datetime | None:
    """Return when the recording that stands was published."""
    found: datetime | None = await connection.fetchval(
        "SELECT min(past.made_at) FROM revisions past JOIN seminars standing USING (slug) WHERE slug = $1"
        " AND past.document->'recording'->>'url' = standing.document->'recording'->>'url'",
        slug,
    )
    return found


class Announced(NamedTuple):
    """A seminar that others know of: since when, and when it last changed."""

    seminar: Seminar
    since: datetime
    changed: datetime


ANNOUNCED = (
    "SELECT seminars.document, revision, seminars.cancelled, latest.made_at AS changed,"
    " (SELECT min(made_at) FROM revisions WHERE slug = seminars.slug AND document->>'status' = 'published') AS since"
    " FROM seminars JOIN revisions latest USING (slug, revision) WHERE announced"
)


def _announced(row: asyncpg.Record) -> Announced:
    return Announced(_seminar(row), row["since"], row["changed"])


async def announced(connection: Connection, slug: str) -> Announced | None:
    """Return the seminar, unless it is a draft."""
    row = await connection.fetchrow(f"{ANNOUNCED} AND slug = $1", slug)
    return _announced(row) if row else None


async def last_to_start(connection: Connection, limit: int) -> list[Announced]:
    """Return the seminars that are no drafts, the latest start first."""
    rows = await connection.fetch(f"{ANNOUNCED} ORDER BY starts_at DESC, slug DESC LIMIT $1", limit)
    return [_announced(row) for row in rows]


async def last_changed(connection: Connection, limit: int) -> list[Announced]:
    """Return the seminars that are no drafts, the latest change first."""
    rows = await connection.fetch(f"{ANNOUNCED} ORDER BY latest.made_at DESC, slug DESC LIMIT $1", limit)
    return [_announced(row) for row in rows]


async def list_state(connection: Connection) -> str | None:
    """Return a name for how all seminars stand, another after every change; None while there has been none."""
    found: str | None = await connection.fetchval("SELECT sum(revision)::text FROM seminars WHERE announced")
    return found


class SitePage(NamedTuple):
    """Where a seminar stands in the order of pages, and when it last changed."""

    start: datetime
    slug: str
    changed: datetime


async def site_pages(connection: Connection, after: SitePage | None, limit: int) -> list[SitePage]:
    """Return the pages of seminars that are no drafts, the latest start first, from behind `after` on."""
    rows = await connection.fetch(
        "SELECT starts_at, slug, made_at FROM seminars JOIN revisions USING (slug, revision) WHERE announced"
        " AND ($1::timestamptz IS NULL OR (starts_at, slug) < ($1, $2)) ORDER BY starts_at DESC, slug DESC LIMIT $3",
        after.start if after else None,
        after.slug if after else None,
        limit,
    )
    return [SitePage(*row) for row in rows]
