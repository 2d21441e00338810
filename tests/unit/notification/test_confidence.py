"""What the organisers' board says, for each case that there is."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from services.notification.confidence import (
    Case,
    Colour,
    Health,
    Moment,
    Reminded,
    Verdict,
    judge,
    moments,
    outcome,
    trouble,
)
from services.notification.model import RuleState
from shared.messages import Attendance
from tests.snapshots import BEGINNING, START

NOW = START - timedelta(days=2)
DAY_BEFORE = START - timedelta(days=1)
SOUND = Health(alive=2, resting=0, unseen=3.0, stands=False, unwritten=False, accepted=40, refused=0, reply="250 taken")
PAST = NOW - timedelta(hours=1)


def make_reminded(**overrides: Any) -> Reminded:
    sound: dict[str, Any] = {
        "rule": "before_start P1D",
        "attendance": Attendance.ONLINE,
        "due_at": DAY_BEFORE,
        "state": RuleState.SCHEDULED,
        "people": Counter(waiting=214),
    }
    return Reminded(**sound | overrides)


def judged(*rules: Reminded, health: Health = SOUND, cancelled: bool = False, over: bool = False) -> Verdict:
    return judge(health, moments(rules), NOW, cancelled=cancelled, over=over)


def made(**people: int) -> Moment:
    return Moment(PAST, (make_reminded(due_at=PAST, state=RuleState.MATERIALISED, people=Counter(people)),))


def test_all_reminders_of_the_next_moment_will_go_out() -> None:
    in_person = make_reminded(attendance=Attendance.IN_PERSON, people=Counter(waiting=40))
    later = make_reminded(rule="before_start PT15M", due_at=START, people=Counter(waiting=99))

    verdict = judged(later, make_reminded(people=Counter(waiting=174, unsubscribed=3, covered=1)), in_person)

    assert verdict == Verdict(Case.ALL_WILL, DAY_BEFORE, 214)
    assert verdict.colour is Colour.GOOD


def test_addresses_that_take_no_e_mail_are_said_before_the_moment() -> None:
    verdict = judged(make_reminded(people=Counter(waiting=213, suppressed=1)))

    assert verdict == Verdict(Case.SOME_WILL, DAY_BEFORE, 213, 1)
    assert verdict.colour is Colour.WARNING


@pytest.mark.parametrize("unseen", [None, 31.0])
def test_without_a_sender_it_is_red_before_the_moment(unseen: float | None) -> None:
    verdict = judged(make_reminded(), health=SOUND._replace(alive=0, unseen=unseen))

    assert verdict == Verdict(Case.NO_SENDER, unseen=unseen)
    assert verdict.colour is Colour.BAD


@pytest.mark.parametrize("how", [{"stands": True}, {"unwritten": True}])
def test_when_the_queue_stands_it_is_red_before_the_moment(how: dict[str, Any]) -> None:
    verdict = judged(make_reminded(), health=SOUND._replace(**how))

    assert (verdict.case, verdict.colour) == (Case.STANDS, Colour.BAD)


@pytest.mark.parametrize("how", [{"resting": 2}, {"refused": 41}, {"accepted": 0, "refused": 3}])
def test_when_the_mail_server_refuses_it_is_red_with_its_answer(how: dict[str, Any]) -> None:
    verdict = judged(make_reminded(), health=SOUND._replace(**how, reply="451 later"))

    assert (verdict.case, verdict.colour, verdict.reply) == (Case.REFUSED, Colour.BAD, "451 later")


@pytest.mark.parametrize("how", [{"resting": 1}, {"refused": 39}, {"accepted": 0, "refused": 2}])
def test_a_few_refusals_are_the_addresses_own_fault(how: dict[str, Any]) -> None:
    assert trouble(SOUND._replace(**how)) is None


def test_that_sending_stands_no_longer_matters_when_all_is_over() -> None:
    dead = SOUND._replace(alive=0)
    past = make_reminded(due_at=PAST, state=RuleState.MATERIALISED, people=Counter(sent=214))

    assert judged(past, health=dead, over=True) == Verdict(Case.ALL_SENT, PAST, 214)
    assert judged(past, health=dead, over=False).case is Case.NO_SENDER


def test_what_is_leaving_now_is_said_before_what_comes_next() -> None:
    leaving = make_reminded(due_at=PAST, state=RuleState.MATERIALISED, people=Counter(sent=150, waiting=64))

    assert judged(make_reminded(), leaving) == Verdict(Case.UNDER_WAY, PAST, 150, 64)
    assert judged(leaving, health=SOUND._replace(alive=0), over=True).case is Case.NO_SENDER


def test_after_the_last_moment_the_board_says_what_came_of_it() -> None:
    earlier = make_reminded(due_at=BEGINNING, state=RuleState.MATERIALISED, people=Counter(sent=9))
    last = make_reminded(due_at=PAST, state=RuleState.MATERIALISED, people=Counter(sent=214, failed=1, bounced=1))

    assert judged(earlier, last) == Verdict(Case.SOME_SENT, PAST, 214, 2)


def test_a_cancelled_seminar_sends_no_reminders() -> None:
    assert judged(make_reminded(state=RuleState.CLOSED), cancelled=True) == Verdict(Case.CANCELLED)


def test_a_seminar_without_reminders_is_no_trouble() -> None:
    assert judged() == judged(make_reminded(state=RuleState.CLOSED)) == Verdict(Case.NO_REMINDERS)
    assert judged().colour is Colour.NEUTRAL


@pytest.mark.parametrize(
    ("people", "case", "number", "others"),
    [
        ({"sent": 214, "covered": 3, "unsubscribed": 2, "others": 1}, Case.ALL_SENT, 214, 0),
        ({"sent": 214, "failed": 1, "bounced": 1, "suppressed": 1}, Case.SOME_SENT, 214, 3),
        ({"sent": 3, "waiting": 2, "failed": 1}, Case.UNDER_WAY, 3, 2),
        ({"covered": 3}, Case.WAS_FOR_NOBODY, 0, 0),
    ],
)
def test_a_past_moment_is_told_by_how_its_people_stand(
    people: dict[str, int], case: Case, number: int, others: int
) -> None:
    assert outcome(made(**people), NOW) == Verdict(case, PAST, number, others)


def test_a_moment_to_come_may_have_nobody_yet_and_a_closed_one_has_nobody_ever() -> None:
    nobody, closed = make_reminded(people=Counter()), make_reminded(state=RuleState.CLOSED, people=Counter(others=4))

    assert outcome(Moment(DAY_BEFORE, (nobody,)), NOW) == Verdict(Case.FOR_NOBODY, DAY_BEFORE)
    assert outcome(Moment(DAY_BEFORE, (closed,)), NOW) == Verdict(Case.CLOSED, DAY_BEFORE)
