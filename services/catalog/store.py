"""Every SQL statement of catalog."""

from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
import structlog

from services.catalog.document import Document
from services.catalog.fields import in_zone
from services.catalog.model import Life, Seminar
from services.catalog.search import YEARS_ZONE, Wanted, fold, found_by, span
from shared.database import Connection
from shared.messages import RegistrationSnapshot, RegistrationStatus
from shared.tokens import Link


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


async def all_seminars(connection: Connection, after: tuple[datetime, str] | None, limit: int) -> list[Seminar]:
    """Return the seminars, drafts too, the latest start first, from behind `after` (start, slug) on."""
    rows = await connection.fetch(
        "SELECT document, revision, cancelled FROM seminars"
        " WHERE ($1::timestamptz IS NULL OR (starts_at, slug) < ($1, $2)) ORDER BY starts_at DESC, slug DESC LIMIT $3",
        after[0] if after else None,
        after[1] if after else None,
        limit,
    )
    return [_seminar(row) for row in rows]


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
    return [Revision(_seminar(row), row["made_by"], row["made_at"]) for row in rows]


async def past(connection: Connection, slug: str, revision: int) -> Seminar | None:
    """Return the seminar as it stood at that revision."""
    row = await connection.fetchrow(
        "SELECT document, revision, cancelled FROM revisions WHERE slug = $1 AND revision = $2", slug, revision
    )
    return _seminar(row) if row else None


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


# --- what a page that was kept is compared with ---


async def state(connection: Connection, slug: str) -> str | None:
    """Return a name for how the seminar stands; None for a draft and for none.

    It names the transaction that wrote the row and not the revision, whose number comes again after a restored backup.
    """
    found: str | None = await connection.fetchval("SELECT xmin::text FROM seminars WHERE slug = $1 AND announced", slug)
    return found


async def list_state(connection: Connection) -> str | None:
    """Return a name for how all seminars stand; None while there has been none."""
    found: str | None = await connection.fetchval("SELECT xmin::text FROM last_change")
    return found


async def next_start_or_end(connection: Connection, now: datetime) -> datetime | None:
    """Return when the next seminar begins or ends, which moves it in the list."""
    found: datetime | None = await connection.fetchval(
        "SELECT least((SELECT min(starts_at) FROM seminars WHERE announced AND starts_at > $1),"
        " (SELECT min(ends_at) FROM seminars WHERE announced AND ends_at > $1))",
        now,
    )
    return found


# --- the list ---

BY_LIFE = {
    Life.PUBLISHED: "NOT cancelled AND starts_at > {0}",
    Life.LIVE: "NOT cancelled AND tstzrange(starts_at, ends_at) @> {0}::timestamptz",
    Life.COMPLETED: "NOT cancelled AND ends_at <= {0} AND starts_at < {0}",  # the latter for the index by start
    Life.CANCELLED: "cancelled",
}


class _Conditions:
    """A WHERE that is put together from constants, and the values of its parameters."""

    def __init__(self) -> None:
        self._parts = ["announced"]
        self.values: list[object] = []

    def add(self, part: str, *values: object) -> None:
        self._parts.append(part.format(*map(self.value, values)))

    def value(self, value: object) -> str:
        self.values.append(value)
        return f"${len(self.values)}"

    def __str__(self) -> str:
        return " AND ".join(self._parts)


def _conditions(wanted: Wanted, now: datetime) -> _Conditions:
    conditions = _Conditions()
    for word in sorted(fold(wanted.words).split(), key=len, reverse=True):
        conditions.add("words LIKE {}", _anywhere(word))
    if wanted.organiser:
        conditions.add("organisers LIKE {}", _anywhere(fold(wanted.organiser)))
    for word in fold(wanted.audience).split():
        conditions.add("audience LIKE {}", _anywhere(word))
    if wanted.year:
        conditions.add("starts_at >= {} AND starts_at < {}", *span(wanted.year))
    if wanted.life:
        conditions.add(BY_LIFE[wanted.life], *([now] if "{0}" in BY_LIFE[wanted.life] else []))
    if wanted.ahead:
        conditions.add("ends_at > {}", now)
    return conditions


def _anywhere(text: str) -> str:
    """Return the pattern of LIKE for what holds `text`."""
    for special in ("\\", "%", "_"):
        text = text.replace(special, "\\" + special)
    return f"%{text}%"


async def search(
    connection: Connection, wanted: Wanted, after: tuple[datetime, str] | None, limit: int, now: datetime
) -> list[Seminar]:
    """Return the seminars that are `wanted`, the latest first, or in their order if they are to come.

    `after` is the start and slug of the one behind which to go on.
    """
    conditions = _conditions(wanted, now)
    behind, direction = (">", "ASC") if wanted.life is Life.PUBLISHED else ("<", "DESC")
    if after:
        conditions.add(f"(starts_at, slug) {behind} ({{}}, {{}})", *after)
    rows = await connection.fetch(
        f"SELECT document, revision, cancelled FROM seminars WHERE {conditions}"
        f" ORDER BY starts_at {direction}, slug {direction} LIMIT {conditions.value(limit)}",
        *conditions.values,
    )
    return [_seminar(row) for row in rows]


async def count(connection: Connection, wanted: Wanted, now: datetime) -> dict[Life, int]:
    """Return how many seminars are `wanted`, by their life."""
    conditions = _conditions(wanted, now)
    at = conditions.value(now)
    counts = ", ".join(
        f"count(*) FILTER (WHERE {condition.format(at)}) AS {life}" for life, condition in BY_LIFE.items()
    )
    row = await connection.fetchrow(f"SELECT {counts} FROM seminars WHERE {conditions}", *conditions.values)
    return {life: row[life] if row else 0 for life in BY_LIFE}


async def years(connection: Connection) -> list[int]:
    """Return the years from the last to the first in which a seminar starts."""
    row = await connection.fetchrow(
        "SELECT min(starts_at) AS first, max(starts_at) AS last FROM seminars WHERE announced"
    )
    if row is None or row["first"] is None:
        return []
    first, last = (row[name].astimezone(YEARS_ZONE).year for name in ("first", "last"))
    return list(range(last, first - 1, -1))


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


async def may_watch(connection: Connection, seminar: str, link: Link) -> bool:
    """Return whether the link lets somebody watch this seminar."""
    found = await connection.fetchval(
        "SELECT may_watch FROM watchers WHERE registration = $1 AND link_version = $2 AND seminar = $3",
        link.registration,
        link.version,
        seminar,
    )
    return found is True


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
