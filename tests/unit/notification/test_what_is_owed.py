from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notification.model import Claimed, Kind, State, close, owed
from shared.messages import Attendance, RegistrationSnapshot, RegistrationStatus
from tests.snapshots import BEGINNING, END, START, make_registration, make_seminar

CONFIRMED, WAITLISTED, CANCELLED = RegistrationStatus
IN_PERSON, ONLINE = Attendance
STANDINGS = st.builds(
    make_registration, status=st.sampled_from(RegistrationStatus), attendance=st.sampled_from(Attendance)
)


def standing(status: RegistrationStatus, attendance: Attendance = IN_PERSON, **overrides: Any) -> RegistrationSnapshot:
    return make_registration(**{"email": "kari@example.no"} | overrides, status=status, attendance=attendance)


@pytest.mark.parametrize(
    ("told", "now", "kind"),
    [
        (None, standing(CONFIRMED), Kind.CONFIRMATION),
        (None, standing(WAITLISTED), Kind.WAITING_LIST),
        (None, standing(CANCELLED), Kind.CANCELLED),
        (standing(WAITLISTED), standing(CONFIRMED), Kind.PROMOTED),
        (standing(WAITLISTED), standing(CONFIRMED, ONLINE), Kind.SWITCHED),
        (standing(CONFIRMED), standing(CONFIRMED, ONLINE), Kind.SWITCHED),
        (standing(CONFIRMED), standing(CANCELLED), Kind.CANCELLED),
        (standing(WAITLISTED), standing(CANCELLED), Kind.CANCELLED),
        (standing(CONFIRMED), standing(CONFIRMED), Kind.CHANGED),
        (standing(WAITLISTED), standing(WAITLISTED), Kind.CHANGED),
        (standing(CONFIRMED), standing(CONFIRMED, checked_in_at=START), None),
        (standing(CONFIRMED, checked_in_at=START), standing(CONFIRMED), None),
        (standing(CANCELLED), standing(CANCELLED), None),
        (standing(WAITLISTED), standing(CONFIRMED, ONLINE, cause="cut_off"), Kind.CUT_OFF),
        (standing(WAITLISTED), standing(WAITLISTED, cause="cut_off"), Kind.CUT_OFF),
        (standing(WAITLISTED, cause="cut_off"), standing(CONFIRMED, ONLINE), Kind.SWITCHED),
        (None, standing(CONFIRMED, ONLINE, cause="cut_off"), Kind.CONFIRMATION),
    ],
)
def test_what_is_owed_is_the_way_from_what_was_told_to_how_it_stands(
    told: RegistrationSnapshot | None, now: RegistrationSnapshot, kind: Kind | None
) -> None:
    assert owed(told, now) is kind


@pytest.mark.parametrize(("status", "kind"), [(CONFIRMED, Kind.CONFIRMATION), (WAITLISTED, Kind.WAITING_LIST)])
def test_whoever_reads_at_a_corrected_address_is_told_all_anew(status: RegistrationStatus, kind: Kind) -> None:
    assert owed(standing(status, email="wrong@example.no"), standing(status)) is kind


@given(STANDINGS)
def test_whoever_is_seen_to_come_is_told_nothing_they_know(now: RegistrationSnapshot) -> None:
    assert owed(now, now.model_copy(update={"version": 2, "checked_in_at": START})) is None


def make_claimed(**overrides: Any) -> Claimed:
    values: dict[str, Any] = {
        "kind": Kind.REMINDER,
        "generation": 1,
        "attempts": 1,
        "registration": make_registration(),
        "seminar": make_seminar(),
        "noticed": 0,
        "unsubscribed": False,
        "suppressed": False,
        "rule_generation": 1,
        "rule_due_at": START - timedelta(days=1),
        "rule_expires_at": START - timedelta(minutes=15),
    }
    return Claimed(**values | overrides)


DUE = START - timedelta(days=1)


@pytest.mark.parametrize(
    ("overrides", "now", "state"),
    [
        ({}, DUE, None),
        ({"registration": make_registration(status=CANCELLED)}, DUE, State.SKIPPED),
        ({"registration": make_registration(status=WAITLISTED)}, DUE, State.SKIPPED),
        ({"registration": make_registration(confirmed_at=DUE + timedelta(seconds=1))}, DUE, State.COVERED),
        ({"rule_generation": 2}, DUE, State.SUPERSEDED),
        ({"rule_generation": None, "rule_due_at": None, "rule_expires_at": None}, DUE, State.SUPERSEDED),
        ({"unsubscribed": True}, DUE, State.SKIPPED),
        ({"suppressed": True}, DUE, State.SKIPPED),
        ({"seminar": make_seminar(status="cancelled")}, DUE, State.SKIPPED),
        ({}, START - timedelta(minutes=15), State.SUPERSEDED),
        ({"attempts": 2}, START - timedelta(minutes=15), State.FAILED),
        ({"rule_expires_at": START}, START, State.SKIPPED),
    ],
)
def test_a_reminder_leaves_only_while_everything_still_speaks_for_it(
    overrides: dict[str, Any], now: datetime, state: State | None
) -> None:
    verdict = close(make_claimed(**overrides), now)

    assert (verdict and verdict.state) == state


