"""Requests that come again under an Idempotency-Key: done once, and answered the same."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple


class Key(NamedTuple):
    """An Idempotency-Key, and the digest of the body that it came with."""

    name: str
    body: bytes


class KeyInProgressError(Exception):
    """A request with that key is being worked on."""


class KeyReusedError(ValueError):
    """The key came with another body before."""


class Kept(NamedTuple):
    """What was answered to a key."""

    key: Key
    answer: dict[str, Any]


Settled = Kept | KeyInProgressError | KeyReusedError


def settle(keys: Sequence[Key | None], ours: AbstractSet[str], kept: Mapping[str, Kept]) -> list[Settled | None]:
    """Return for each key what there is to say already, None if the request is to be done.

    `ours` are locked by this transaction; of two with one key, as of two at once, the second is in progress.
    """
    free = set(ours)
    return [key and _settle(key, free, kept.get(key.name)) for key in keys]


def _settle(key: Key, free: set[str], before: Kept | None) -> Settled | None:
    if before is not None:
        return before if before.key == key else KeyReusedError()
    if key.name not in free:
        return KeyInProgressError()
    free.remove(key.name)
    return None
