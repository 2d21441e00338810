"""The SQL statements about a seminar's e-mails, as organisers look through them and act on them."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import asyncpg

from shared.database import Connection


class Standing(StrEnum):
    """What has become of an e-mail, as organisers ask for it."""

    WAITING = "waiting"  # for its moment, or to be sent just now
    RETRYING = "retrying"  # the mail server has put it off
    SENT = "sent"
    BOUNCED = "bounced"
    FAILED = "failed"
    AMBIGUOUS = "ambiguous"  # a copy may have arrived without our knowing; besides how it stands otherwise
    CLOSED = "closed"  # not sent, as there was no use in it


# A reminder of another generation than its rule's never leaves. Nothing here counts what organisers sent to themselves.
STANDING = (
    "CASE WHEN e.state = 'pending' AND e.rule <> '' AND e.generation IS DISTINCT FROM r.generation THEN 'closed'"
    " WHEN e.state = 'pending' AND e.attempts > 0 THEN 'retrying'"
    " WHEN e.state IN ('pending', 'sending') THEN 'waiting'"
    " WHEN e.state IN ('covered', 'superseded', 'skipped') THEN 'closed' ELSE e.state END"
)
FOUND = (
    " FROM emails e JOIN registrations g ON g.id = e.registration"
    " LEFT JOIN reminder_rules r ON r.seminar = e.seminar AND r.rule = e.rule AND r.attendance = g.attendance"
    " WHERE e.seminar = $1 AND e.kind <> 'preview'"
)
DOMAIN = "lower(substring(g.snapshot->>'email' FROM '[^@]*$'))"
COLUMNS = (
    "e.id, e.registration, e.kind, e.rule, e.generation, e.state, e.reason, e.due_at, e.sent_at, e.attempts,"
    f" e.ambiguous, e.smtp_reply, g.snapshot->>'name' AS name, g.snapshot->>'email' AS address, {STANDING} AS standing"
)


class Wanted(NamedTuple):
    """Which e-mails to show; what is empty is any."""

    kind: str = ""
    standing: str = ""
    domain: str = ""
    address: str = ""  # or a part of it


async def search(
    connection: Connection, seminar: str, wanted: Wanted, after: tuple[datetime, UUID] | None, limit: int
) -> list[asyncpg.Record]:
    """Return the seminar's e-mails that are wanted, the last to be due first, from behind `after` on.

    What can be told by the row alone, or of people once, is asked before each row is joined: there may be a million.
    """
    return await connection.fetch(
        f"SELECT {COLUMNS} {FOUND} AND ($2 = '' OR e.kind = $2)"
        " AND ($3 NOT IN ('sent', 'bounced', 'failed') OR e.state = $3)"
        f" AND ($3 = '' OR {STANDING} = $3 OR $3 = 'ambiguous' AND e.ambiguous > 0)"
        " AND ($4 = '' AND $5 = '' OR e.registration IN (SELECT g.id FROM registrations g WHERE g.seminar = $1"
        f"   AND ($4 = '' OR {DOMAIN} = lower($4))"
        "   AND ($5 = '' OR strpos(lower(g.snapshot->>'email'), lower($5)) > 0)))"
        " AND ($6::timestamptz IS NULL OR (e.due_at, e.id) < ($6, $7))"
        " ORDER BY e.due_at DESC, e.id DESC LIMIT $8",
        seminar,
        *wanted,
        after[0] if after else None,
        after[1] if after else None,
        limit,
    )


async def count(connection: Connection, seminar: str) -> list[asyncpg.Record]:
    """Return how many e-mails of each kind stand how, and of how many a copy may have arrived twice."""
    return await connection.fetch(
        f"SELECT e.kind, {STANDING} AS standing, count(*) AS number,"
        f" count(*) FILTER (WHERE e.ambiguous > 0) AS ambiguous {FOUND} GROUP BY 1, 2",
        seminar,
    )


async def of_person(connection: Connection, seminar: str, registration: UUID) -> list[asyncpg.Record]:
    """Return all that one person was sent, or is to be, the last first."""
    return await connection.fetch(
        f"SELECT {COLUMNS} {FOUND} AND e.registration = $2 ORDER BY e.due_at DESC, e.id DESC", seminar, registration
    )


async def person(connection: Connection, seminar: str, registration: UUID) -> asyncpg.Record | None:
    """Return the person as known here, and whether they take e-mail."""
    return await connection.fetchrow(
        "SELECT id, status, snapshot, unsubscribed, suppressed FROM registrations"
        " WHERE id = $2 AND seminar = $1 AND status <> 'test'",
        seminar,
        registration,
    )


async def bounced_domains(connection: Connection, seminar: str) -> list[asyncpg.Record]:
    """Return the domains that e-mails came back from or were refused for, with their numbers and their last answer."""
    return await connection.fetch(
        f"SELECT {DOMAIN} AS domain, count(*) FILTER (WHERE e.state = 'bounced') AS bounced,"
        " count(*) FILTER (WHERE e.state = 'failed') AS failed,"
        " (array_agg(e.smtp_reply ORDER BY e.due_at DESC) FILTER (WHERE e.smtp_reply IS NOT NULL))[1] AS reply"
        f" {FOUND} AND e.state IN ('bounced', 'failed') AND g.snapshot->>'email' <> ''"
        " GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 100",
        seminar,
    )
