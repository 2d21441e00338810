"""The statements by which organisers find somebody, and act on one person."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from services.registration.model import Registration, email_key
from services.registration.store import COLUMNS, to_registration
from services.registration.store_search import TOLD, folded, patterns
from shared.database import Connection


class Sought(NamedTuple):
    """Whom an organiser looks for; None and nothing leave it open."""

    words: tuple[str, ...] = ()  # all of which stand in name, address or organisation
    attendance: str | None = None
    status: str | None = None
    checked_in: bool = False


class Found(NamedTuple):
    """Somebody in the list."""

    registration: Registration
    place: int | None  # in the waiting list, from 1
    behind: int  # what the list goes on behind


async def people(connection: Connection, seminar: str, sought: Sought, after: int | None, limit: int) -> list[Found]:
    """Return who is sought, as they came; those who wait, if only they are, as they stand in line."""
    order = "queued_at" if sought.status == "waitlisted" else "place"
    rows = await connection.fetch(
        f"SELECT {COLUMNS}, {order} AS behind, CASE WHEN queued_at IS NOT NULL THEN (SELECT count(*)"
        " FROM registrations o WHERE o.seminar = r.seminar AND o.attendance = r.attendance"
        " AND o.queued_at <= r.queued_at) END AS in_line FROM registrations r"
        " WHERE seminar = $1 AND erased_at IS NULL"
        " AND ($2::text IS NULL OR attendance = $2) AND ($3::text IS NULL OR status = $3)"
        f" AND (NOT $4 OR checked_in_at IS NOT NULL) AND {folded(TOLD)} LIKE ALL ($5::text[])"
        f" AND ($6::bigint IS NULL OR {order} > $6) ORDER BY {order} LIMIT $7",
        seminar,
        sought.attendance,
        sought.status,
        sought.checked_in,
        patterns(sought.words),
        after,
        limit,
    )
    return [_found(row) for row in rows]


def _found(row: asyncpg.Record) -> Found:
    return Found(to_registration(row), row["in_line"], row["behind"])


async def standing_with(connection: Connection, seminar: str, email: str) -> UUID | None:
    """Return the registration that stands for the address."""
    found: UUID | None = await connection.fetchval(
        "SELECT id FROM registrations WHERE seminar = $1 AND email_key = $2 AND status <> 'cancelled'",
        seminar,
        email_key(email),
    )
    return found


async def withdrawn(connection: Connection, seminar: str, keys: Sequence[str]) -> set[str]:
    """Return those of the addresses, by their keys, with which somebody has withdrawn."""
    rows = await connection.fetch(
        "SELECT DISTINCT email_key FROM registrations"
        " WHERE seminar = $1 AND email_key = ANY($2) AND status = 'cancelled'",
        seminar,
        keys,
    )
    return {row["email_key"] for row in rows}


async def readdress(connection: Connection, registration: UUID, email: str) -> Registration:
    """Give the registration another address; links that went to the one before are revoked."""
    row = await connection.fetchrow(
        "UPDATE registrations SET version = version + 1, email = $2, email_key = $3,"
        f" link_version = link_version + (email_key <> $3)::integer WHERE id = $1 RETURNING {COLUMNS}",
        registration,
        email,
        email_key(email),
    )
    return to_registration(row)


async def move_up(connection: Connection, registration: UUID) -> Registration:
    """Put somebody who waits before all who wait for the same."""
    row = await connection.fetchrow(
        "UPDATE registrations r SET version = version + 1, queued_at = (SELECT min(queued_at) - 1 FROM registrations o"
        " WHERE o.seminar = r.seminar AND o.attendance = r.attendance AND o.status = 'waitlisted')"
        f" WHERE id = $1 AND status = 'waitlisted' RETURNING {COLUMNS}",
        registration,
    )
    return to_registration(row)


async def give_seat(connection: Connection, registration: UUID, now: datetime) -> Registration:
    """Confirm somebody who waits."""
    row = await connection.fetchrow(
        "UPDATE registrations SET status = 'confirmed', version = version + 1, confirmed_at = $2, queued_at = NULL,"
        f" online_meanwhile = false WHERE id = $1 AND status = 'waitlisted' RETURNING {COLUMNS}",
        registration,
        now,
    )
    return to_registration(row)
