"""Every SQL statement of notification."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import asyncpg

from services.notification.model import CONCERNS, Kept, KeptRule, Kind, Notice, RuleState, State, attends
from services.notification.rehearsal import Batch
from shared.database import Connection
from shared.messages import Attendance, RegistrationSnapshot, RegistrationStatus, SeminarSnapshot

LONGEST_WRITING = 600  # seconds that the e-mails of one rule may take to be written

# --- what is known of seminars and registrations ---


async def lock_seminar(connection: Connection, slug: str) -> Kept | None:
    """Return the seminar as known so far, and keep other messages about it waiting until the commit."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 2))", slug)
    return await get_kept(connection, slug)


async def get_kept(connection: Connection, slug: str) -> Kept | None:
    """Return the seminar as known so far, and how far people have been told of it."""
    row = await connection.fetchrow(
        "SELECT snapshot, told, notice, notice_due_at, noticed FROM seminars WHERE slug = $1", slug
    )
    if row is None:
        return None
    notice = Notice(Kind(row["notice"]), row["notice_due_at"], row["noticed"]) if row["notice"] else None
    told = SeminarSnapshot.model_validate(row["told"]) if row["told"] else None
    return Kept(SeminarSnapshot.model_validate(row["snapshot"]), notice, told)


async def get_seminars(connection: Connection, slugs: Collection[str]) -> dict[str, SeminarSnapshot]:
    """Return those of the seminars that are known."""
    rows = await connection.fetch("SELECT slug, snapshot FROM seminars WHERE slug = ANY($1)", list(slugs))
    return {slug: SeminarSnapshot.model_validate(snapshot) for slug, snapshot in rows}


async def get_seminar(connection: Connection, slug: str) -> SeminarSnapshot | None:
    """Return the seminar as known so far."""
    snapshot = await connection.fetchval("SELECT snapshot FROM seminars WHERE slug = $1", slug)
    return SeminarSnapshot.model_validate(snapshot) if snapshot else None


async def keep_seminar(connection: Connection, kept: Kept) -> None:
    """Keep the snapshot as the newest, and how far people have been told of it."""
    await connection.execute(
        "INSERT INTO seminars (slug, revision, snapshot, told, notice, notice_due_at, noticed)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (slug) DO UPDATE"
        " SET revision = excluded.revision, snapshot = excluded.snapshot, told = excluded.told,"
        " notice = excluded.notice, notice_due_at = excluded.notice_due_at, noticed = excluded.noticed",
        kept.seminar.slug,
        kept.seminar.revision,
        kept.seminar.model_dump(mode="json"),
        kept.told and kept.told.model_dump(mode="json"),
        kept.notice and kept.notice.kind,
        kept.notice and kept.notice.due_at,
        kept.notice.generation if kept.notice else 0,
    )


async def note_check_in(connection: Connection, seminar: str) -> None:
    """Note that those who come to the seminar are checked in."""
    await connection.execute("UPDATE seminars SET counted = true WHERE slug = $1 AND NOT counted", seminar)


async def lock_registration(connection: Connection, registration: UUID) -> RegistrationSnapshot | None:
    """Return the registration as known so far, and keep other messages about it waiting until the commit."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 3))", str(registration))
    return await get_registration(connection, registration)


async def keep_registration(connection: Connection, registration: RegistrationSnapshot) -> None:
    """Keep the snapshot as the newest; its columns say how somebody attends, and since when."""
    await connection.execute(
        "INSERT INTO registrations (id, seminar, version, status, attendance, confirmed_at, snapshot, earlier)"
        " SELECT $1, $2, $3, $4, $5, $6, $7, coalesce(max(version + earlier), 0) FROM registrations"
        " WHERE seminar = $2 AND lower(snapshot->>'email') = lower($7::jsonb->>'email') AND id <> $1"
        " ON CONFLICT (id) DO UPDATE"
        " SET version = excluded.version, status = excluded.status, attendance = excluded.attendance,"
        " confirmed_at = excluded.confirmed_at, snapshot = excluded.snapshot,"
        " suppressed = registrations.suppressed AND registrations.snapshot->>'email' = excluded.snapshot->>'email'",
        registration.id,
        registration.seminar,
        registration.version,
        registration.status,
        attends(registration) or registration.attendance,
        registration.confirmed_at if attends(registration) else None,
        registration.model_dump(mode="json"),
    )


async def get_registration(connection: Connection, registration: UUID) -> RegistrationSnapshot | None:
    """Return the registration as known so far."""
    snapshot = await connection.fetchval("SELECT snapshot FROM registrations WHERE id = $1", registration)
    return RegistrationSnapshot.model_validate(snapshot) if snapshot else None


async def set_unsubscribed(connection: Connection, registration: UUID, *, unsubscribed: bool) -> None:
    """Note whether the person wants reminders and news of this seminar."""
    await connection.execute("UPDATE registrations SET unsubscribed = $2 WHERE id = $1", registration, unsubscribed)


async def is_unsubscribed(connection: Connection, registration: UUID) -> bool:
    """Return whether the person has unsubscribed."""
    return bool(await connection.fetchval("SELECT unsubscribed FROM registrations WHERE id = $1", registration))


# --- reminder rules ---


async def lock_rules(connection: Connection, seminar: str) -> list[KeptRule]:
    """Return the seminar's rules, which nobody else changes or writes the e-mails of until the commit."""
    rows = await connection.fetch(
        "SELECT rule, attendance, due_at, expires_at, generation, state FROM reminder_rules WHERE seminar = $1"
        " ORDER BY rule, attendance FOR UPDATE",
        seminar,
    )
    return [_rule(row) for row in rows]


