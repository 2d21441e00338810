from datetime import time, timedelta
from typing import Any

import pytest

from services.notification.model import QUIET, Kept, KeptRule, Kind, Notice, RuleState, consequences, news
from shared.messages import Attendance, Block, ReminderRule, SeminarSnapshot, Venue
from tests.snapshots import BEGINNING, END, START, make_seminar

LATER = timedelta(days=7)
MOVED = make_seminar(revision=2, start=START + LATER, end=END + LATER)


def kept(seminar: SeminarSnapshot) -> list[KeptRule]:
    return consequences(None, seminar, [], BEGINNING).rules


STOOD = Kept(make_seminar())


def test_a_new_seminars_reminders_are_scheduled_and_nobody_is_told() -> None:
    follows = consequences(None, make_seminar(), [], BEGINNING)

    assert {(rule.generation, rule.state) for rule in follows.rules} == {(1, RuleState.SCHEDULED)}
    assert (follows.kept, follows.notice) == (STOOD, None)


def test_what_was_learnt_of_late_is_still_sent_to_those_who_have_waited_for_it() -> None:
    late = consequences(None, make_seminar(), [], START - timedelta(hours=1))

    assert {rule.state for rule in late.rules} == {RuleState.SCHEDULED}


def test_a_moved_seminar_has_reminders_of_a_new_generation_and_is_told_of_after_a_while() -> None:
    follows = consequences(STOOD, MOVED, kept(make_seminar()), BEGINNING)

    assert {(rule.generation, rule.state) for rule in follows.rules} == {(2, RuleState.SCHEDULED)}
    assert follows.notice == Notice(Kind.SEMINAR_MOVED, BEGINNING + QUIET, 2)


def test_a_moment_that_is_past_when_it_is_set_is_born_closed() -> None:
    now = START - timedelta(days=2)
    added = ReminderRule(before_start="P3D", attendance=(Attendance.ONLINE,))
    follows = consequences(Kept(make_seminar(reminders=())), make_seminar(revision=2, reminders=(added,)), [], now)

    assert [(rule.rule, rule.state) for rule in follows.rules] == [("before_start P3D", RuleState.CLOSED)]


def test_what_has_been_written_is_not_written_again_for_a_new_title() -> None:
    before = [rule._replace(state=RuleState.MATERIALISED) for rule in kept(make_seminar())]

    follows = consequences(STOOD, make_seminar(revision=2, title="Planstrategi 5.0"), before, START)

    assert follows.rules == before


def test_a_rule_that_is_gone_is_closed_and_one_that_comes_back_in_time_begins_anew() -> None:
    without = make_seminar(revision=2, reminders=())

    gone = consequences(STOOD, without, kept(make_seminar()), BEGINNING).rules
    back = consequences(Kept(without), make_seminar(revision=3), gone, BEGINNING).rules

    assert {(rule.generation, rule.state) for rule in gone} == {(2, RuleState.CLOSED)}
    assert {(rule.generation, rule.state) for rule in back} == {(3, RuleState.SCHEDULED)}


def test_a_rule_that_stays_away_is_left_as_it_is() -> None:
    without = make_seminar(revision=2, reminders=())
    gone = consequences(STOOD, without, kept(make_seminar()), BEGINNING).rules

    assert consequences(Kept(without), make_seminar(revision=3, reminders=()), gone, BEGINNING).rules == gone


def test_a_cancelled_seminar_reminds_nobody_and_is_told_of_at_once_and_once() -> None:
    cancelled = MOVED.model_copy(update={"status": "cancelled"})
    follows = consequences(STOOD, cancelled, kept(make_seminar()), BEGINNING)

    assert {rule.state for rule in follows.rules} == {RuleState.CLOSED}
    assert follows.notice == Notice(Kind.SEMINAR_CANCELLED, BEGINNING, 2)
    assert consequences(follows.kept, cancelled, follows.rules, BEGINNING).notice is None


def test_two_rules_of_one_name_are_one() -> None:
    twice = make_seminar(reminders=make_seminar().reminders * 2)

    assert kept(twice) == kept(make_seminar())


# --- what people are told of a change ---

BLOCK = Block(start=time(10), end=time(11), title="Velkommen")
AFTER = END + timedelta(hours=1)


@pytest.mark.parametrize(
    ("before", "after", "now", "kind"),
    [
        ({}, {"start": START + timedelta(minutes=30)}, BEGINNING, Kind.SEMINAR_MOVED),
        ({}, {"venue": Venue(name="Akersgata 40", address="Akersgata 40, Oslo")}, BEGINNING, Kind.SEMINAR_MOVED),
        ({}, {"title": "Planstrategi 5.0"}, BEGINNING, Kind.SEMINAR_CHANGED),
        ({}, {"programme": (BLOCK,)}, BEGINNING, Kind.SEMINAR_CHANGED),
        ({"stream_access": "public"}, {"stream_access": "registered"}, BEGINNING, Kind.SEMINAR_CHANGED),
        ({}, {"stream_access": "public"}, BEGINNING, None),
        ({"programme": (BLOCK,)}, {"programme": (BLOCK.model_copy(update={"title": "Hei"}),)}, BEGINNING, None),
        ({}, {"serving": "Kaffe", "summary": "Mer om det", "reminders": ()}, BEGINNING, None),
        ({}, {"status": "cancelled"}, BEGINNING, Kind.SEMINAR_CANCELLED),
        ({"status": "cancelled"}, {"status": "cancelled", "title": "Avlyst"}, BEGINNING, None),
        ({}, {"recorded": True}, BEGINNING, None),
        ({}, {"recorded": True}, AFTER, Kind.RECORDING),
        ({"recorded": True}, {"recorded": True}, AFTER, None),
        ({}, {"title": "Planstrategi 5.0"}, AFTER, None),
    ],
)
def test_people_are_told_of_what_they_have_planned_by(
    before: dict[str, Any], after: dict[str, Any], now: Any, kind: Kind | None
) -> None:
    assert news(make_seminar(**before), make_seminar(revision=2, **before | after), now) is kind


def learn(known: Kept, now: Any, **changes: Any) -> Kept:
    seminar = known.seminar.model_copy(update={"revision": known.seminar.revision + 1, **changes})
    return consequences(known, seminar, [], now).kept


def test_two_changes_in_quick_succession_are_told_of_as_one() -> None:
    moved = learn(STOOD, BEGINNING, start=START + LATER, end=END + LATER)
    renamed = learn(moved, BEGINNING + QUIET / 2, title="Planstrategi 5.0")

    assert renamed.notice == Notice(Kind.SEMINAR_MOVED, BEGINNING + 1.5 * QUIET, 3)


def test_two_changes_with_time_between_them_are_told_of_each_by_itself() -> None:
    moved = learn(STOOD, BEGINNING, start=START + LATER, end=END + LATER)
    renamed = learn(moved, BEGINNING + QUIET, title="Planstrategi 5.0")

    assert renamed.notice == Notice(Kind.SEMINAR_CHANGED, BEGINNING + 2 * QUIET, 3)


def test_a_change_that_is_undone_at_once_is_not_told_of() -> None:
    moved = learn(STOOD, BEGINNING, start=START + LATER, end=END + LATER)
    back = learn(moved, BEGINNING + QUIET / 2, start=START, end=END)

    assert back.notice is None


def test_what_nobody_plans_by_neither_ends_nor_prolongs_the_wait_of_a_notice() -> None:
    moved = learn(STOOD, BEGINNING, start=START + LATER, end=END + LATER)
    served = learn(moved, BEGINNING + QUIET / 2, serving="Kaffe")

    assert served == moved._replace(seminar=served.seminar)
