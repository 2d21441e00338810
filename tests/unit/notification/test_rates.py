from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notification.rates import Meter, Rates
from tests.factories import UNHURRIED


class Time:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@UNHURRIED
@given(rate=st.floats(0.1, 1000), gaps=st.lists(st.floats(0, 5), max_size=60))
def test_in_no_span_of_time_leave_more_than_the_rate_and_a_seconds_worth(rate: float, gaps: list[float]) -> None:
    time = Time()
    meter, left = Meter(rate, time), []
    for gap in gaps:
        time.now += gap
        left.append(time.now + meter.book(float("inf")))

    for first, begin in enumerate(left):
        for last, end in enumerate(left[first:], first):
            assert last - first + 1 <= rate * (end - begin) + max(rate, 1) + 1e-6


def test_without_a_rate_nobody_waits() -> None:
    assert {Rates(None, None).book("example.org", 1) for _ in range(100)} == {0}


def test_a_domain_that_has_had_its_share_keeps_no_other_waiting() -> None:
    rates = Rates(None, 2, Time())

    assert [rates.book("small.no", 10) for _ in range(4)] == pytest.approx([0, 0, 0.5, 1])
    assert rates.book("other.no", 10) == 0


def test_all_domains_share_the_overall_rate() -> None:
    rates = Rates(2, None, Time())

    assert [rates.book(f"{number}.no", 10) for number in range(4)] == pytest.approx([0, 0, 0.5, 1])


def test_who_is_put_off_takes_no_turn_and_comes_again_when_one_is_free() -> None:
    time = Time()
    rates, waiting, left = Rates(None, 10, time), Counter({time.now: 200}), []
    while waiting:
        time.now = min(waiting)
        for _ in range(waiting.pop(time.now)):
            wait = rates.book("small.no", 2)
            if wait > 2:
                waiting[time.now + wait] += 1
            else:
                left.append(time.now + wait)

    assert len(left) == 200
    assert max(left) - 1000 == pytest.approx(19, abs=2.5), "200 at 10 a second, of which 10 at once"