async def get_rules(connection: Connection, seminar: str) -> list[KeptRule]:
    """Return the seminar's rules."""
    rows = await connection.fetch(
        "SELECT rule, attendance, due_at, expires_at, generation, state FROM reminder_rules WHERE seminar = $1", seminar
    )
    return [_rule(row) for row in rows]


async def keep_rules(connection: Connection, seminar: str, rules: list[KeptRule]) -> None:
    """Keep the rules as they stand now."""
    await connection.executemany(
        "INSERT INTO reminder_rules (seminar, rule, attendance, due_at, expires_at, generation, state)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (seminar, rule, attendance) DO UPDATE"
        " SET due_at = excluded.due_at, expires_at = excluded.expires_at, generation = excluded.generation,"
        " state = excluded.state",
        [(seminar, *rule) for rule in rules],
    )


def _rule(row: asyncpg.Record) -> KeptRule:
    typed = {"attendance": Attendance(row["attendance"]), "state": RuleState(row["state"])}
    return KeptRule(**dict(row) | typed)


async def lock_due_rule(connection: Connection, now: datetime) -> asyncpg.Record | None:
    """Return the next rule whose moment has come, locked for this transaction alone.

    None may also mean that another replica has just taken the one found.
    """
    return await connection.fetchrow(
        "SELECT seminar, rule, attendance, generation, due_at, expires_at FROM reminder_rules"
        " WHERE state = 'scheduled' AND due_at <= $1 ORDER BY expires_at LIMIT 1 FOR UPDATE",
        now,
    )


async def materialise(connection: Connection, rule: asyncpg.Record) -> int:
    """Write the rule's e-mails, one for everyone who was confirmed by its moment; return how many.

    However many they are it is one statement, which may take its time: about 20 s a million.
    """
    await connection.execute(f"SET LOCAL statement_timeout = '{LONGEST_WRITING} s'")
    count = await connection.fetchval(
        "WITH written AS (INSERT INTO emails (registration, seminar, kind, rule, generation, due_at, urgency)"
        " SELECT id, seminar, 'reminder', $2, $4, $5, $6 FROM registrations"
        " WHERE seminar = $1 AND attendance = $3 AND confirmed_at <= $5"
        " ON CONFLICT DO NOTHING RETURNING 1),"
        " closed AS (UPDATE reminder_rules SET state = 'materialised'"
        " WHERE seminar = $1 AND rule = $2 AND attendance = $3) SELECT count(*) FROM written",
        rule["seminar"],
        rule["rule"],
        rule["attendance"],
        rule["generation"],
        rule["due_at"],
        rule["expires_at"],
        timeout=LONGEST_WRITING,
    )
    return int(count)


async def make_known(connection: Connection) -> None:
    """Have the planner know how the e-mails have grown, or what is planned for a few would be done to many."""
    await connection.execute("ANALYZE emails")


async def next_due(connection: Connection) -> datetime | None:
    """Return the moment of the next rule to come."""
    moment: datetime | None = await connection.fetchval(
        "SELECT min(due_at) FROM reminder_rules WHERE state = 'scheduled'"
    )
    return moment


async def remind_late_comer(connection: Connection, registration: RegistrationSnapshot) -> None:
    """Write the reminders whose rules were materialised before this person's message came.

    Whoever was confirmed after a rule's moment is covered by the e-mail that says so. The rules are locked FOR SHARE,
    the materialiser holds them FOR UPDATE: nobody falls between the two.
    """
    await connection.execute(
        "WITH rules AS (SELECT * FROM reminder_rules WHERE seminar = $1 AND attendance = $2 FOR SHARE)"
        " INSERT INTO emails (registration, seminar, kind, rule, generation, due_at, urgency, state, reason)"
        " SELECT $3, $1, 'reminder', rule, generation, due_at, expires_at,"
        " CASE WHEN due_at < $4 THEN 'covered' ELSE 'pending' END,"
        " CASE WHEN due_at < $4 THEN 'said when they signed up' END"
        " FROM rules WHERE due_at < $4 OR state = 'materialised' ON CONFLICT DO NOTHING",
        registration.seminar,
        attends(registration),
        registration.id,
        registration.confirmed_at,
    )


