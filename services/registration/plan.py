"""What will become of everybody in a list that an organiser brings in: the same answer before and when it is done."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from services.registration.admission import Admitted, Standing, Verdict, admit_all
from services.registration.imported import Row
from services.registration.model import Refusal, RefusedError, SignUp, email_key
from services.registration.questions import UnfitError
from services.registration.typed import judge
from shared.messages import Attendance, Question, RegistrationStatus, SeminarSnapshot

NOTHING: Mapping[str, str] = MappingProxyType({})


class Fate(StrEnum):
    """What becomes of somebody in the list."""

    SEAT = "seat"
    WAITS = "waits"
    KNOWN = "known"  # stands already
    TWICE = "twice"  # stands further up in the list
    LEFT_OUT = "left-out"  # the list itself says that they have withdrawn
    REFUSED = "refused"
    WRONG = "wrong"


NEW = (Fate.SEAT, Fate.WAITS)


class Judged(NamedTuple):
    """A row as a sign-up, if it is one, and what is wrong with it, by input."""

    row: Row
    given: SignUp | None
    wrong: Mapping[str, str] = NOTHING


class Known(NamedTuple):
    """Who is there before, by the keys of their addresses."""

    standing: AbstractSet[str]
    withdrawn: AbstractSet[str]


class Planned(NamedTuple):
    """What becomes of a row."""

    row: Row
    fate: Fate
    given: SignUp | None = None
    admitted: Admitted | None = None
    wrong: Mapping[str, str] = NOTHING
    refusal: Refusal | None = None
    withdrew: bool = False  # whether they have withdrawn before, and will stand again


def judge_rows(rows: Iterable[Row], seminar: SeminarSnapshot) -> list[Judged]:
    """Return each row as a sign-up."""
    return [_judge(row, seminar) for row in rows]


def _judge(row: Row, seminar: SeminarSnapshot) -> Judged:
    given, wrong = judge(row.fields, seminar, "nb")
    wrong = wrong | dict.fromkeys(_unfit(row.fields, seminar.questions), "")
    return Judged(row, None if wrong else given, wrong)


def _unfit(fields: Mapping[str, str], questions: Iterable[Question]) -> Iterable[str]:
    """Yield the inputs of what a form cannot carry, and which would be lost without a word."""
    if fields.get("attendance") == Attendance.IN_PERSON and fields.get("headcount", "1") != "1":
        yield "headcount"
    for question in (question for question in questions if question.kind == "several"):
        field = f"answers.{question.id}"
        offered = {f"{field}.{option.id}" for option in question.options}
        if any(name.startswith(f"{field}.") and name not in offered for name in fields):
            yield field


def plan(
    seminar: SeminarSnapshot,
    judged: Sequence[Judged],
    known: Known,
    met: Mapping[Attendance, Standing],
    now: datetime,
) -> list[Planned]:
    """Return what becomes of each, in their order; `met` is whom they meet."""
    coming = [one.given for one in judged if one.given and not _left_out(one.row)]
    verdicts = iter(admit_all(seminar, coming, known.standing, met, now, cause="organiser"))
    return [_planned(one, known, next(verdicts) if one.given and not _left_out(one.row) else None) for one in judged]


def _left_out(row: Row) -> bool:
    return row.fields.get("status") == RegistrationStatus.CANCELLED


def _planned(one: Judged, known: Known, verdict: Verdict | None) -> Planned:
    row, given, wrong = one
    if _left_out(row):
        return Planned(row, Fate.LEFT_OUT)
    if given is None or verdict is None:
        return Planned(row, Fate.WRONG, wrong=wrong)
    if isinstance(verdict, RefusedError):
        return Planned(row, Fate.REFUSED, given, refusal=verdict.refusal)
    if isinstance(verdict, UnfitError):
        return Planned(row, Fate.WRONG, wrong={fault.field: fault.text for fault in verdict.faults})
    return _admitted(row, given, verdict, known)


def _admitted(row: Row, given: SignUp, admitted: Admitted, known: Known) -> Planned:
    key = email_key(given.email)
    if admitted.known:
        return Planned(row, Fate.KNOWN if key in known.standing else Fate.TWICE, given)
    fate = Fate.WAITS if admitted.status is RegistrationStatus.WAITLISTED else Fate.SEAT
    return Planned(row, fate, given, admitted, withdrew=key in known.withdrawn)


def fingerprint(planned: Iterable[Planned]) -> str:
    """Return what two plans have in common by which the same becomes of everybody."""
    return hashlib.sha256(" ".join(f"{one.row.number}:{one.fate}" for one in planned).encode()).hexdigest()
