from datetime import timedelta

from services.notification.model import QUIET, KeptRule, Kind, Notice, RuleState, consequences
from shared.messages import Attendance, ReminderRule, SeminarSnapshot
from tests.snapshots import BEGINNING, END, START, make_seminar

LATER = timedelta(days=7)
MOVED = make_seminar(revision=2, start=START + LATER, end=END + LATER)


def kept(seminar: SeminarSnapshot) -> list[KeptRule]:
    return consequences(None, seminar, [], BEGINNING).rules


def test_a_new_seminars_reminders_are_scheduled_and_nobody_is_told() -> None:
    follows = consequences(None, make_seminar(), [], BEGINNING)

    assert {(rule.generation, rule.state) for rule in follows.rules} == {(1, RuleState.SCHEDULED)}
    assert (follows.moved, follows.notice) == (False, None)


def test_what_was_learnt_of_late_is_still_sent_to_those_who_have_waited_for_it() -> None:
    late = consequences(None, make_seminar(), [], START - timedelta(hours=1))

    assert {rule.state for rule in late.rules} == {RuleState.SCHEDULED}


def test_a_moved_seminar_has_reminders_of_a_new_generation_and_is_told_of_after_a_while() -> None:
    follows = consequences(make_seminar(), MOVED, kept(make_seminar()), BEGINNING)

    assert {(rule.generation, rule.state) for rule in follows.rules} == {(2, RuleState.SCHEDULED)}
    assert follows.notice == Notice(Kind.SEMINAR_MOVED, BEGINNING + QUIET)


def test_a_moment_that_is_past_when_it_is_set_is_born_closed() -> None:
    now = START - timedelta(days=2)
    added = ReminderRule(before_start="P3D", attendance=(Attendance.ONLINE,))
    follows = consequences(make_seminar(reminders=()), make_seminar(revision=2, reminders=(added,)), [], now)

    assert [(rule.rule, rule.state) for rule in follows.rules] == [("before_start P3D", RuleState.CLOSED)]


def test_what_has_been_written_is_not_written_again_for_a_new_title() -> None:
    before = [rule._replace(state=RuleState.MATERIALISED) for rule in kept(make_seminar())]

    follows = consequences(make_seminar(), make_seminar(revision=2, title="Planstrategi 5.0"), before, START)

    assert follows == (False, before, None)


def test_a_rule_that_is_gone_is_closed_and_one_that_comes_back_in_time_begins_anew() -> None:
    without = make_seminar(revision=2, reminders=())

    gone = consequences(make_seminar(), without, kept(make_seminar()), BEGINNING).rules
    back = consequences(without, make_seminar(revision=3), gone, BEGINNING).rules

    assert {(rule.generation, rule.state) for rule in gone} == {(2, RuleState.CLOSED)}
    assert {(rule.generation, rule.state) for rule in back} == {(3, RuleState.SCHEDULED)}


def test_a_rule_that_stays_away_is_left_as_it_is() -> None:
    without = make_seminar(revision=2, reminders=())
    gone = consequences(make_seminar(), without, kept(make_seminar()), BEGINNING).rules

    assert consequences(without, make_seminar(revision=3, reminders=()), gone, BEGINNING).rules == gone


def test_a_cancelled_seminar_reminds_nobody_and_is_told_of_at_once_and_once() -> None:
    cancelled = MOVED.model_copy(update={"status": "cancelled"})
    follows = consequences(make_seminar(), cancelled, kept(make_seminar()), BEGINNING)

    assert {rule.state for rule in follows.rules} == {RuleState.CLOSED}
    assert follows.notice == Notice(Kind.SEMINAR_CANCELLED, BEGINNING)
    assert consequences(cancelled, cancelled, follows.rules, BEGINNING).notice is None


def test_two_rules_of_one_name_are_one() -> None:
    twice = make_seminar(reminders=make_seminar().reminders * 2)

    assert kept(twice) == kept(make_seminar())
