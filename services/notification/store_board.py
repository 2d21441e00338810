"""The SQL statements of the confidence board: one a number or a table of numbers, none a person."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta

import asyncpg

from services.notification.confidence import UNSEEN, Health, Reminded, Stand
from services.notification.model import SUPPRESSED, UNSUBSCRIBED, RuleState
from services.notification.store_claims import DUE
from shared.database import Connection
from shared.messages import Attendance

LATE = timedelta(minutes=1)  # by which an e-mail has left if anybody sends
LATELY = timedelta(days=1)  # of which attempts tell how the mail server takes them

# How a person stands to a rule: by their e-mail where it is written, else by what would be decided of it.
STAND = (
    "CASE WHEN e.state IN ('sent', 'failed', 'bounced', 'covered') THEN e.state"
    " WHEN e.state IN ('skipped', 'superseded') THEN"
    "   CASE e.reason WHEN $2 THEN 'unsubscribed' WHEN $3 THEN 'suppressed' ELSE 'others' END"
    " WHEN r.state = 'closed' OR r.state = 'materialised' AND e.id IS NULL THEN 'others'"
    " WHEN g.confirmed_at > r.due_at THEN 'covered' WHEN g.suppressed THEN 'suppressed'"
    " WHEN g.unsubscribed THEN 'unsubscribed' ELSE 'waiting' END"
)


async def signed_up(connection: Connection, seminar: str) -> list[asyncpg.Record]:
    """Return how many have a place and how many wait for one, by how they attend."""
    return await connection.fetch(
        "SELECT status, snapshot->>'attendance' AS attendance, count(*) AS number FROM registrations"
        " WHERE seminar = $1 AND status IN ('confirmed', 'waitlisted') GROUP BY 1, 2 ORDER BY 1, 2",
        seminar,
    )


async def reminded(connection: Connection, seminar: str) -> list[Reminded]:
    """Return each reminder rule, and how many of its people stand how."""
    rows = await connection.fetch(
        f"SELECT r.rule, r.attendance, r.due_at, r.state, {STAND} AS stand, count(g.id) AS number"
        " FROM reminder_rules r LEFT JOIN registrations g ON g.seminar = r.seminar AND g.attendance = r.attendance"
        "   AND g.confirmed_at IS NOT NULL"
        " LEFT JOIN emails e ON e.registration = g.id AND e.kind = 'reminder' AND e.rule = r.rule"
        "   AND e.generation = r.generation"
        " WHERE r.seminar = $1 GROUP BY 1, 2, 3, 4, 5",
        seminar,
        UNSUBSCRIBED,
        SUPPRESSED,
    )
    people: defaultdict[tuple[str, Attendance, datetime, RuleState], Counter[Stand]] = defaultdict(Counter)
    for rule, attendance, due_at, state, stand, number in rows:
        people[rule, Attendance(attendance), due_at, RuleState(state)][stand] += number
    return [Reminded(*key, counted) for key, counted in people.items()]


async def missed(connection: Connection, seminar: str) -> list[asyncpg.Record]:
    """Return why reminders did not reach people, by moment, with the mail server's answer and how many had it."""
    return await connection.fetch(
        "SELECT r.due_at, e.state, e.reason, e.smtp_reply, count(*) AS number FROM reminder_rules r"
        " JOIN registrations g ON g.seminar = r.seminar AND g.attendance = r.attendance"
        " JOIN emails e ON e.registration = g.id AND e.kind = 'reminder' AND e.rule = r.rule"
        "   AND e.generation = r.generation"
        " WHERE r.seminar = $1 AND (e.state IN ('failed', 'bounced') OR e.state = 'skipped' AND e.reason = $2)"
        " GROUP BY 1, 2, 3, 4 ORDER BY 1, 5 DESC LIMIT 50",
        seminar,
        SUPPRESSED,
    )


async def health(connection: Connection, seminar: str, now: datetime) -> Health:
    """Return how sending goes: the senders and what waits for them of all seminars, the server's answers of this one.

    Signs of life and leases go by the database's clock. What is in somebody's hands does not stand, however late it is.
    """
    row = await connection.fetchrow(
        "WITH seen AS (SELECT state, smtp_reply, seen_at,"
        "   extract(epoch FROM clock_timestamp() - seen_at)::float AS ago FROM senders),"
        " tried AS (SELECT state = 'sent' AS accepted, smtp_reply, due_at,"
        "   state = 'failed' OR state = 'pending' AND attempts > 0 AS refused"
        "   FROM emails WHERE seminar = $2 AND due_at > $1::timestamptz - $4::interval"
        "   AND due_at <= $1 AND kind <> 'preview')"
        " SELECT (SELECT count(*) FROM seen WHERE ago <= $3) AS alive,"
        " (SELECT count(*) FROM seen WHERE ago <= $3 AND state = 'resting') AS resting,"
        " (SELECT min(ago) FROM seen) AS unseen,"
        " NOT EXISTS (SELECT FROM emails WHERE state = 'sending' AND lease_until > clock_timestamp())"
        f"   AND EXISTS (SELECT FROM ({DUE} AND e.state = 'pending' AND e.retry_at = '-infinity'"
        "     AND e.due_at <= $1::timestamptz - $5::interval LIMIT 1) AS waits) AS stands,"
        " EXISTS (SELECT FROM reminder_rules WHERE state = 'scheduled' AND due_at <= $1::timestamptz - $5::interval)"
        "   AS unwritten,"
        " (SELECT count(*) FROM tried WHERE accepted) AS accepted,"
        " (SELECT count(*) FROM tried WHERE refused) AS refused,"
        " coalesce((SELECT smtp_reply FROM tried WHERE refused AND smtp_reply IS NOT NULL"
        "   ORDER BY due_at DESC LIMIT 1), (SELECT smtp_reply FROM seen ORDER BY seen_at DESC LIMIT 1)) AS reply",
        now,
        seminar,
        UNSEEN,
        LATELY,
        LATE,
    )
    return Health(**dict(row or {}))
