"""Every SQL statement of registration."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import asyncpg

from services.registration.admission import Standing
from services.registration.model import Details, Registration, email_key
from shared.database import Connection
from shared.messages import Attendance, RegistrationStatus, SeminarSnapshot

SEMINARS = 100  # that are held as they were last read

COLUMNS = (
    "id, seminar, version, status, attendance, name, email, organisation, municipality, role, dietary_needs,"
    " accessibility_needs, headcount, language, online_meanwhile, answers, registered_at, confirmed_at, checked_in_at,"
    " link_version"
)
DETAILS = tuple(Details.model_fields)
ATTENDED = ("attendance", "dietary_needs", "accessibility_needs", "headcount", "online_meanwhile", "answers")
# A lookup for each key: joined, the table may be read from end to end.
STANDING_WITH_KEY = "(SELECT id FROM registrations WHERE seminar = $1 AND email_key = key AND status <> 'cancelled')"
CORRECTED = tuple(field for field in DETAILS if field not in ("email", "attendance"))


def to_registration(row: asyncpg.Record | None) -> Registration:
    """Return the registration in a row; raises LookupError if there is none."""
    if row is None:
        raise LookupError("no such registration")
    return Registration(
        id=row["id"],
        seminar=row["seminar"],
        version=row["version"],
        status=RegistrationStatus(row["status"]),
        details=_to_details(row),
        registered_at=row["registered_at"],
        confirmed_at=row["confirmed_at"],
        checked_in_at=row["checked_in_at"],
        link_version=row["link_version"],
    )


def _to_details(row: asyncpg.Record) -> Details:
    """Return the details in a row, not validated anew: they may have been taken under an older rule."""
    kept = {field: row[field] for field in DETAILS}
    kept["attendance"] = Attendance(row["attendance"])
    kept["answers"] = {asked: tuple(r) if isinstance(r, list) else r for asked, r in row["answers"].items()}
    return Details.model_construct(**kept)


# --- seminars ---


async def keep_seminar(connection: Connection, seminar: SeminarSnapshot) -> bool:
    """Keep the snapshot if it is newer than what is known; return whether it was."""
    done = await connection.fetchval(
        "INSERT INTO seminars AS s (slug, revision, snapshot) VALUES ($1, $2, $3) ON CONFLICT (slug) DO UPDATE"
        " SET revision = excluded.revision, snapshot = excluded.snapshot WHERE s.revision < excluded.revision"
        " RETURNING true",
        seminar.slug,
        seminar.revision,
        seminar.model_dump(mode="json"),
    )
    return done is not None


async def get_seminar(connection: Connection, slug: str) -> SeminarSnapshot | None:
    """Return registration's copy of the seminar."""
    snapshot = await connection.fetchval("SELECT snapshot::text FROM seminars WHERE slug = $1", slug)
    return to_seminar(snapshot) if snapshot else None


async def lock_seminar(connection: Connection, slug: str) -> SeminarSnapshot | None:
    """Return the seminar and keep its seats to this transaction until the commit."""
    snapshot = await connection.fetchval("SELECT snapshot::text FROM seminars WHERE slug = $1 FOR NO KEY UPDATE", slug)
    return to_seminar(snapshot) if snapshot else None


@lru_cache(maxsize=SEMINARS)
def to_seminar(snapshot: str) -> SeminarSnapshot:
    """Return the seminar, which is read once: the same text is the same seminar."""
    return SeminarSnapshot.model_validate_json(snapshot)


# --- registrations ---


async def standings(connection: Connection, seminar: str) -> dict[Attendance, Standing]:
    """Return how many there are for each way to attend."""
    rows = await connection.fetch(
        "SELECT attendance, confirmed, waitlisted, meanwhile FROM standings WHERE seminar = $1", seminar
    )
    return standings_in(map(tuple, rows))


def standings_in(rows: Iterable[tuple[Any, ...]]) -> dict[Attendance, Standing]:
    """Return what rows of counts say; who waits and attends online meanwhile has a seat there too."""
    counts = {Attendance(attendance): numbers for attendance, *numbers in rows}
    met = {way: Standing(*counts.get(way, (0, 0, 0))[:2]) for way in Attendance}
    meanwhile = sum(numbers[2] for numbers in counts.values())
    online = met[Attendance.ONLINE]
    return met | {Attendance.ONLINE: online._replace(confirmed=online.confirmed + meanwhile)}


async def taken(connection: Connection, seminar: str, attendance: Attendance) -> int:
    """Count the seats that are occupied or queued for; who waits and attends online meanwhile has one there too."""
    return (await standings(connection, seminar))[attendance].taken


def placeholders(fields: Sequence[str], after: int) -> str:
    """Return the places of the values of `fields` in a statement that has `after` others before them."""
    return ", ".join(f"${number}" for number, _ in enumerate(fields, after + 1))


def values(details: Details, fields: Sequence[str]) -> list[Any]:
    """Return what stands in the columns of `fields`."""
    return [getattr(details, field) for field in fields]


