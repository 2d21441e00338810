import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import clock as clocks
from shared.clock import Clock, ClockMovedBackwardsError, MovableClock, SystemClock
from tests.factories import NOW, UNHURRIED, eventually

MOMENT = timedelta(milliseconds=30)
DAY = timedelta(days=1)

both_clocks = pytest.mark.parametrize("make_clock", [SystemClock, MovableClock])


def make_sleeper(clock: Clock, moment: datetime) -> asyncio.Task[None]:
    return asyncio.create_task(clock.sleep_until(moment))


async def asleep(*sleepers: asyncio.Task[None]) -> bool:
    """Say whether all still sleep after having had every chance to wake."""
    for _ in range(10):
        await asyncio.sleep(0)
    return not any(sleeper.done() for sleeper in sleepers)


async def woken(*sleepers: asyncio.Task[None]) -> None:
    async with asyncio.timeout(1):
        await asyncio.gather(*sleepers)


@both_clocks
def test_an_unmoved_clock_tells_the_instant_in_utc(make_clock: Callable[[], Clock]) -> None:
    before = datetime.now(UTC)

    told = make_clock().now()

    assert before <= told <= datetime.now(UTC)
    assert told.tzinfo is UTC


@both_clocks
async def test_who_sleeps_until_a_moment_wakes_when_it_is_reached_and_not_before(
    make_clock: Callable[[], Clock],
) -> None:
    clock = make_clock()
    moment = clock.now() + MOMENT

    async with asyncio.timeout(1):
        await clock.sleep_until(moment)

    assert clock.now() >= moment


@both_clocks
async def test_a_moment_that_has_passed_is_not_waited_for(make_clock: Callable[[], Clock]) -> None:
    clock = make_clock()

    async with asyncio.timeout(1):
        await clock.sleep_until(clock.now() - DAY)


async def test_a_sleeper_notices_that_the_system_clock_was_stepped(monkeypatch: pytest.MonkeyPatch) -> None:
    class SteppedClock(SystemClock):
        step = timedelta()

        def now(self) -> datetime:
            return super().now() + self.step

    monkeypatch.setattr(clocks, "LONGEST_NAP", 0.01)
    clock = SteppedClock()
    sleeper = make_sleeper(clock, clock.now() + DAY)
    assert await asleep(sleeper)

    clock.step = DAY

    await woken(sleeper)


async def test_a_jump_wakes_all_whose_moment_it_reaches() -> None:
    clock = MovableClock()
    sleepers = [make_sleeper(clock, clock.now() + days * DAY) for days in (1, 2, 3)]
    assert await asleep(*sleepers)

    clock.move_to(clock.now() + 4 * DAY)

    await woken(*sleepers)


async def test_a_jump_that_falls_short_leaves_the_sleeper_for_the_next_one() -> None:
    clock = MovableClock()
    start = clock.now()
    sleeper = make_sleeper(clock, start + 2 * DAY)
    assert await asleep(sleeper)

    clock.move_to(start + DAY)

    assert await asleep(sleeper)
    clock.move_to(start + 2 * DAY)
    await woken(sleeper)


async def test_a_sleeper_that_looks_again_after_a_nap_still_wakes_by_a_jump(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "LONGEST_NAP", 0.001)
    looks = 0

    class Counting(MovableClock):
        def now(self) -> datetime:
            nonlocal looks
            looks += 1
            return super().now()

    clock = Counting()
    sleeper = make_sleeper(clock, clock.now() + DAY)
    await eventually(lambda: looks > 5)

    clock.move_to(clock.now() + 2 * DAY)

    await woken(sleeper)


def test_a_moved_clock_tells_where_it_was_moved_to_and_ticks_on() -> None:
    clock = MovableClock()
    goal = clock.now() + 400 * DAY

    clock.move_to(goal)

    first = clock.now()
    assert goal <= first < goal + timedelta(minutes=1)
    while clock.now() == first:  # a tick is at most a microsecond away
        pass
    assert clock.now() > first


def test_a_clock_that_starts_with_an_offset_tells_that_instant() -> None:
    clock = MovableClock(NOW - datetime.now(UTC))

    assert NOW <= clock.now() < NOW + timedelta(minutes=1)


def test_a_clock_that_is_asked_to_go_backwards_refuses_and_goes_on_from_where_it_was() -> None:
    clock = MovableClock()
    clock.move_to(clock.now() + DAY)
    stood = clock.offset

    with pytest.raises(ClockMovedBackwardsError):
        clock.move_to(clock.now() - timedelta(microseconds=1))

    assert clock.offset == stood


@UNHURRIED
@given(st.lists(st.timedeltas(timedelta(), timedelta(days=400)), max_size=8))
def test_time_never_goes_back_whatever_the_jumps(jumps: list[timedelta]) -> None:
    clock = MovableClock()
    told = [clock.now()]

    for jump in jumps:
        clock.move_to(told[-1] + jump + timedelta(seconds=1))
        told.append(clock.now())

    assert told == sorted(told)
    assert told[-1] - told[0] >= sum(jumps, timedelta())
