"""The statements of the list, and of what kept pages are compared with."""

from datetime import datetime

from services.catalog.model import Life, Seminar
from services.catalog.search import YEARS_ZONE, Wanted, fold, span
from services.catalog.store import to_seminar
from shared.database import Connection


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
    return [to_seminar(row) for row in rows]


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
