"""The statements of idempotency keys."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from shared.database import Connection


class KeptAnswer(NamedTuple):
    """What was answered to a key, and the digest of the body that it came with."""

    key: str
    body_hash: bytes
    status: int
    answer: dict[str, Any]


async def lock_keys(connection: Connection, keys: Collection[str]) -> set[str]:
    """Keep to this transaction those of the keys that no other holds, and return them."""
    rows = await connection.fetch(
        "SELECT key FROM unnest($1::text[]) AS key WHERE pg_try_advisory_xact_lock(hashtextextended(key, 1))",
        list(keys),
    )
    return {row["key"] for row in rows}


async def kept_answers(connection: Connection, keys: Collection[str]) -> dict[str, KeptAnswer]:
    """Return what was answered to the keys before; a statement of its own, to see what was kept before the lock."""
    rows = await connection.fetch(
        "SELECT key, body_hash, status, answer FROM idempotency_keys WHERE key = ANY($1)", list(keys)
    )
    return {row["key"]: KeptAnswer(**row) for row in rows}


async def keep_answers(connection: Connection, answers: Sequence[KeptAnswer]) -> None:
    """Remember the answers."""
    await connection.execute(
        "INSERT INTO idempotency_keys (key, body_hash, status, answer)"
        " SELECT * FROM unnest($1::text[], $2::bytea[], $3::integer[], $4::jsonb[])",
        *map(list, zip(*answers, strict=True)),
    )


async def forget_old_keys(connection: Connection) -> None:
    """Delete keys after their 24 hours."""
    await connection.execute("DELETE FROM idempotency_keys WHERE stored_at < clock_timestamp() - interval '24 hours'")
