import asyncio
from collections.abc import Sequence

import pytest

from shared.together import Together


class Calls:
    """Answers each item with its double; waits until it may, and fails when it is told to."""

    def __init__(self) -> None:
        self.seen: list[list[int]] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def __call__(self, items: Sequence[int]) -> list[int]:
        self.seen.append(list(items))
        await self.may_go_on.wait()
        if 0 in items:
            raise ZeroDivisionError
        return [2 * item for item in items]


async def test_who_comes_while_a_call_is_under_way_shares_the_next_and_gets_their_own_result() -> None:
    calls = Calls()
    together = Together(calls)
    calls.may_go_on.clear()
    first = together.submit(1)
    await asyncio.sleep(0)
    others = [together.submit(item) for item in (2, 3, 4)]
    calls.may_go_on.set()

    assert await asyncio.gather(first, *others) == [2, 4, 6, 8]
    assert calls.seen == [[1], [2, 3, 4]]


async def test_no_call_has_more_than_the_most_and_all_keep_their_order() -> None:
    calls = Calls()
    together = Together(calls, most=2)

    await asyncio.gather(*(together.submit(item) for item in range(1, 6)))

    assert calls.seen == [[1, 2], [3, 4], [5]]


async def test_what_goes_wrong_goes_to_all_who_shared_it_and_to_nobody_else() -> None:
    together = Together(Calls())
    failing = [together.submit(item) for item in (0, 1)]
    results = await asyncio.gather(*failing, return_exceptions=True)

    assert [type(result) for result in results] == [ZeroDivisionError, ZeroDivisionError]
    assert await together.submit(1) == 2


async def test_who_no_longer_waits_takes_nothing_from_the_others() -> None:
    calls = Calls()
    together = Together(calls)
    calls.may_go_on.clear()
    impatient, patient = together.submit(1), together.submit(2)
    await asyncio.sleep(0)
    impatient.cancel()
    calls.may_go_on.set()

    assert await patient == 4
    with pytest.raises(asyncio.CancelledError):
        await impatient


async def test_without_lingering_who_comes_after_a_crowd_is_called_for_at_once() -> None:
    calls = Calls()
    together = Together(calls, linger=0)
    await asyncio.gather(*(together.submit(item) for item in (1, 2, 3)))

    late = together.submit(4)
    await asyncio.sleep(0)

    assert calls.seen == [[1, 2, 3], [4]]
    assert await late == 8


async def test_of_several_only_so_many_call_at_once_and_who_waits_for_a_turn_is_joined() -> None:
    turns, calls = asyncio.Semaphore(1), Calls()
    one, other = (Together(calls, linger=0, turns=turns) for _ in range(2))
    calls.may_go_on.clear()
    first, second = one.submit(1), other.submit(2)
    await asyncio.sleep(0)
    third = other.submit(3)
    await asyncio.sleep(0)
    assert calls.seen == [[1]]

    calls.may_go_on.set()

    assert list(await asyncio.gather(first, second, third)) == [2, 4, 6]
    assert calls.seen == [[1], [2, 3]]


async def test_idle_is_when_nobody_waits_any_more() -> None:
    calls = Calls()
    together = Together(calls)
    calls.may_go_on.clear()
    submitted = [together.submit(1)]
    await asyncio.sleep(0)
    submitted.append(together.submit(2))
    idle = asyncio.ensure_future(together.idle())
    await asyncio.sleep(0)
    assert not idle.done()

    calls.may_go_on.set()
    await idle

    assert all(future.done() for future in submitted)
