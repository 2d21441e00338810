"""Every SQL statement by which e-mails are claimed, sent and settled. Leases go by PostgreSQL's own clock."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from services.notification import store
from services.notification.model import Claimed, Kind, Verdict
from shared.database import Connection
from shared.messages import Message, RegistrationSnapshot
from shared.outbox import INSERT, columns


class Claim(NamedTuple):
    """An e-mail that is this replica's own until its lease runs out."""

    id: UUID
    registration: UUID
    fence: int
    correlation_id: str
    kind: Kind
    due_at: datetime
    doubtful: bool  # whether a copy may have left with a process that did not live to say so


class Held(NamedTuple):
    """A claimed e-mail, and all that was known when it was looked at."""

    claim: Claim
    email: Claimed


# What may be claimed as far as time and rules go. A subquery a row, and no join: a planner that knows little of the
# table yet would else begin at everybody who is registered, and not at the head of an index.
DUE = (
    "SELECT e.id, e.urgency, e.due_at FROM emails e WHERE e.due_at <= $1"
    " AND EXISTS (SELECT FROM seminars s WHERE s.slug = e.seminar OFFSET 0)"
    " AND (e.rule = '' OR e.generation = coalesce((SELECT r.generation FROM registrations g JOIN reminder_rules r"
    "   ON r.seminar = e.seminar AND r.rule = e.rule AND r.attendance = g.attendance"
    "   WHERE g.id = e.registration), e.generation))"
)


async def claim(connection: Connection, now: datetime, lease: float, most: int, holder: str) -> list[Claim]:
    """Claim up to `most` e-mails that are due, for `lease` seconds; what expires soonest first.

    Rows whose lease has run out are claimed anew. If their DATA had begun, a copy may have arrived: it is counted.
    Reminders of another generation than their rule's are left where they are. The commit is not waited for until it is
    on the disk: DATA begins under a later one that is, and a claim that a crash forgets has a fence that nobody has.
    """
    rows = await connection.fetch(
        "WITH unhurried AS (SELECT set_config('synchronous_commit', 'off', true)),"
        f" fresh AS ({DUE} AND e.state = 'pending' AND e.retry_at = '-infinity'"
        "   ORDER BY e.urgency, e.due_at LIMIT $3 FOR UPDATE SKIP LOCKED),"
        f" rested AS ({DUE} AND e.state = 'pending' AND e.retry_at > '-infinity' AND e.retry_at <= clock_timestamp()"
        "   ORDER BY e.retry_at LIMIT $3 FOR UPDATE SKIP LOCKED),"
        f" lapsed AS ({DUE} AND e.state = 'sending' AND e.lease_until <= clock_timestamp()"
        "   ORDER BY e.lease_until LIMIT $3 FOR UPDATE SKIP LOCKED),"
        " ready AS (SELECT id FROM (TABLE fresh UNION ALL TABLE rested UNION ALL TABLE lapsed) AS found"
        "   ORDER BY urgency, due_at LIMIT $3),"
        " before AS (SELECT e.id, e.data_begun_at IS NOT NULL AS doubtful FROM emails e JOIN ready USING (id))"
        " UPDATE emails e SET fence = fence + 1, attempts = attempts + 1, state = 'sending',"
        " ambiguous = ambiguous + (data_begun_at IS NOT NULL)::integer, data_begun_at = NULL,"
        " lease_until = clock_timestamp() + make_interval(secs => $2), claimed_by = $4"
        " FROM before, unhurried WHERE e.id = before.id"
        " RETURNING e.id, e.registration, e.fence, e.correlation_id, e.kind, e.due_at, before.doubtful",
        now,
        lease,
        most,
        holder,
    )
    return [Claim(**dict(row) | {"kind": Kind(row["kind"])}) for row in rows]


async def look_at(connection: Connection, emails: Sequence[UUID]) -> dict[UUID, Claimed]:
    """Return the e-mails that there are, each with its person, its seminar and its rule as they stand."""
    rows = await connection.fetch(
        "SELECT e.id, e.kind, e.generation, e.attempts, g.snapshot, e.seminar, s.noticed,"
        " g.unsubscribed, g.suppressed, r.generation AS rule_generation, r.due_at AS rule_due_at,"
        " r.expires_at AS rule_expires_at, s.counted, g.earlier,"
        " coalesce(p.texts->>(g.snapshot->>'language'), '') AS passage, e.shows FROM emails e"
        " JOIN registrations g ON g.id = e.registration JOIN seminars s ON s.slug = e.seminar"
        " LEFT JOIN reminder_rules r ON r.seminar = e.seminar AND r.rule = e.rule AND r.attendance = g.attendance"
        " LEFT JOIN passages p ON p.seminar = e.seminar AND p.kind = coalesce(e.shows, e.kind)"
        " WHERE e.id = ANY($1)",
        emails,
    )
    seminars = await store.get_seminars(connection, {row["seminar"] for row in rows})
    return {
        identifier: Claimed(
            Kind(kind),
            generation,
            attempts,
            RegistrationSnapshot.model_validate(person),
            seminars[seminar],
            *others,
        )._replace(shows=Kind(shows) if shows else None)
        for identifier, kind, generation, attempts, person, seminar, *others, shows in rows
    }


class Sent(NamedTuple):
    """An e-mail that the server took over, with its reply, and the message that tells the others of it."""

    claim: Claim
    reply: str
    message: Message


