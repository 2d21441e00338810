"""The statements behind a seminar's figures: PostgreSQL counts, so that a large seminar costs little more."""

from typing import NamedTuple

from services.registration.curve import Came
from services.registration.tally import Group, Need, Reply, Said
from shared.database import Connection
from shared.messages import Attendance, RegistrationStatus


class Stamp(NamedTuple):
    """What tells one state of a seminar and its registrations from another."""

    revision: int | None
    registrations: int
    versions: int
    last: int


async def stamp(connection: Connection, seminar: str) -> Stamp:
    """Return the stamp of how the seminar stands: any change raises a version, or comes or goes."""
    row = await connection.fetchrow(
        "SELECT (SELECT revision FROM seminars WHERE slug = $1) AS revision, count(*) AS registrations,"
        " coalesce(sum(version), 0)::bigint AS versions, coalesce(max(place), 0) AS last"
        " FROM registrations WHERE seminar = $1",
        seminar,
    )
    return Stamp(**row) if row else Stamp(None, 0, 0, 0)


async def groups(connection: Connection, seminar: str) -> list[Group]:
    """Count the registrations that stand alike."""
    rows = await connection.fetch(
        "SELECT attendance, status, online_meanwhile, checked_in_at IS NOT NULL AS came, count(*) AS people,"
        " sum(headcount)::int AS heads FROM registrations WHERE seminar = $1 GROUP BY 1, 2, 3, 4",
        seminar,
    )
    return [
        Group(**{**row, "attendance": Attendance(row["attendance"]), "status": RegistrationStatus(row["status"])})
        for row in rows
    ]


class Written(NamedTuple):
    """What so many wrote of where they come from."""

    organisation: str | None
    municipality: str | None
    attendance: Attendance
    people: int


async def origins(connection: Connection, seminar: str) -> list[Written]:
    """Count those who are signed up by where they come from."""
    rows = await connection.fetch(
        "SELECT organisation, municipality, attendance, count(*) AS people FROM registrations"
        " WHERE seminar = $1 AND status <> 'cancelled' GROUP BY 1, 2, 3",
        seminar,
    )
    return [Written(**{**row, "attendance": Attendance(row["attendance"])}) for row in rows]


async def came(connection: Connection, seminar: str, zone: str) -> list[Came]:
    """Count those who are signed up by the day on which they did so."""
    rows = await connection.fetch(
        "SELECT (registered_at AT TIME ZONE $2)::date AS day, attendance, count(*) AS people FROM registrations"
        " WHERE seminar = $1 AND status <> 'cancelled' GROUP BY 1, 2",
        seminar,
        zone,
    )
    return [Came(**{**row, "attendance": Attendance(row["attendance"])}) for row in rows]


async def dietary_needs(connection: Connection, seminar: str) -> list[Said]:
    """Count what those who have a seat wrote."""
    rows = await connection.fetch(
        "SELECT dietary_needs AS text, count(*) AS people FROM registrations WHERE seminar = $1"
        " AND attendance = 'in_person' AND status = 'confirmed' AND dietary_needs IS NOT NULL GROUP BY 1",
        seminar,
    )
    return [Said(**row) for row in rows]


async def accessibility_needs(connection: Connection, seminar: str) -> list[Need]:
    """Return what each of those who have a seat wrote."""
    rows = await connection.fetch(
        "SELECT name, accessibility_needs AS text FROM registrations WHERE seminar = $1"
        " AND attendance = 'in_person' AND status = 'confirmed' AND accessibility_needs IS NOT NULL ORDER BY place",
        seminar,
    )
    return [Need(**row) for row in rows]


async def replies(connection: Connection, seminar: str) -> list[Reply]:
    """Count what those who attend answered."""
    rows = await connection.fetch(
        "SELECT question, reply, count(*) AS people FROM registrations, jsonb_each(answers) AS given (question, reply)"
        " WHERE seminar = $1 AND status = 'confirmed' GROUP BY 1, 2",
        seminar,
    )
    return [
        Reply(row["question"], row["reply"] if isinstance(row["reply"], str) else tuple(row["reply"]), row["people"])
        for row in rows
    ]


class Missed(NamedTuple):
    """Somebody who had a seat and did not come."""

    name: str
    organisation: str | None


async def missed(connection: Connection, seminar: str, most: int) -> list[Missed]:
    """Return at most so many who have a seat and were not seen, as they signed up."""
    rows = await connection.fetch(
        "SELECT name, organisation FROM registrations WHERE seminar = $1 AND attendance = 'in_person'"
        " AND status = 'confirmed' AND checked_in_at IS NULL AND erased_at IS NULL ORDER BY place LIMIT $2",
        seminar,
        most,
    )
    return [Missed(**row) for row in rows]
