"""The statements of the waiting list."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.registration.admission import Standing
from services.registration.model import Registration
from services.registration.store import COLUMNS, standings, to_registration
from shared.database import Connection
from shared.messages import Attendance


async def standing(connection: Connection, seminar: str, attendance: Attendance) -> Standing:
    """Count who has a seat, be it until they get one elsewhere, and who waits for one."""
    return (await standings(connection, seminar))[attendance]


async def count_meanwhile(connection: Connection, seminar: str) -> int:
    """Count who waits for a seat in the room and attends online until there is one."""
    found = await connection.fetchval("SELECT sum(meanwhile) FROM standings WHERE seminar = $1", seminar)
    return int(found or 0)


async def place_in_queue(connection: Connection, registration: UUID) -> int | None:
    """Return the place in the waiting list, from 1, or None for who does not wait."""
    return (await places_in_queue(connection, [registration])).get(registration)


async def places_in_queue(connection: Connection, registrations: Sequence[UUID]) -> dict[UUID, int]:
    """Return the places in the waiting list, from 1, of those who wait."""
    rows = await connection.fetch(
        "SELECT id, (SELECT count(*) FROM registrations o WHERE o.seminar = r.seminar"
        " AND o.attendance = r.attendance AND o.queued_at <= r.queued_at) AS place"
        " FROM registrations r WHERE r.id = ANY($1) AND r.queued_at IS NOT NULL",
        registrations,
    )
    return {row["id"]: row["place"] for row in rows}


async def promote(
    connection: Connection, seminar: str, attendance: Attendance, seats: int, now: datetime
) -> list[Registration]:
    """Give the first in line a seat, as many as there are `seats`."""
    rows = await connection.fetch(
        "UPDATE registrations SET status = 'confirmed', version = version + 1, confirmed_at = $4, queued_at = NULL,"
        " online_meanwhile = false"
        " WHERE id IN (SELECT id FROM registrations WHERE seminar = $1 AND attendance = $2 AND status = 'waitlisted'"
        f" ORDER BY queued_at LIMIT $3) RETURNING {COLUMNS}",
        seminar,
        attendance,
        seats,
        now,
    )
    return [to_registration(row) for row in rows]


async def attend_online(
    connection: Connection, seminar: str, attendance: Attendance, seats: int, now: datetime
) -> list[Registration]:
    """Give who waits for `attendance` one of so many seats online instead, the first in line first.

    Who has attended online meanwhile does so from then on; what was told for the other way to attend goes.
    """
    rows = await connection.fetch(
        "UPDATE registrations SET status = 'confirmed', version = version + 1, attendance = 'online', queued_at = NULL,"
        " confirmed_at = CASE WHEN online_meanwhile THEN confirmed_at ELSE $4 END, online_meanwhile = false,"
        " dietary_needs = NULL, accessibility_needs = NULL"
        " WHERE id IN (SELECT id FROM registrations WHERE seminar = $1 AND attendance = $2 AND status = 'waitlisted'"
        f" ORDER BY NOT online_meanwhile, queued_at LIMIT $3) RETURNING {COLUMNS}",
        seminar,
        attendance,
        seats,
        now,
    )
    return [to_registration(row) for row in rows]


async def raise_versions(connection: Connection, seminar: str, attendance: Attendance) -> list[Registration]:
    """Make a next version of everybody who waits, and return them."""
    rows = await connection.fetch(
        "UPDATE registrations SET version = version + 1"
        f" WHERE seminar = $1 AND attendance = $2 AND status = 'waitlisted' RETURNING {COLUMNS}",
        seminar,
        attendance,
    )
    return [to_registration(row) for row in rows]


# --- when it closes ---


class CutOff(NamedTuple):
    """A waiting list whose moment to close has come."""

    seminar: str
    attendance: Attendance


async def keep_cut_off(connection: Connection, seminar: str, attendance: Attendance, at: datetime) -> None:
    """Note when the list closes; one that is given another moment is to be closed again."""
    await connection.execute(
        "INSERT INTO cut_offs AS c (seminar, attendance, at) VALUES ($1, $2, $3) ON CONFLICT (seminar, attendance)"
        " DO UPDATE SET at = excluded.at, closed = false WHERE c.at <> excluded.at",
        seminar,
        attendance,
        at,
    )


async def passed(connection: Connection, now: datetime) -> CutOff | None:
    """Return the next list that is to be closed."""
    row = await connection.fetchrow(
        "SELECT seminar, attendance FROM cut_offs WHERE NOT closed AND at < $1 ORDER BY at LIMIT 1", now
    )
    return CutOff(row["seminar"], Attendance(row["attendance"])) if row else None


async def close(connection: Connection, seminar: str, attendance: Attendance, now: datetime) -> bool:
    """Note that the list is closed; False if another has done so, or its moment has been put off."""
    done = await connection.fetchval(
        "UPDATE cut_offs SET closed = true WHERE seminar = $1 AND attendance = $2 AND NOT closed AND at < $3"
        " RETURNING true",
        seminar,
        attendance,
        now,
    )
    return done is not None


async def next_cut_off(connection: Connection) -> datetime | None:
    """Return the moment at which the next list closes."""
    moment: datetime | None = await connection.fetchval("SELECT min(at) FROM cut_offs WHERE NOT closed")
    return moment
