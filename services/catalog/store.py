"""The statements of seminars, their revisions and what was done to them."""

from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
import structlog

from services.catalog.document import Document
from services.catalog.model import Seminar
from services.catalog.search import found_by
from shared.database import Connection


def to_seminar(row: asyncpg.Record) -> Seminar:
    """Return the seminar that a row of seminars or of revisions holds."""
    return Seminar(document=Document(**row["document"]), revision=row["revision"], cancelled=row["cancelled"])


async def get(connection: Connection, slug: str) -> Seminar | None:
    """Return the seminar as it stands."""
    row = await connection.fetchrow("SELECT document, revision, cancelled FROM seminars WHERE slug = $1", slug)
    return to_seminar(row) if row else None


async def lock(connection: Connection, slug: str) -> tuple[Seminar, bool] | None:
    """Return the seminar and whether it was announced, and keep others from changing it until the commit."""
    row = await connection.fetchrow(
        "SELECT document, revision, cancelled, announced FROM seminars WHERE slug = $1 FOR UPDATE", slug
    )
    return (to_seminar(row), row["announced"]) if row else None


async def all_seminars(connection: Connection, after: tuple[datetime, str] | None, limit: int) -> list[Seminar]:
    """Return the seminars, drafts too, the latest start first, from behind `after` (start, slug) on."""
    rows = await connection.fetch(
        "SELECT document, revision, cancelled FROM seminars"
        " WHERE ($1::timestamptz IS NULL OR (starts_at, slug) < ($1, $2)) ORDER BY starts_at DESC, slug DESC LIMIT $3",
        after[0] if after else None,
        after[1] if after else None,
        limit,
    )
    return [to_seminar(row) for row in rows]


async def insert(connection: Connection, seminar: Seminar, *, announced: bool) -> bool:
    """Add a new seminar; False if its slug is taken."""
    done = await connection.fetchval(
        "INSERT INTO seminars"
        " (slug, revision, cancelled, announced, document, starts_at, ends_at, words, organisers, audience)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING RETURNING true",
        *_columns(seminar, announced=announced),
    )
    return done is not None


async def update(connection: Connection, seminar: Seminar, *, announced: bool) -> None:
    """Replace the seminar by its next revision."""
    await connection.execute(
        "UPDATE seminars SET revision = $2, cancelled = $3, announced = $4, document = $5, starts_at = $6,"
        " ends_at = $7, words = $8, organisers = $9, audience = $10 WHERE slug = $1",
        *_columns(seminar, announced=announced),
    )


def _columns(seminar: Seminar, *, announced: bool) -> tuple[Any, ...]:
    return (
        seminar.document.slug,
        seminar.revision,
        seminar.cancelled,
        announced,
        seminar.document.model_dump(mode="json"),
        seminar.start,
        seminar.end,
        *found_by(seminar.document),
    )


async def keep_revision(connection: Connection, seminar: Seminar, deed: "Deed") -> None:
    """Write the revision into the history."""
    await connection.execute(
        "INSERT INTO revisions (slug, revision, cancelled, document, made_by, made_at) VALUES ($1, $2, $3, $4, $5, $6)",
        seminar.document.slug,
        seminar.revision,
        seminar.cancelled,
        seminar.document.model_dump(mode="json"),
        deed.by,
        deed.at,
    )


# --- what was done, and by whom ---


class Revision(NamedTuple):
    """A revision there has been, with who made it and when."""

    seminar: Seminar
    by: str
    at: datetime


async def history(connection: Connection, slug: str, before: int | None, limit: int) -> list[Revision]:
    """Return the seminar's revisions, the last first; `before` is the one behind which to go on."""
    rows = await connection.fetch(
        "SELECT document, revision, cancelled, made_by, made_at FROM revisions"
        " WHERE slug = $1 AND revision < coalesce($2, 2147483647) ORDER BY revision DESC LIMIT $3",
        slug,
        before,
        limit,
    )
    return [Revision(to_seminar(row), row["made_by"], row["made_at"]) for row in rows]


async def past(connection: Connection, slug: str, revision: int) -> Seminar | None:
    """Return the seminar as it stood at that revision."""
    row = await connection.fetchrow(
        "SELECT document, revision, cancelled FROM revisions WHERE slug = $1 AND revision = $2", slug, revision
    )
    return to_seminar(row) if row else None


class Deed(NamedTuple):
    """What somebody did; `by` is None where nobody knows who, `slug` and `revision` where no seminar was changed."""

    at: datetime
    by: str | None
    action: str
    slug: str | None = None
    revision: int | None = None


async def audit(connection: Connection, deed: Deed) -> None:
    """Write down what was done, in the transaction that does it, under the id of the request."""
    request = structlog.contextvars.get_contextvars().get("correlation_id", "")
    await connection.execute(
        "INSERT INTO audit_log (made_at, made_by, action, slug, revision, request_id) VALUES ($1, $2, $3, $4, $5, $6)",
        *deed,
        request,
    )


class Audited(NamedTuple):
    """A deed as it stands in the log."""

    id: int
    deed: Deed
    request_id: str


async def audit_log(connection: Connection, before: int | None, limit: int) -> list[Audited]:
    """Return what was done, the last first; `before` is the id behind which to go on."""
    rows = await connection.fetch(
        "SELECT id, made_at, made_by, action, slug, revision, request_id FROM audit_log"
        " WHERE id < coalesce($1, 9223372036854775807) ORDER BY id DESC LIMIT $2",
        before,
        limit,
    )
    return [Audited(row[0], Deed(*row[1:6]), row[6]) for row in rows]
