"""Who of many is admitted: each as if they had come alone, one after the other, in the order that they came."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.registration import questions
from services.registration.model import (
    Details,
    RefusedError,
    Registration,
    admit,
    email_key,
    is_full,
    local_day,
    recognised,
    refuse,
)
from services.registration.questions import UnfitError
from shared.messages import Attendance, RegistrationStatus, SeminarSnapshot


class Standing(NamedTuple):
    """How many there are for one way to attend."""

    confirmed: int
    waitlisted: int

    @property
    def taken(self) -> int:
        """The seats that are occupied or queued for."""
        return self.confirmed + self.waitlisted


NOBODY = Standing(0, 0)


class Admitted(NamedTuple):
    """What whoever signs up is told, and what is kept of it; a known address is told what a stranger would be."""

    status: RegistrationStatus
    online_meanwhile: bool
    place: int | None  # in the waiting list, from 1
    known: bool  # whether the address stands already, and takes no seat


Verdict = Admitted | RefusedError | UnfitError


def admit_all(
    seminar: SeminarSnapshot,
    given: Sequence[Details],
    known: AbstractSet[str],
    standing: Mapping[Attendance, Standing],
    now: datetime,
) -> list[Verdict]:
    """Return what becomes of each; `known` are the keys of the addresses that stand, `standing` whom they meet.

    Whoever is admitted is met by those behind them.
    """
    met, addresses = dict(standing), set(known)
    verdicts: list[Verdict] = []
    for details in given:
        try:
            admitted = _admit(seminar, details, addresses, met, now)
        except (RefusedError, UnfitError) as error:
            verdicts.append(error)
            continue
        verdicts.append(admitted)
        if not admitted.known:
            addresses.add(email_key(details.email))
            _seat(met, details.attendance, admitted)
    return verdicts


def _admit(
    seminar: SeminarSnapshot,
    details: Details,
    known: AbstractSet[str],
    met: Mapping[Attendance, Standing],
    now: datetime,
) -> Admitted:
    attendance = details.attendance
    status = admit(seminar, attendance, met.get(attendance, NOBODY).taken, now)
    questions.check(seminar.questions, attendance, details.answers)
    waits = status is RegistrationStatus.WAITLISTED
    return Admitted(
        status,
        waits and details.online_meanwhile and is_open_online(seminar, met.get(Attendance.ONLINE, NOBODY).taken, now),
        met.get(attendance, NOBODY).waitlisted + 1 if waits else None,
        email_key(details.email) in known,
    )


def _seat(met: dict[Attendance, Standing], attendance: Attendance, admitted: Admitted) -> None:
    """Have the next ones meet who was admitted, online meanwhile too."""
    confirmed, waitlisted = met.get(attendance, NOBODY)
    waits = admitted.status is RegistrationStatus.WAITLISTED
    met[attendance] = Standing(confirmed + (not waits), waitlisted + waits)
    if admitted.online_meanwhile:
        confirmed, waitlisted = met.get(Attendance.ONLINE, NOBODY)
        met[Attendance.ONLINE] = Standing(confirmed + 1, waitlisted)


def is_open_online(seminar: SeminarSnapshot, taken: int, now: datetime) -> bool:
    """Return whether who waits for a seat can attend online meanwhile; `taken` seats are occupied there."""
    return refuse(seminar, Attendance.ONLINE, now) is None and not is_full(seminar, Attendance.ONLINE, taken)


def register(
    registration: UUID, seminar: SeminarSnapshot, given: Details, admitted: Admitted, now: datetime
) -> Registration:
    """Return the registration of whoever is admitted. Who attends online meanwhile is confirmed for that."""
    confirmed = admitted.status is RegistrationStatus.CONFIRMED or admitted.online_meanwhile
    details = recognised(given, local_day(seminar))
    if given.online_meanwhile is not admitted.online_meanwhile:
        details = details.model_copy(update={"online_meanwhile": admitted.online_meanwhile})
    return Registration(
        id=registration,
        seminar=seminar.slug,
        version=1,
        status=admitted.status,
        details=details,
        registered_at=now,
        confirmed_at=now if confirmed else None,
        checked_in_at=None,
        link_version=1,
    )
