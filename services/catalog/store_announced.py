"""The statements of what others were told of seminars, and of who may watch them."""

from datetime import datetime
from typing import NamedTuple

import asyncpg

from services.catalog.fields import in_zone
from services.catalog.model import Seminar
from services.catalog.store import to_seminar
from shared.database import Connection
from shared.messages import ErasedRegistration, RegistrationSnapshot, RegistrationStatus
from shared.tokens import Link


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
    return Announced(to_seminar(row), row["since"], row["changed"])


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


# --- who may watch ---


async def is_guarded(connection: Connection, slug: str) -> bool | None:
    """Return whether the stream is for those who signed up; None for a draft and for no seminar."""
    found: bool | None = await connection.fetchval(
        "SELECT coalesce(document -> 'livestream' ->> 'access' = 'registered', false) FROM seminars"
        " WHERE slug = $1 AND announced",
        slug,
    )
    return found


WATCHING = (
    RegistrationStatus.CONFIRMED,
    RegistrationStatus.WAITLISTED,
)  # who waits for a seat follows online meanwhile


async def keep_watcher(connection: Connection, registration: RegistrationSnapshot) -> None:
    """Keep whether the registration lets somebody watch, unless a newer version is known."""
    await connection.execute(
        "INSERT INTO watchers AS w (registration, seminar, version, link_version, may_watch)"
        " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (registration) DO UPDATE SET version = excluded.version,"
        " link_version = excluded.link_version, may_watch = excluded.may_watch WHERE w.version < excluded.version",
        registration.id,
        registration.seminar,
        registration.version,
        registration.link_version,
        registration.status in WATCHING,
    )


async def bar_watcher(connection: Connection, erased: ErasedRegistration) -> None:
    """Keep that nobody watches by this registration any more, whatever older message may still come."""
    await connection.execute(
        "INSERT INTO watchers (registration, seminar, version, link_version, may_watch) VALUES ($1, $2, $3, 0, false)"
        " ON CONFLICT (registration) DO UPDATE SET version = excluded.version, may_watch = false",
        erased.id,
        erased.seminar,
        erased.version,
    )


async def may_watch(connection: Connection, seminar: str, link: Link) -> bool:
    """Return whether the link lets somebody watch this seminar."""
    found = await connection.fetchval(
        "SELECT may_watch FROM watchers WHERE registration = $1 AND link_version = $2 AND seminar = $3",
        link.registration,
        link.version,
        seminar,
    )
    return found is True
