"""A reminder rule's name in parts that a page can put into words."""

import re
from typing import Literal, NamedTuple

from services.notification.model import DURATION

Unit = Literal["week", "day", "hour", "minute"]
UNITS: tuple[Unit, ...] = ("week", "day", "hour", "minute")
NAME = re.compile(r"(before_start|after_end) (\S+)")


class SpokenRule(NamedTuple):
    """When a reminder is due: so long before the start or after the end; or at a moment of its own."""

    anchor: Literal["before_start", "after_end", "at"]
    length: tuple[tuple[Unit, int], ...] = ()


def spoken(rule: str) -> SpokenRule:
    """Return the parts of a rule's name, such as "before_start P1DT2H"."""
    found = NAME.fullmatch(rule)
    parts = DURATION.fullmatch(found[2]) if found else None
    if found is None or parts is None:
        return SpokenRule("at")
    numbers = (int(part or 0) for part in parts.groups())
    length = tuple((unit, number) for unit, number in zip(UNITS, numbers, strict=True) if number)
    return SpokenRule("before_start" if found[1] == "before_start" else "after_end", length)
