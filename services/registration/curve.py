"""The sign-up curve: how many of those who are signed up now had come by the end of each day, and the line of it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from shared.messages import Attendance

LONGEST = 400  # days; what came before stands on the first


class Came(NamedTuple):
    """How many signed up on a day."""

    day: date
    attendance: Attendance
    people: int


class Curve(NamedTuple):
    """Running totals: a number a day, from the day of the first sign-up on."""

    days: tuple[date, ...]
    totals: Mapping[Attendance, tuple[int, ...]]

    @property
    def top(self) -> int:
        """The highest total."""
        return max((total[-1] for total in self.totals.values() if total), default=0)

    @property
    def turns(self) -> tuple[int, ...]:
        """The places of the days on which somebody came."""
        return tuple(
            place
            for place in range(len(self.days))
            if place == 0 or any(total[place] != total[place - 1] for total in self.totals.values())
        )


def curve(came: Iterable[Came]) -> Curve:
    """Return the curve of what came on each day, in whatever order."""
    came = tuple(came)
    if not came:
        return Curve((), dict.fromkeys(Attendance, ()))
    last = max(each.day for each in came)
    first = max(min(each.day for each in came), last - timedelta(days=LONGEST - 1))
    days = tuple(first + timedelta(days=number) for number in range((last - first).days + 1))
    return Curve(days, {attendance: _totals(came, attendance, days) for attendance in Attendance})


def _totals(came: Iterable[Came], attendance: Attendance, days: Sequence[date]) -> tuple[int, ...]:
    added = dict.fromkeys(days, 0)
    for each in came:
        if each.attendance is attendance:
            added[max(each.day, days[0])] += each.people
    total, totals = 0, []
    for day in days:
        total += added[day]
        totals.append(total)
    return tuple(totals)


def path(totals: Sequence[int], top: int, width: int, height: int) -> str:
    """Return the SVG path of a line through the totals: the first day to the left, `top` above, none at the bottom.

    A total holds all day: the line goes level to the next day and rises there.
    """
    if not totals:
        return ""
    step = width / len(totals)
    heights = [_number(height - height * total / max(top, 1)) for total in totals]
    corners = [f"V{heights[place]}H{_number(step * (place + 1))}" for place in range(len(totals))]
    return f"M0 {height}{''.join(corners)}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