async def reminders(connection: Connection, seminar: str) -> list[asyncpg.Record]:
    """Return each rule with the number of people whom it reaches: planned before its moment, written after it."""
    return await connection.fetch(
        "SELECT r.rule, r.attendance, r.due_at, r.expires_at, r.state, r.generation,"
        " CASE WHEN r.state = 'scheduled' THEN (SELECT count(*) FROM registrations g WHERE g.seminar = r.seminar"
        "   AND g.attendance = r.attendance AND g.confirmed_at IS NOT NULL"
        "   AND NOT g.unsubscribed AND NOT g.suppressed)"
        " ELSE (SELECT count(*) FROM emails e JOIN registrations g ON g.id = e.registration"
        "   WHERE e.seminar = r.seminar AND e.rule = r.rule AND e.generation = r.generation"
        "   AND g.attendance = r.attendance AND e.state IN ('pending', 'sending', 'sent', 'failed')) END AS recipients"
        " FROM reminder_rules r WHERE r.seminar = $1 ORDER BY r.due_at, r.attendance",
        seminar,
    )


# --- e-mails ---


async def insert_email(
    connection: Connection,
    registration: RegistrationSnapshot,
    kind: Kind,
    generation: int,
    due_at: datetime,
    correlation_id: str,
) -> None:
    """Owe somebody an e-mail, once."""
    await connection.execute(
        "INSERT INTO emails (registration, seminar, kind, generation, due_at, correlation_id)"
        " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        registration.id,
        registration.seminar,
        kind,
        generation,
        due_at,
        correlation_id,
    )


# A recording is told of once, however often it is published.
NOT_TOLD = (
    "($2 <> 'recording' OR NOT EXISTS (SELECT FROM emails e WHERE e.registration = g.id AND e.kind = $2"
    " AND e.state IN ('pending', 'sending', 'sent')))"
)


async def insert_notices(connection: Connection, seminar: str, notice: Notice, correlation_id: str) -> int:
    """Owe everyone whom it concerns a notice about the seminar; return how many that is."""
    status = await connection.execute(
        "INSERT INTO emails (registration, seminar, kind, generation, due_at, correlation_id, urgency)"
        " SELECT g.id, g.seminar, $2, $3, $4, $5, greatest($4, (s.snapshot->>'end')::timestamptz)"
        " FROM registrations g JOIN seminars s ON s.slug = g.seminar"
        f" WHERE g.seminar = $1 AND g.status = ANY ($6::text[]) AND {NOT_TOLD} ON CONFLICT DO NOTHING",
        seminar,
        notice.kind,
        notice.generation,
        notice.due_at,
        correlation_id,
        list(CONCERNS[notice.kind]),
    )
    return int(status.split()[-1])


async def supersede_changes(connection: Connection, registration: UUID) -> None:
    """Close what waits to confirm a change of details, as another e-mail is about to say how it stands."""
    await connection.execute(
        "UPDATE emails SET state = 'superseded', reason = 'said with what came soon after'"
        " WHERE registration = $1 AND kind = 'changed' AND state = 'pending'",
        registration,
    )


async def supersede_misdirected(connection: Connection, registration: UUID, kinds: Collection[Kind]) -> None:
    """Close what waits, has failed or came back of these kinds, as the same is about to go to a corrected address."""
    await connection.execute(
        "UPDATE emails SET state = 'superseded', reason = 'sent anew to a corrected address'"
        " WHERE registration = $1 AND kind = ANY($2) AND state IN ('pending', 'failed', 'bounced')",
        registration,
        list(kinds),
    )


async def due(connection: Connection, now: datetime) -> list[asyncpg.Record]:
    """Return how many e-mails of each kind should have left by now, and since when the oldest is due.

    Those that rest after a failure are among them; those of another generation than their rule's never leave.
    """
    return await connection.fetch(
        "SELECT e.kind, count(*), min(e.due_at) FROM emails e"
        " JOIN registrations g ON g.id = e.registration JOIN seminars s ON s.slug = e.seminar"
        " LEFT JOIN reminder_rules r ON r.seminar = e.seminar AND r.rule = e.rule AND r.attendance = g.attendance"
        " WHERE e.state IN ('pending', 'sending') AND e.due_at <= $1"
        " AND (r.generation IS NULL OR r.generation = e.generation) GROUP BY e.kind",
        now,
    )


