"""The statements of the door: who is expected, and who has come."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.registration.alphabet import FOLDED, LETTERS
from services.registration.model import Registration
from services.registration.store import COLUMNS, to_registration
from shared.database import Connection
from shared.messages import Attendance

HAS_A_SEAT = "(status = 'confirmed' AND attendance = 'in_person')"
TOLD = "concat_ws(' ', name, organisation, email, left(id::text, 6))"


def folded(text: str) -> str:
    """Return the expression for what `alphabet.norwegian` makes of a text."""
    letters = f"translate(normalize({text}, NFC), '{LETTERS}', '{FOLDED}')"
    return f"lower(regexp_replace(normalize({letters}, NFKD), '[\\u0300-\\u036f]', '', 'g'))"


async def confirmed(connection: Connection, seminar: str, attendance: Attendance) -> list[Registration]:
    """Return all who attend so."""
    rows = await connection.fetch(
        f"SELECT {COLUMNS} FROM registrations WHERE seminar = $1 AND attendance = $2 AND status = 'confirmed'"
        " AND erased_at IS NULL",
        seminar,
        attendance,
    )
    return [to_registration(row) for row in rows]


class Seats(NamedTuple):
    """How many have a seat, and how many of them have come."""

    seats: int
    came: int


async def seats(connection: Connection, seminar: str) -> Seats:
    """Count those who are expected in the room."""
    row = await connection.fetchrow(
        "SELECT count(*) AS seats, count(checked_in_at) AS came FROM registrations"
        f" WHERE seminar = $1 AND {HAS_A_SEAT}",
        seminar,
    )
    return Seats(**row) if row else Seats(0, 0)


class Sought(NamedTuple):
    """Whom the door looks for."""

    words: tuple[str, ...]
    """All of which stand in what they told or in their code, folded as by `alphabet.norwegian`; of whatever status."""
    came: bool | None
    """Of those who have a seat, if no words are given; None: whether they have come or not."""


async def people(connection: Connection, seminar: str, sought: Sought, limit: int) -> list[Registration]:
    """Return who is sought, those who have a seat first, by name."""
    rows = await connection.fetch(
        f"SELECT {COLUMNS} FROM registrations WHERE seminar = $1 AND erased_at IS NULL"
        f" AND (cardinality($2::text[]) > 0"
        f"   OR {HAS_A_SEAT} AND ($3::boolean IS NULL OR (checked_in_at IS NOT NULL) = $3))"
        f' AND {folded(TOLD)} LIKE ALL ($2) ORDER BY NOT {HAS_A_SEAT}, {folded("name")} COLLATE "C" LIMIT $4',
        seminar,
        [f"%{_literal(word)}%" for word in sought.words],
        sought.came,
        limit,
    )
    return [to_registration(row) for row in rows]


def _literal(word: str) -> str:
    """Return the pattern that matches the word as it is."""
    return word.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


async def standing(connection: Connection, seminar: str, registration: UUID) -> Registration | None:
    """Return somebody of this seminar who is not erased."""
    row = await connection.fetchrow(
        f"SELECT {COLUMNS} FROM registrations WHERE id = $1 AND seminar = $2 AND erased_at IS NULL",
        registration,
        seminar,
    )
    return to_registration(row) if row else None


async def check_in(connection: Connection, registration: UUID, now: datetime) -> Registration | None:
    """Note that somebody who has a seat has come; None if that is noted already, or they have none."""
    row = await connection.fetchrow(
        "UPDATE registrations SET checked_in_at = $2, version = version + 1 WHERE id = $1 AND checked_in_at IS NULL"
        " AND erased_at IS NULL"
        f" AND status = 'confirmed' AND attendance = 'in_person' RETURNING {COLUMNS}",
        registration,
        now,
    )
    return to_registration(row) if row else None


async def undo_check_in(connection: Connection, registration: UUID) -> Registration | None:
    """Take it back; None if it is not noted."""
    row = await connection.fetchrow(
        "UPDATE registrations SET checked_in_at = NULL, version = version + 1"
        f" WHERE id = $1 AND checked_in_at IS NOT NULL AND erased_at IS NULL RETURNING {COLUMNS}",
        registration,
    )
    return to_registration(row) if row else None
