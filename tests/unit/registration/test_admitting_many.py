"""Many at once are admitted as they would be one by one, and a key is done once."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registration import questions
from services.registration.admission import Admitted, Standing, admit_all
from services.registration.idempotency import Kept, Key, KeyInProgressError, KeyReusedError, settle
from services.registration.model import Details, RefusedError, admit, email_key, is_full, refuse
from services.registration.questions import UnfitError
from shared.messages import Attendance, RegistrationStatus, SeminarSnapshot
from tests.factories import DEADLINE, NOW, UNHURRIED, make_details, make_snapshot

CONFIRMED, WAITLISTED, _ = RegistrationStatus
IN_PERSON, ONLINE = Attendance
QUESTION = {"id": "bus", "text": "Bus?", "kind": "choice", "options": [{"id": "yes", "text": "Yes"}]}

seats = st.none() | st.integers(0, 4)
people = st.builds(
    lambda attendance, meanwhile, answer, **fields: make_details(
        attendance=attendance,
        online_meanwhile=meanwhile and attendance is IN_PERSON,
        answers={"bus": answer} if answer else {},
        **fields,
    ),
    st.sampled_from(Attendance),
    st.booleans(),
    st.sampled_from(["", "", "", "yes", "no"]),
    email=st.sampled_from([f"{spelling}{n}@example.org" for n in range(6) for spelling in ("p", "P")]),
)
seminars = st.builds(
    lambda room, stream, status, early: make_snapshot(
        questions=[QUESTION],
        status=status,
        attendance={"in_person": {"capacity": room, "promote_until": early, "deadline": DEADLINE}}
        | ({} if stream == 0 else {"online": {"capacity": stream}}),
    ),
    seats,
    seats,
    st.sampled_from(["published"] * 5 + ["cancelled"]),
    st.sampled_from([None, NOW.replace(year=2022)]),
)


class OneByOne:
    """The rules for one, applied to a list of all who stand."""

    def __init__(self, seminar: SeminarSnapshot) -> None:
        self.seminar = seminar
        self.standing: list[tuple[str, Attendance, RegistrationStatus, bool]] = []

    def taken(self, attendance: Attendance) -> int:
        meanwhile = sum(online for *_, online in self.standing) if attendance is ONLINE else 0
        return sum(way is attendance for _, way, *_ in self.standing) + meanwhile

    def sign_up(self, details: Details) -> Any:
        try:
            status = admit(self.seminar, details.attendance, self.taken(details.attendance), NOW)
            questions.check(self.seminar.questions, details.attendance, details.answers)
        except (RefusedError, UnfitError) as error:
            return error
        room_online = refuse(self.seminar, ONLINE, NOW) is None and not is_full(
            self.seminar, ONLINE, self.taken(ONLINE)
        )
        meanwhile = details.online_meanwhile and status is WAITLISTED and room_online
        queue = [way for _, way, state, _ in self.standing if state is WAITLISTED and way is details.attendance]
        key = email_key(details.email)
        known = any(key == address for address, *_ in self.standing)
        if not known:
            self.standing.append((key, details.attendance, status, meanwhile))
        return Admitted(status, meanwhile, len(queue) + 1 if status is WAITLISTED else None, known)

    def standings(self) -> dict[Attendance, Standing]:
        waiting = {way: sum(s is WAITLISTED and w is way for _, w, s, _ in self.standing) for way in Attendance}
        return {way: Standing(self.taken(way) - waiting[way], waiting[way]) for way in Attendance}


def told(verdicts: Sequence[Any]) -> list[Any]:
    """Return verdicts that can be compared."""
    return [v if isinstance(v, Admitted) else (type(v), v.args) for v in verdicts]


@UNHURRIED
@given(seminars, st.lists(people, max_size=8), st.lists(people, max_size=12))
def test_a_batch_is_admitted_as_its_sign_ups_would_be_one_by_one(
    seminar: SeminarSnapshot, before: list[Details], batch: list[Details]
) -> None:
    one_by_one = OneByOne(seminar)
    for details in before:
        one_by_one.sign_up(details)
    known, met = frozenset(address for address, *_ in one_by_one.standing), one_by_one.standings()

    verdicts = admit_all(seminar, batch, known, met, NOW)

    assert told(verdicts) == told([one_by_one.sign_up(details) for details in batch])


@pytest.mark.parametrize(
    ("ours", "kept", "expected"),
    [
        ({"k"}, {}, [type(None), KeyInProgressError]),
        (set(), {}, [KeyInProgressError, KeyInProgressError]),
        ({"k"}, {"k": Kept(Key("k", b"1"), {})}, [Kept, Kept]),
        ({"k"}, {"k": Kept(Key("k", b"2"), {})}, [KeyReusedError, KeyReusedError]),
    ],
)
def test_a_key_is_done_once(ours: set[str], kept: dict[str, Kept], expected: list[type]) -> None:
    settled = settle([None, Key("k", b"1"), Key("k", b"1")], ours, kept)

    assert list(map(type, settled)) == [type(None), *expected]
