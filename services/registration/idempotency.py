"""Requests that come again under an Idempotency-Key: done once, and answered the same."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from services.registration import store_keys
from shared.database import Connection


class Key(NamedTuple):
    """An Idempotency-Key, and the digest of the body that it came with."""

    name: str
    body: bytes


class KeyInProgressError(Exception):
    """A request with that key is being worked on."""


class KeyReusedError(ValueError):
    """The key came with another body before."""


Kept = dict[str, Any]  # what was answered before
Settled = Kept | KeyInProgressError | KeyReusedError
ACCEPTED = 202  # the status of what is kept


async def settle(connection: Connection, keys: Sequence[Key | None]) -> list[Settled | None]:
    """Return for each key what there is to say already, None if the request is to be done.

    The keys of those stay locked until the commit. Of two with one key, as of two at once, the second is in progress.
    """
    names = {key.name for key in keys if key}
    if not names:
        return [None] * len(keys)
    ours = await store_keys.lock_keys(connection, names)
    kept = await store_keys.kept_answers(connection, ours)
    return [key and _settle(key, ours, kept) for key in keys]


def _settle(key: Key, free: set[str], kept: dict[str, store_keys.KeptAnswer]) -> Settled | None:
    before = kept.get(key.name)
    if before is None:
        if key.name not in free:
            return KeyInProgressError()
        free.remove(key.name)
        return None
    return before.answer if before.body_hash == key.body else KeyReusedError()


async def keep(connection: Connection, answers: Iterable[tuple[Key, Kept]]) -> None:
    """Remember what is answered to each."""
    rows = [store_keys.KeptAnswer(key.name, key.body, ACCEPTED, answer) for key, answer in answers]
    if rows:
        await store_keys.keep_answers(connection, rows)
