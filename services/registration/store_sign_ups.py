"""The statements of signing up many at once: few, as each costs a round trip, however many they are for."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from services.registration.admission import Standing
from services.registration.idempotency import Kept, Key
from services.registration.model import Registration, email_key
from services.registration.store import DETAILS, STANDING_WITH_KEY, standings_in, to_seminar, values
from shared import outbox
from shared.database import Connection
from shared.messages import Attendance, Message, SeminarSnapshot

TYPES = {"headcount": "integer", "online_meanwhile": "boolean", "answers": "jsonb"}  # of those that are no texts
NEW = {"id": "uuid", "seminar": "text", "status": "text", "registered_at": "timestamptz", "confirmed_at": "timestamptz"}
NEW |= {field: TYPES.get(field, "text") for field in DETAILS}


class Locked(NamedTuple):
    """What is this transaction's until its commit."""

    seminar: SeminarSnapshot | None
    keys: frozenset[str]  # those that no other transaction holds


class Met(NamedTuple):
    """What those who sign up meet."""

    known: frozenset[str]  # those of their addresses that stand already
    standings: dict[Attendance, Standing]
    kept: dict[str, Kept]  # what was answered to their keys before


async def lock(connection: Connection, slug: str, keys: Sequence[str]) -> Locked:
    """Keep the seminar's seats and those of the keys that are free to this transaction until the commit.

    The transaction's statements are planned for the tables as they are by then: a plan that was made before sign-up
    opened reads them from end to end.
    """
    (row,) = await connection.fetch(
        "SELECT (SELECT snapshot::text FROM seminars WHERE slug = $1 FOR NO KEY UPDATE) AS snapshot,"
        " ARRAY(SELECT key FROM unnest($2::text[]) AS key"
        "   WHERE pg_try_advisory_xact_lock(hashtextextended(key, 1))) AS keys,"
        " set_config('plan_cache_mode', 'force_custom_plan', true)",
        slug,
        keys,
    )
    return Locked(row["snapshot"] and to_seminar(row["snapshot"]), frozenset(row["keys"]))


async def meet(connection: Connection, seminar: str, addresses: Sequence[str], keys: Sequence[str]) -> Met:
    """Return what stands by now, and was answered to the keys; after `lock`, so that nothing of it changes any more."""
    (row,) = await connection.fetch(
        f"SELECT ARRAY(SELECT key FROM unnest($2::text[]) AS key WHERE {STANDING_WITH_KEY} IS NOT NULL) AS known,"
        " ARRAY(SELECT ROW(attendance, confirmed, waitlisted, meanwhile) FROM standings WHERE seminar = $1)"
        "   AS standings,"
        " ARRAY(SELECT ROW(key, body_hash, answer::text) FROM idempotency_keys WHERE key = ANY($3)) AS kept",
        seminar,
        addresses,
        keys,
    )
    kept = {key: Kept(Key(key, body), json.loads(answer)) for key, body, answer in row["kept"]}
    return Met(frozenset(row["known"]), standings_in(row["standings"]), kept)


async def insert(
    connection: Connection, registrations: Sequence[Registration], messages: Sequence[Message]
) -> set[UUID]:
    """Add new registrations in their order, and owe the bus the message of each.

    Return the ids of those whose address did not stand already; of the others nobody is told.
    """
    rows = await connection.fetch(
        INSERT,
        *map(list, zip(*map(_row, registrations), strict=True)),
        [email_key(registration.details.email) for registration in registrations],
        *outbox.columns(messages),
    )
    return {row["id"] for row in rows}


def _row(registration: Registration) -> list[Any]:
    id_, seminar, _, status, details, registered_at, confirmed_at, *_ = registration
    return [id_, seminar, status, registered_at, confirmed_at, *values(details, DETAILS)]


def _arrays(types: Iterable[str]) -> str:
    return ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(types, 1))


INSERT = (
    f"WITH new AS (SELECT * FROM unnest({_arrays([*NEW.values(), 'text', 'uuid', 'text', 'text'])}) WITH ORDINALITY"
    f"   AS new ({', '.join(NEW)}, email_key, message_id, type, body, number)),"
    f" added AS (INSERT INTO registrations ({', '.join(NEW)}, email_key, queued_at)"
    f"   SELECT {', '.join(NEW)}, email_key, CASE WHEN status = 'waitlisted' THEN nextval('queue_places') END"
    "   FROM new ORDER BY number"
    "   ON CONFLICT (seminar, email_key) WHERE status <> 'cancelled' DO NOTHING RETURNING id),"
    f" told AS ({outbox.INSERT} SELECT message_id, type, body FROM new JOIN added USING (id) ORDER BY number)"
    " SELECT id FROM added"
)


async def keep_answers(connection: Connection, answers: Sequence[Kept]) -> None:
    """Remember what is answered to the keys."""
    await connection.execute(
        "INSERT INTO idempotency_keys (key, body_hash, status, answer)"
        " SELECT key, body_hash, 202, answer FROM unnest($1::text[], $2::bytea[], $3::jsonb[])"
        "   AS answers (key, body_hash, answer)",
        [kept.key.name for kept in answers],
        [kept.key.body for kept in answers],
        [kept.answer for kept in answers],
    )
