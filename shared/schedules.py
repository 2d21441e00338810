"""What a seminar document may say of zones, durations and reminder rules: judged alike by all who read one."""

import re
from functools import cache
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field

from shared.faults import Fault, complain, wrong

# ISO 8601-1, 5.5.2.2, without years, months and seconds; longer ones could lead out of the calendar
DURATION = re.compile(r"P(?=.)(\d{1,3}W)?(\d{1,4}D)?(T(?=.)(\d{1,4}H)?(\d{1,5}M)?)?", re.ASCII)
YEARS = range(1970, 9000)  # further off, a change of zone can leave the calendar

_zones = cache(available_timezones)  # which reads the whole time zone database


def _known_zone(name: str) -> str:
    if name not in _zones():
        raise wrong("wants the name of a time zone, such as Europe/Oslo")
    return name


def _duration(text: str) -> str:
    if not DURATION.fullmatch(text):
        raise wrong("wants an ISO 8601 duration in weeks, days, hours or minutes, such as P1D or PT15M")
    return text


Zone = Annotated[str, AfterValidator(_known_zone)]
Duration = Annotated[str, Field(json_schema_extra={"pattern": f"^{DURATION.pattern}$"}), AfterValidator(_duration)]


def check_one_moment(rule: Any) -> None:
    """Complain unless the reminder rule gives exactly one of `before_start`, `after_end` and `at`."""
    given = [field for field in ("before_start", "after_end", "at") if getattr(rule, field) is not None]
    if not given:
        complain([Fault(("before_start",), "is needed, or after_end, or at")])
    complain(Fault((field,), "must stand alone: %(other)s is given too", {"other": given[0]}) for field in given[1:])