@given(
    st.builds(
        make_claimed,
        registration=STANDINGS,
        generation=st.integers(1, 3),
        attempts=st.integers(1, 3),
        rule_generation=st.none() | st.integers(1, 3),
        unsubscribed=st.booleans(),
        suppressed=st.booleans(),
        seminar=st.sampled_from([make_seminar(), make_seminar(status="cancelled")]),
    ),
    st.datetimes(datetime(2023, 5, 20), datetime(2023, 6, 5)),
)
def test_a_reminder_never_leaves_late_or_to_whom_it_does_not_concern(email: Claimed, moment: datetime) -> None:
    now = moment.replace(tzinfo=BEGINNING.tzinfo)

    if close(email, now) is None:
        assert now < START
        assert email.registration.status is CONFIRMED
        assert email.seminar.status == "published"
        assert email.generation == email.rule_generation
        assert not email.unsubscribed
        assert not email.suppressed


@pytest.mark.parametrize(
    ("kind", "registration", "state"),
    [
        (Kind.CONFIRMATION, standing(CONFIRMED), None),
        (Kind.CONFIRMATION, standing(CANCELLED), State.SUPERSEDED),
        (Kind.WAITING_LIST, standing(CONFIRMED), State.SUPERSEDED),
        (Kind.PROMOTED, standing(CANCELLED), State.SUPERSEDED),
        (Kind.CANCELLED, standing(CANCELLED), None),
        (Kind.LINK_AGAIN, standing(WAITLISTED), None),
        (Kind.LINK_AGAIN, standing(CANCELLED), State.SKIPPED),
        (Kind.SEMINAR_CANCELLED, standing(CANCELLED), State.SKIPPED),
        (Kind.CHANGED, standing(WAITLISTED), None),
        (Kind.CHANGED, standing(CANCELLED), State.SUPERSEDED),
        (Kind.CUT_OFF, standing(CONFIRMED, ONLINE), None),
        (Kind.CUT_OFF, standing(CANCELLED), State.SUPERSEDED),
        (Kind.SEMINAR_CHANGED, standing(CONFIRMED), State.SUPERSEDED),
        (Kind.RECORDING, standing(CONFIRMED), State.SUPERSEDED),
        (Kind.RECORDING, standing(WAITLISTED), State.SKIPPED),
    ],
)
def test_other_e_mails_leave_while_they_are_true(
    kind: Kind, registration: RegistrationSnapshot, state: State | None
) -> None:
    verdict = close(make_claimed(kind=kind, registration=registration), DUE)

    assert (verdict and verdict.state) == state


RECORDED = make_seminar(recorded=True)


@pytest.mark.parametrize(
    ("overrides", "state"),
    [
        ({}, None),
        ({"attempts": 500}, None),
        ({"attempts": 501}, State.FAILED),
        ({"unsubscribed": True}, State.SKIPPED),
        ({"registration": standing(CANCELLED)}, State.SKIPPED),
    ],
)
def test_a_recording_is_told_of_after_the_end_to_those_who_were_there_until_nobody_takes_it(
    overrides: dict[str, Any], state: State | None
) -> None:
    verdict = close(make_claimed(kind=Kind.RECORDING, seminar=RECORDED, **overrides), END + timedelta(days=30))

    assert (verdict and verdict.state) == state


def test_news_is_told_as_it_stands_last() -> None:
    assert close(make_claimed(kind=Kind.SEMINAR_CHANGED, generation=2, noticed=2), DUE) is None
    verdict = close(make_claimed(kind=Kind.SEMINAR_CHANGED, generation=2, noticed=3), DUE)

    assert verdict
    assert verdict.state is State.SUPERSEDED


def test_a_cancelled_seminar_is_told_of_to_who_has_unsubscribed_too() -> None:
    cancelled = make_seminar(status="cancelled")

    assert close(make_claimed(kind=Kind.SEMINAR_CANCELLED, seminar=cancelled, unsubscribed=True), DUE) is None


def test_after_the_end_only_a_cancellation_is_still_confirmed() -> None:
    gone = standing(CANCELLED)

    assert close(make_claimed(kind=Kind.CANCELLED, registration=gone), END) is None
    verdict = close(make_claimed(kind=Kind.CONFIRMATION), END)
    assert verdict is not None
    assert verdict.state is State.FAILED
