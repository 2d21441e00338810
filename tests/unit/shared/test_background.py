import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.background import Background, Nudge, first_of
from tests.factories import eventually


async def forever() -> None:
    await asyncio.Event().wait()


async def ends() -> None:
    await asyncio.sleep(0)


async def fails() -> None:
    await asyncio.sleep(0)
    raise RuntimeError("the broker is gone")


async def is_cancelled_from_within() -> None:
    await asyncio.sleep(0)
    raise asyncio.CancelledError


async def turns(number: int = 10) -> None:
    """Let everything else take its turn."""
    for _ in range(number):
        await asyncio.sleep(0)


async def soon(waited: asyncio.Future[str] | asyncio.Task[str]) -> str:
    async with asyncio.timeout(1):
        return await waited


@pytest.fixture
async def background() -> AsyncIterator[Background]:
    loops = Background()
    yield loops
    await loops.stop()


# --- loops ---


async def test_a_loop_that_fails_is_reported_by_its_name(background: Background) -> None:
    background.start("steady", forever())
    background.start("relay", fails())

    assert await soon(asyncio.ensure_future(background.ended())) == "relay"


async def test_of_each_loop_it_is_known_whether_it_runs(background: Background) -> None:
    background.start("steady", forever())
    background.start("delivery", ends())
    await turns()

    assert background.loops() == [("steady", True), ("delivery", False)]


async def test_a_loop_that_comes_to_its_end_is_reported_by_its_name(background: Background) -> None:
    background.start("steady", forever())
    background.start("delivery", ends())

    assert await soon(asyncio.ensure_future(background.ended())) == "delivery"


async def test_a_loop_that_is_cancelled_by_nobody_of_ours_is_reported_by_its_name(background: Background) -> None:
    background.start("steady", forever())
    background.start("relay", is_cancelled_from_within())

    assert await soon(asyncio.ensure_future(background.ended())) == "relay"


async def test_a_loop_that_ended_before_anyone_asked_is_reported_all_the_same(background: Background) -> None:
    background.start("relay", fails())
    await turns()

    assert await soon(asyncio.ensure_future(background.ended())) == "relay"


async def test_the_first_loop_to_end_is_reported_to_all_who_ask_and_the_second_does_no_harm(
    background: Background,
) -> None:
    background.start("first", fails())
    asked = [asyncio.ensure_future(background.ended()) for _ in range(2)]
    await turns()
    background.start("second", fails())
    await turns()

    assert [await soon(answer) for answer in asked] == ["first", "first"]


async def test_who_stops_asking_keeps_nobody_else_from_the_answer(background: Background) -> None:
    gives_up = asyncio.ensure_future(background.ended())
    await turns()
    gives_up.cancel()
    await turns()
    background.start("relay", fails())

    assert await soon(asyncio.ensure_future(background.ended())) == "relay"


async def test_loops_that_are_stopped_are_not_reported() -> None:
    background = Background()
    background.start("steady", forever())
    asked = asyncio.ensure_future(background.ended())
    await turns()

    await background.stop()

    await turns()
    assert not asked.done()
    asked.cancel()


async def test_stopping_waits_until_each_loop_has_let_go_and_the_last_started_goes_first() -> None:
    background = Background()
    let_go: list[str] = []

    async def holds(name: str) -> None:
        try:
            await forever()
        finally:
            await turns()
            let_go.append(name)

    for name in ("relay", "consumer", "delivery"):
        background.start(name, holds(name))
    await turns()

    await background.stop()

    assert let_go == ["delivery", "consumer", "relay"]


async def test_a_loop_that_fails_while_it_lets_go_keeps_no_other_from_being_stopped() -> None:
    background = Background()
    let_go: list[str] = []

    async def holds() -> None:
        try:
            await forever()
        finally:
            let_go.append("relay")

    async def fails_late() -> None:
        try:
            await forever()
        finally:
            raise RuntimeError("could not release the lease")

    background.start("relay", holds())
    background.start("delivery", fails_late())
    await turns()

    await background.stop()

    assert let_go == ["relay"]


async def test_stopping_twice_is_stopping_once() -> None:
    background = Background()
    background.start("steady", forever())
    await background.stop()

    await background.stop()


# --- nudges ---


async def test_a_nudge_wakes_who_waits() -> None:
    nudge = Nudge()
    waits = asyncio.create_task(nudge.wait())
    await turns()
    assert not waits.done()

    nudge()

    async with asyncio.timeout(1):
        await waits


async def test_a_nudge_given_while_nobody_waits_is_kept_for_the_next_to_wait() -> None:
    nudge = Nudge()
    nudge()

    async with asyncio.timeout(1):
        await nudge.wait()


async def test_a_nudge_wakes_once() -> None:
    nudge = Nudge()
    nudge()
    nudge()
    await nudge.wait()

    again = asyncio.create_task(nudge.wait())
    await turns()

    assert not again.done()
    again.cancel()


@pytest.mark.parametrize("pause", range(6))
async def test_no_work_is_left_lying_when_the_nudge_comes_just_as_another_wait_ends(pause: int) -> None:
    nudge, other = Nudge(), asyncio.Event()
    work: list[int] = []
    done: list[int] = []

    async def loop() -> None:
        while True:
            done.extend(work)
            work.clear()
            await first_of(nudge.wait(), other.wait())
            other.clear()

    running = asyncio.create_task(loop())
    for piece in range(50):
        other.set()
        await turns(pause)
        work.append(piece)
        nudge()
        await eventually(lambda piece=piece: piece in done, 1)  # type: ignore[misc]

    assert done == list(range(50))
    running.cancel()


# --- waiting for one of several ---


async def test_the_first_wait_to_end_ends_them_all() -> None:
    let_go: list[str] = []

    async def slow() -> None:
        try:
            await forever()
        finally:
            await turns()
            let_go.append("slow")

    async with asyncio.timeout(1):
        await first_of(slow(), ends())

    assert let_go == ["slow"]


async def test_a_wait_that_fails_is_not_passed_over() -> None:
    with pytest.raises(RuntimeError, match="the broker is gone"):
        await first_of(fails(), forever())


async def test_cancelling_who_waits_cancels_the_waits() -> None:
    let_go: list[str] = []

    async def slow() -> None:
        try:
            await forever()
        finally:
            let_go.append("slow")

    waits = asyncio.create_task(first_of(slow(), slow()))
    await turns()
    waits.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waits
    assert let_go == ["slow", "slow"]
