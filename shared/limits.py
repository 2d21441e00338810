"""How much is too much: the setting RATE_LIMIT, and meters that count by monotonic time.

A meter is the generic cell rate algorithm (ITU-T I.371, A): of `600/10m` a key has 600 at once, and one more every
second. It is kept in this process, for a bounded number of keys: with several replicas the limit is as many times as
high, and a key that was crowded out begins anew. So limits are approximate, and ward off floods, not misuse.
"""

import re
from collections import OrderedDict
from typing import Any, NamedTuple

from shared.web.clients import Networks, read_networks

KEYS = 50_000  # that one meter remembers: some 10 MB
TOLERANCE = 1e-6  # seconds; sums of intervals are no exact numbers
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}  # seconds
LIMIT = re.compile(r"([1-9]\d{0,6})/([1-9]\d{0,3})?([smhd])")


class Limit(NamedTuple):
    """So many in so many seconds."""

    number: int
    seconds: float


class Limits(NamedTuple):
    """What RATE_LIMIT says; a limit that is None is off."""

    client: Limit | None = Limit(600, 600)
    """For whoever signs up or changes their registration, by network address: a whole municipality may have one."""
    address: Limit | None = Limit(10, 3600)
    """For an e-mail address that sign-ups name."""
    sign_in: Limit | None = Limit(10, 600)
    """For wrong organiser's tokens, by network address."""
    exempt: Networks = ()
    """Clients who are not counted."""


OFF = Limits(None, None, None)


def read_limits(text: str) -> Limits:
    """Return the limits in a text such as `client:600/10m,exempt:10.1.2.3`, with what is not named as by default.

    Raises ValueError.
    """
    if text.strip() == "off":
        return OFF
    given: dict[str, Any] = {"exempt": ()}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition(":")
        if name == "exempt":
            given["exempt"] += read_networks(value)
        else:
            field = _field(name)
            given[field] = _limit(value)
    return Limits(**given)


def _field(name: str) -> str:
    field = name.replace("-", "_")
    if field not in ("client", "address", "sign_in"):
        raise ValueError("wants `off`, or limits such as client:600/10m,address:10/1h,sign-in:10/10m,exempt:10.1.2.3")
    return field


def _limit(text: str) -> Limit:
    found = LIMIT.fullmatch(text)
    if not found:
        raise ValueError("a limit is a number, a slash and a time in s, m, h or d, such as 600/10m")
    return Limit(int(found[1]), int(found[2] or 1) * UNITS[found[3]])


class Meter:
    """Counts by key; `now` is monotonic time in seconds, and never goes back."""

    def __init__(self, limit: Limit, keys: int = KEYS) -> None:
        self._seconds = limit.seconds
        self._interval = limit.seconds / limit.number
        self._keys = keys
        self._busy: OrderedDict[str, float] = OrderedDict()  # until when, the least recently used first

    def wait(self, key: str, now: float) -> float:
        """Return in how many seconds there is room for one more: 0 if there is now."""
        wait = self._busy.get(key, now) + self._interval - self._seconds - now
        return wait if wait > TOLERANCE else 0.0

    def count(self, key: str, now: float) -> None:
        """Count one; what is more than the limit makes no wait longer."""
        until = max(now, self._busy.pop(key, now)) + self._interval
        self._busy[key] = min(until, now + self._seconds)
        if len(self._busy) > self._keys:
            self._busy.popitem(last=False)

    def take(self, key: str, now: float) -> float:
        """Count one if there is room, and return 0; else return how many seconds to wait for it."""
        wait = self.wait(key, now)
        if wait:
            self._busy.move_to_end(key)
        else:
            self.count(key, now)
        return wait
