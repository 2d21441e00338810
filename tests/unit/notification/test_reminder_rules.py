from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notification.model import AFTER_THE_END, backoff, due_at, schedule, shift
from shared.messages import Attendance, ReminderRule
from tests.snapshots import END, OSLO, START, make_seminar

INSTANTS = st.datetimes(datetime(2022, 1, 1), datetime(2030, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))


def oslo(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=OSLO)


@pytest.mark.parametrize(
    ("start", "duration", "due"),
    [
        ("2023-06-01T10:00", "P1D", "2023-05-31T10:00"),
        ("2023-06-01T10:00", "PT15M", "2023-06-01T09:45"),
        ("2023-03-26T10:00", "P1D", "2023-03-25T10:00"),  # summer time began that night: 23 hours
        ("2023-03-26T10:00", "PT24H", "2023-03-25T09:00"),
        ("2023-10-29T10:00", "P1D", "2023-10-28T10:00"),  # summer time ended that night: 25 hours
        ("2023-10-29T10:00", "PT24H", "2023-10-28T11:00"),
        ("2023-04-02T10:00", "P1W", "2023-03-26T10:00"),
        ("2023-06-01T10:00", "P1DT2H30M", "2023-05-31T07:30"),
    ],
)
def test_days_go_by_the_wall_clock_and_hours_are_exact(start: str, duration: str, due: str) -> None:
    assert shift(oslo(start), duration, -1, "Europe/Oslo") == oslo(due)


@given(INSTANTS, st.integers(0, 60))
def test_a_reminder_some_days_before_is_due_at_the_hour_of_the_start_or_where_that_is_skipped_an_hour_off(
    start: datetime, days: int
) -> None:
    due = shift(start, f"P{days}D", -1, "Europe/Oslo").astimezone(OSLO)
    local = start.astimezone(OSLO)

    assert due.date() == local.date() - timedelta(days=days)
    assert abs(due.replace(tzinfo=None) - (local - timedelta(days=days)).replace(tzinfo=None)) <= timedelta(hours=1)


@given(INSTANTS, st.integers(0, 100), st.integers(0, 3000))
def test_hours_and_minutes_are_exact_whatever_the_clocks_do(start: datetime, hours: int, minutes: int) -> None:
    assert start - shift(start, f"PT{hours}H{minutes}M", -1, "Europe/Oslo") == timedelta(hours=hours, minutes=minutes)


def test_a_rule_expires_at_the_next_ones_moment_for_the_same_people_and_the_last_at_the_start() -> None:
    rules = {(rule.rule, rule.attendance): rule for rule in schedule(make_seminar())}

    quarter_before = START - timedelta(minutes=15)
    assert rules["before_start P1D", Attendance.ONLINE].expires_at == quarter_before
    assert rules["before_start P1D", Attendance.IN_PERSON].expires_at == START
    assert rules["before_start PT15M", Attendance.ONLINE].expires_at == START
    assert len(rules) == 3


def test_a_rule_after_the_end_is_worth_reading_for_a_week() -> None:
    (rule,) = schedule(make_seminar(reminders=(ReminderRule(after_end="PT2H", attendance=(Attendance.ONLINE,)),)))

    assert (rule.due_at, rule.expires_at) == (END + timedelta(hours=2), END + timedelta(hours=2) + AFTER_THE_END)


def test_a_rule_can_name_its_instant() -> None:
    instant = START - timedelta(days=3)

    assert due_at(ReminderRule(at=instant, attendance=tuple(Attendance)), make_seminar()) == instant


@given(INSTANTS, st.lists(st.integers(1, 20_000), unique=True, max_size=6))
def test_no_rule_before_the_start_outlives_the_start_and_none_expires_before_it_is_due(
    start: datetime, minutes: list[int]
) -> None:
    rules = tuple(ReminderRule(before_start=f"PT{count}M", attendance=tuple(Attendance)) for count in minutes)

    for rule in schedule(make_seminar(start=start, end=start + timedelta(hours=3), reminders=rules)):
        assert rule.due_at < rule.expires_at <= start


def test_attempts_lie_further_and_further_apart_up_to_a_quarter_of_an_hour() -> None:
    delays = [backoff(attempt) for attempt in range(1, 100)]

    assert delays == sorted(delays)
    assert (delays[0], delays[-1]) == (5, 900)


def test_zones_other_than_oslos_are_kept_to() -> None:
    start = datetime(2023, 3, 12, 10, 0, tzinfo=ZoneInfo("America/New_York"))  # the night summer time began there

    assert start.astimezone(UTC) - shift(start, "P1D", -1, "America/New_York") == timedelta(hours=23)


def test_a_reminder_that_says_that_it_starts_now_is_worth_reading_until_the_end() -> None:
    now = ReminderRule(before_start="PT0M", attendance=(Attendance.ONLINE,))
    soon = ReminderRule(before_start="PT15M", attendance=(Attendance.ONLINE,))

    moments = schedule(make_seminar(reminders=(soon, now)))

    assert [(rule.due_at, rule.expires_at) for rule in moments] == [
        (START - timedelta(minutes=15), START),
        (START, END),
    ]
