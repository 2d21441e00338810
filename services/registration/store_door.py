"""The statements of the door: who is expected, and who has come."""

from datetime import datetime
from uuid import UUID

from services.registration.model import Registration
from services.registration.store import COLUMNS, to_registration
from shared.database import Connection
from shared.messages import Attendance


async def confirmed(connection: Connection, seminar: str, attendance: Attendance) -> list[Registration]:
    """Return all who attend so."""
    rows = await connection.fetch(
        f"SELECT {COLUMNS} FROM registrations WHERE seminar = $1 AND attendance = $2 AND status = 'confirmed'",
        seminar,
        attendance,
    )
    return [to_registration(row) for row in rows]


async def of_seminar(connection: Connection, seminar: str) -> list[Registration]:
    """Return everybody, those too who wait or have withdrawn."""
    rows = await connection.fetch(f"SELECT {COLUMNS} FROM registrations WHERE seminar = $1", seminar)
    return [to_registration(row) for row in rows]


async def check_in(connection: Connection, registration: UUID, now: datetime) -> Registration | None:
    """Note that somebody who has a seat has come; None if that is noted already, or they have none."""
    row = await connection.fetchrow(
        "UPDATE registrations SET checked_in_at = $2, version = version + 1 WHERE id = $1 AND checked_in_at IS NULL"
        f" AND status = 'confirmed' AND attendance = 'in_person' RETURNING {COLUMNS}",
        registration,
        now,
    )
    return to_registration(row) if row else None


async def undo_check_in(connection: Connection, registration: UUID) -> Registration | None:
    """Take it back; None if it is not noted."""
    row = await connection.fetchrow(
        "UPDATE registrations SET checked_in_at = NULL, version = version + 1"
        f" WHERE id = $1 AND checked_in_at IS NOT NULL RETURNING {COLUMNS}",
        registration,
    )
    return to_registration(row) if row else None