async def listing(
    connection: Connection, seminar: str, after: tuple[datetime, UUID] | None, limit: int
) -> list[asyncpg.Record]:
    """Return a seminar's e-mails in the order they are due, from behind `after` on."""
    return await connection.fetch(
        "SELECT e.id, e.registration, e.kind, e.rule, e.generation, g.snapshot->>'email' AS to,"
        " CASE WHEN e.state = 'pending' AND e.rule <> '' AND e.generation IS DISTINCT FROM r.generation"
        "   THEN 'superseded' ELSE e.state END AS state,"
        " e.reason, e.due_at, e.sent_at, e.attempts, e.ambiguous, e.smtp_reply"
        " FROM emails e JOIN registrations g ON g.id = e.registration"
        " LEFT JOIN reminder_rules r ON r.seminar = e.seminar AND r.rule = e.rule AND r.attendance = g.attendance"
        " WHERE e.seminar = $1 AND e.kind <> 'preview' AND ($2::timestamptz IS NULL OR (e.due_at, e.id) > ($2, $3))"
        " ORDER BY e.due_at, e.id LIMIT $4",
        seminar,
        after[0] if after else None,
        after[1] if after else None,
        limit,
    )


RETRIED = "state = 'pending', reason = NULL, retry_at = '-infinity'"


async def retry(connection: Connection, email: UUID) -> State | None:
    """Have an e-mail that failed, bounced or rests tried again now; return its state before, None if there is none."""
    state = await connection.fetchval("SELECT state FROM emails WHERE id = $1 FOR UPDATE", email)
    if state in (State.FAILED, State.BOUNCED, State.PENDING):
        await connection.execute(f"UPDATE emails SET {RETRIED} WHERE id = $1", email)
        await connection.execute(
            "UPDATE registrations SET suppressed = false WHERE id = (SELECT registration FROM emails WHERE id = $1)",
            email,
        )
    return State(state) if state else None


# --- what is to come: counted by the database, judged by the model ---

ALIKE = (
    "g.attendance, g.status, g.status = 'waitlisted' AND g.confirmed_at IS NOT NULL, g.snapshot->>'language',"
    " g.unsubscribed, g.suppressed"
)


async def unsent(connection: Connection, seminar: str, now: datetime) -> list[Batch]:
    """Return the seminar's e-mails that are written and not settled; what is overdue is due now."""
    rows = await connection.fetch(
        f"SELECT e.kind, e.rule, e.generation, greatest(e.due_at, $2), {ALIKE}, count(*)"
        " FROM emails e JOIN registrations g ON g.id = e.registration"
        " WHERE e.seminar = $1 AND e.kind <> 'preview' AND e.state IN ('pending', 'sending')"
        " AND (e.rule = '' OR g.confirmed_at <= e.due_at)"
        f" GROUP BY e.kind, e.rule, e.generation, greatest(e.due_at, $2), {ALIKE}",
        seminar,
        now,
    )
    return [_batch(row) for row in rows]


async def to_be_reminded(connection: Connection, seminar: str, rules: list[KeptRule]) -> list[Batch]:
    """Return whom the rules would be materialised for."""
    rows = await connection.fetch(
        f"SELECT 'reminder', r.rule, r.generation, r.due_at, {ALIKE}, count(*)"
        " FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::integer[]) AS r (rule, way, due_at, generation)"
        " JOIN registrations g ON g.attendance = r.way"
        " WHERE g.seminar = $1 AND g.confirmed_at <= r.due_at"
        f" GROUP BY r.rule, r.generation, r.due_at, {ALIKE}",
        seminar,
        [rule.rule for rule in rules],
        [rule.attendance for rule in rules],
        [rule.due_at for rule in rules],
        [rule.generation for rule in rules],
    )
    return [_batch(row) for row in rows]


async def to_be_told(connection: Connection, seminar: str, notice: Notice) -> list[Batch]:
    """Return whom the notice would be written for."""
    rows = await connection.fetch(
        f"SELECT $2::text, '', $3::integer, $4::timestamptz, {ALIKE}, count(*) FROM registrations g"
        f" WHERE g.seminar = $1 AND g.status = ANY ($5::text[]) AND {NOT_TOLD} GROUP BY {ALIKE}",
        seminar,
        notice.kind,
        notice.generation,
        notice.due_at,
        list(CONCERNS[notice.kind]),
    )
    return [_batch(row) for row in rows]


def _batch(row: asyncpg.Record) -> Batch:
    kind, rule, generation, due_at, attendance, status, *others = row
    return Batch(Kind(kind), rule, generation, due_at, Attendance(attendance), RegistrationStatus(status), *others)