async def request_links(
    connection: Connection, seminar: str, keys: Sequence[str], today: date, most: int
) -> list[asyncpg.Record]:
    """Count a request for the link of what stands for each address, by its key; none after `most` on one day."""
    return await connection.fetch(
        "UPDATE registrations SET link_requests = link_requests + 1, links_sent_on = $3,"
        " links_sent = CASE WHEN links_sent_on = $3 THEN links_sent + 1 ELSE 1 END"
        f" WHERE id = ANY(ARRAY(SELECT {STANDING_WITH_KEY} FROM unnest($2::text[]) AS key))"
        " AND (links_sent_on IS DISTINCT FROM $3 OR links_sent < $4)"
        f" RETURNING link_requests, {COLUMNS}",
        seminar,
        keys,
        today,
        most,
    )


def requested(row: asyncpg.Record) -> tuple[Registration, int]:
    """Return the registration whose link was asked for, and how often it has been."""
    return to_registration(row), row["link_requests"]


async def get(connection: Connection, registration: UUID) -> Registration | None:
    """Return the registration as it stands."""
    row = await connection.fetchrow(f"SELECT {COLUMNS} FROM registrations WHERE id = $1", registration)
    return to_registration(row) if row else None


async def cancel(connection: Connection, registration: UUID, now: datetime) -> Registration:
    """Withdraw a standing registration."""
    row = await connection.fetchrow(
        "UPDATE registrations SET status = 'cancelled', version = version + 1, cancelled_at = $2, queued_at = NULL"
        f" WHERE id = $1 RETURNING {COLUMNS}",
        registration,
        now,
    )
    return to_registration(row)


async def correct(connection: Connection, registration: UUID, details: Details, now: datetime) -> Registration:
    """Replace what people told of themselves, but for address and attendance.

    Who waits is confirmed, for online, from when they chose to attend so meanwhile.
    """
    row = await connection.fetchrow(
        "UPDATE registrations SET version = version + 1,"
        " confirmed_at = CASE WHEN status = 'waitlisted' AND online_meanwhile IS DISTINCT FROM $2"
        "   THEN CASE WHEN $2 THEN $3::timestamptz END ELSE confirmed_at END,"
        f" ({', '.join(CORRECTED)}) = ROW({placeholders(CORRECTED, after=3)}) WHERE id = $1 RETURNING {COLUMNS}",
        registration,
        details.online_meanwhile,
        now,
        *values(details, CORRECTED),
    )
    return to_registration(row)


async def readdress(connection: Connection, registration: UUID, email: str) -> Registration | None:
    """Give a standing registration another address and new links; None if another stands with that address."""
    row = await connection.fetchrow(
        "UPDATE registrations r SET email = $2, email_key = $3, version = version + 1, link_version = link_version + 1"
        " WHERE id = $1 AND NOT EXISTS (SELECT FROM registrations o WHERE o.seminar = r.seminar AND o.email_key = $3"
        f"   AND o.status <> 'cancelled' AND o.id <> r.id) RETURNING {COLUMNS}",
        registration,
        email,
        email_key(email),
    )
    return to_registration(row) if row else None


async def attend(
    connection: Connection, registration: UUID, details: Details, status: RegistrationStatus, now: datetime
) -> Registration:
    """Switch between in person and online; what was told for the one way to attend goes with it."""
    row = await connection.fetchrow(
        "UPDATE registrations SET status = $2,"
        " confirmed_at = CASE WHEN $2 = 'confirmed' OR $4 THEN $3::timestamptz END,"
        " queued_at = CASE WHEN $2 = 'waitlisted' THEN nextval('queue_places') END,"
        f" version = version + 1, ({', '.join(ATTENDED)}) = ROW({placeholders(ATTENDED, after=4)})"
        f" WHERE id = $1 RETURNING {COLUMNS}",
        registration,
        status,
        now,
        details.online_meanwhile,
        *values(details, ATTENDED),
    )
    return to_registration(row)


async def listing(connection: Connection, seminar: str, after: int, limit: int | None) -> list[asyncpg.Record]:
    """Return the registrations of a seminar as they came, from behind place `after` on, without who was erased."""
    return await connection.fetch(
        f"SELECT {COLUMNS}, cancelled_at, place FROM registrations WHERE seminar = $1 AND place > $2"
        " AND erased_at IS NULL ORDER BY place LIMIT $3",
        seminar,
        after,
        limit,
    )


async def count_cancelled(connection: Connection, seminar: str) -> int:
    """Count who has withdrawn."""
    return int(
        await connection.fetchval(
            "SELECT count(*) FROM registrations WHERE seminar = $1 AND status = 'cancelled'", seminar
        )
    )


async def forget_old_keys(connection: Connection) -> None:
    """Delete idempotency keys after their 24 hours."""
    await connection.execute("DELETE FROM idempotency_keys WHERE stored_at < clock_timestamp() - interval '24 hours'")
