"""How much is too much, by a clock that the test holds in its hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.limits import OFF, Limit, Limits, Meter, read_limits
from shared.web.limiting import OWN_TRIES, Limiter

NOW = 1_000_000.3  # seconds
HOUR = 3600.0
LIMITED = read_limits("address:5/1h,exempt:127.0.0.1")


def admitted(limiter: Limiter, requests: int, within: float) -> int:
    """Return how many of so many requests from one address, spread evenly, are let through."""
    return sum(not limiter.client("192.0.2.1", NOW + number * within / requests) for number in range(requests))


# --- a meter ---


@given(st.integers(1, 1000), st.integers(1, 100_000))
def test_so_many_are_let_through_at_once_and_the_next_after_an_interval(number: int, seconds: int) -> None:
    meter = Meter(Limit(number, seconds))

    assert [meter.take("here", NOW) for _ in range(number)] == [0] * number
    wait = meter.take("here", NOW)
    assert wait == pytest.approx(seconds / number, abs=1e-4)
    assert meter.take("here", NOW + wait) == 0


@given(st.lists(st.floats(0, 100), max_size=200))
def test_of_any_requests_no_more_are_let_through_than_a_full_measure_and_what_comes_to_it(pauses: list[float]) -> None:
    meter, now, taken = Meter(Limit(10, 100)), NOW, 0
    for pause in pauses:
        now += pause
        taken += not meter.take("here", now)

    assert taken <= 10 + (now - NOW) / 10 + 1e-3


def test_one_who_is_refused_waits_no_longer_for_having_asked() -> None:
    meter = Meter(Limit(2, HOUR))
    waits = [meter.take("here", NOW) for _ in range(100)]

    assert waits[2] == waits[99] > 0
    assert meter.take("here", NOW + HOUR / 2 + 1) == 0


def test_what_is_counted_beyond_the_limit_makes_no_wait_longer_than_an_interval() -> None:
    meter = Meter(Limit(2, HOUR))
    for _ in range(100):
        meter.count("here", NOW)

    assert meter.wait("here", NOW) == HOUR / 2


def test_each_is_counted_alone() -> None:
    meter = Meter(Limit(1, HOUR))
    meter.take("here", NOW)

    assert meter.take("here", NOW) > 0
    assert meter.take("there", NOW) == 0


def test_no_more_are_remembered_than_there_is_room_for_and_those_who_press_on_are_not_forgotten() -> None:
    meter = Meter(Limit(1, HOUR), keys=10)
    meter.take("flood", NOW)
    for number in range(100):
        meter.take(str(number), NOW)

        assert meter.take("flood", NOW) > 0
    assert len(meter._busy) == 10
    assert meter.wait("50", NOW) == 0


# --- what is let through by default ---


def test_a_municipality_behind_one_address_signs_up_and_a_script_does_not() -> None:
    assert admitted(Limiter(Limits()), 300, within=600) == 300
    assert admitted(Limiter(Limits()), 300, within=1) == 300
    assert admitted(Limiter(Limits()), 10_000, within=600) <= 1200
    assert admitted(Limiter(Limits()), 10_000, within=1) <= 601


def test_an_address_is_signed_up_a_few_times_an_hour_from_wherever_it_is_asked() -> None:
    limiter = Limiter(LIMITED)
    attempts = [limiter.address(text, "192.0.2.1", NOW) for text in 3 * ["kari@example.org", " Kari@EXAMPLE.org"]]

    assert [wait > 0 for wait in attempts] == [False] * 5 + [True]
    assert attempts[5] == pytest.approx(HOUR / 5)
    assert limiter.address("ola@example.org", "192.0.2.1", NOW) == 0


def test_nobody_uses_up_an_address_for_its_owner() -> None:
    limiter = Limiter(LIMITED)
    for number in range(1000):
        limiter.address("kari@example.org", "192.0.2.1", NOW + number)

    own = [limiter.address("kari@example.org", "198.51.100.1", NOW + 1001) for _ in range(OWN_TRIES + 1)]

    assert [wait > 0 for wait in own] == [False] * OWN_TRIES + [True]


def test_who_is_exempt_is_not_counted() -> None:
    limiter = Limiter(read_limits("client:1/1h,address:1/1h,sign-in:1/1h,exempt:127.0.0.0/8,exempt:::1"))
    for client in 3 * ["127.0.0.1", "::1"]:
        limiter.wrong_token(client, NOW)

        assert (
            limiter.client(client, NOW) == limiter.address("a@b.no", client, NOW) == limiter.sign_in(client, NOW) == 0
        )


def test_under_off_nobody_is_counted() -> None:
    limiter = Limiter(read_limits("off"))
    for _ in range(3):
        limiter.wrong_token("here", NOW)

        assert (
            limiter.client("here", NOW) == limiter.address("a@b.no", "here", NOW) == limiter.sign_in("here", NOW) == 0
        )


def test_an_ipv6_subscriber_is_one_client() -> None:
    limiter = Limiter(read_limits("client:1/1h"))

    assert limiter.client("2001:db8::1", NOW) == 0
    assert limiter.client("2001:db8::2", NOW) > 0
    assert limiter.client("unknown", NOW) == 0


# --- the setting ---


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("", Limits()),
        ("off", OFF),
        ("client:100/1m", Limits(client=Limit(100, 60))),
        (" client:5/s , address:3/2h,sign-in:1/1d", Limits(Limit(5, 1), Limit(3, 7200), Limit(1, 86400))),
    ],
)
def test_what_is_not_named_is_as_by_default(text: str, limits: Limits) -> None:
    assert read_limits(text) == limits


@pytest.mark.parametrize(
    "text", ["10", "client", "client:", "client:10", "client:0/1m", "client:1/0m", "client:-1/1m", "client:1/1y",
             "visitor:1/1m", "off,client:1/1m", "exempt:here", "client:1/1m address:1/1m"],
)  # fmt: skip
def test_what_are_no_limits_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(wants|a limit is)"):
        read_limits(text)