async def turn(
    connection: Connection, sent: Sequence[Sent], beginning: Sequence[Held], margin: float, now: datetime
) -> set[UUID]:
    """Note which e-mails were sent and of which DATA begins, all at once; return those of either that were ours.

    Whoever else holds a sent one by now is left alone, and nobody is told of it. DATA begins only if nothing has
    changed since the e-mail was looked at: neither owner nor person nor seminar, and the lease lasts `margin` seconds.
    """
    rows = await connection.fetch(
        "WITH done AS (UPDATE emails e SET state = 'sent', sent_at = $1, smtp_reply = s.reply, lease_until = NULL,"
        "   data_begun_at = NULL FROM unnest($2::uuid[], $3::integer[], $4::text[]) AS s (id, fence, reply)"
        "   WHERE e.id = s.id AND e.fence = s.fence AND e.state = 'sending' RETURNING e.id),"
        f" told AS ({INSERT} SELECT m.id, m.type, m.body"
        "   FROM unnest($2::uuid[], $5::uuid[], $6::text[], $7::text[]) AS m (email, id, type, body)"
        "   JOIN done ON done.id = m.email),"
        " begun AS (UPDATE emails e SET data_begun_at = clock_timestamp()"
        "   FROM unnest($8::uuid[], $9::integer[], $10::integer[], $11::boolean[], $12::boolean[], $13::integer[])"
        "     AS seen (id, fence, version, unsubscribed, suppressed, revision), registrations g, seminars s"
        "   WHERE e.id = seen.id AND e.fence = seen.fence AND e.state = 'sending'"
        "   AND e.lease_until > clock_timestamp() + make_interval(secs => $14)"
        "   AND g.id = e.registration AND s.slug = e.seminar"
        "   AND (g.version, g.unsubscribed, g.suppressed, s.revision)"
        "     = (seen.version, seen.unsubscribed, seen.suppressed, seen.revision) RETURNING e.id)"
        " SELECT id FROM done UNION ALL SELECT id FROM begun",
        now,
        [claim.id for claim, _, _ in sent],
        [claim.fence for claim, _, _ in sent],
        [reply for _, reply, _ in sent],
        *columns([message for _, _, message in sent]),
        [claim.id for claim, _ in beginning],
        [claim.fence for claim, _ in beginning],
        [email.registration.version for _, email in beginning],
        [email.unsubscribed for _, email in beginning],
        [email.suppressed for _, email in beginning],
        [email.seminar.revision for _, email in beginning],
        margin,
    )
    return {row["id"] for row in rows}


async def close(connection: Connection, claim: Claim, verdict: Verdict, reply: str | None = None) -> bool:
    """Close the e-mail unsent; False if the claim is no longer ours."""
    done = await connection.fetchval(
        "UPDATE emails SET state = $3, reason = $4, smtp_reply = coalesce($5, smtp_reply), lease_until = NULL,"
        " data_begun_at = NULL WHERE id = $1 AND fence = $2 AND state = 'sending' RETURNING true",
        claim.id,
        claim.fence,
        verdict.state,
        verdict.reason,
        reply,
    )
    return done is not None


async def postpone(connection: Connection, claim: Claim, delay: float, reply: str | None, *, ambiguous: bool) -> None:
    """Have a claim that was tried tried again in `delay` seconds; `ambiguous` if a copy may have arrived."""
    await connection.execute(
        "UPDATE emails SET state = 'pending', retry_at = clock_timestamp() + make_interval(secs => $3),"
        " smtp_reply = coalesce($4, smtp_reply), ambiguous = ambiguous + $5::integer, lease_until = NULL,"
        " data_begun_at = NULL WHERE id = $1 AND fence = $2 AND state = 'sending'",
        claim.id,
        claim.fence,
        delay,
        reply,
        int(ambiguous),
    )


async def give_back(connection: Connection, claims: Sequence[Claim], delays: Sequence[float]) -> None:
    """Give back claims that were not tried, to be claimed again after so many seconds each."""
    await connection.execute(
        "UPDATE emails e SET state = 'pending', attempts = attempts - 1, lease_until = NULL, data_begun_at = NULL,"
        " retry_at = clock_timestamp() + make_interval(secs => back.delay)"
        " FROM unnest($1::uuid[], $2::integer[], $3::float[]) AS back (id, fence, delay)"
        " WHERE e.id = back.id AND e.fence = back.fence AND e.state = 'sending'",
        [claim.id for claim in claims],
        [claim.fence for claim in claims],
        delays,
    )


async def suppress(connection: Connection, registration: UUID) -> None:
    """Note that the address refuses e-mail for good."""
    await connection.execute("UPDATE registrations SET suppressed = true WHERE id = $1", registration)


async def say_alive(
    connection: Connection, replica: str, state: Literal["ready", "resting"], smtp_reply: str | None
) -> None:
    """Note that this process sends, or would if the server let it; forget those unseen for a day."""
    await connection.execute(
        "WITH gone AS (DELETE FROM senders WHERE seen_at < clock_timestamp() - interval '1 day' AND replica <> $1)"
        " INSERT INTO senders (replica, seen_at, state, smtp_reply) VALUES ($1, clock_timestamp(), $2, $3)"
        " ON CONFLICT (replica) DO UPDATE SET seen_at = excluded.seen_at, state = excluded.state,"
        " smtp_reply = excluded.smtp_reply",
        replica,
        state,
        smtp_reply,
    )
