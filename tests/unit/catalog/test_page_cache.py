"""Which rendered pages are kept, for how long, and what a crowd costs."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest

from services.catalog.page_cache import Page, PageCache, States
from tests.factories import NOW

INSTANT = timedelta(microseconds=1)


class Press:
    """Makes pages, and counts them."""

    def __init__(self, until: datetime | None = None) -> None:
        self.until = until
        self.made: list[str] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    def of(self, text: str) -> Callable[[], Awaitable[Page]]:
        async def make() -> Page:
            self.made.append(text)
            await self.may_go_on.wait()
            return Page.of(text, self.until)

        return make


async def test_a_page_is_kept_up_to_the_instant_from_which_it_is_not_true() -> None:
    cache, press = PageCache(), Press(until=NOW)

    for now in (NOW - timedelta(days=1), NOW - INSTANT, NOW):
        await cache.get("key", now, press.of(f"at {now}"))

    assert press.made == [f"at {NOW - timedelta(days=1)}", f"at {NOW}"]


async def test_a_page_that_time_does_not_change_is_kept() -> None:
    cache, press = PageCache(), Press()

    pages = [await cache.get("key", now, press.of("a page")) for now in (NOW, NOW + timedelta(days=1000))]

    assert press.made == ["a page"]
    assert pages == [Page.of("a page", None)] * 2


async def test_there_is_room_for_so_many_and_who_was_asked_for_longest_ago_goes() -> None:
    cache, press = PageCache(most=2), Press()

    for name in ("first", "second", "first", "third", "first", "second"):
        await cache.get(name, NOW, press.of(name))

    assert press.made == ["first", "second", "third", "second"]


async def test_a_crowd_that_wants_a_page_that_is_not_kept_has_it_made_once() -> None:
    cache, press = PageCache(), Press()
    press.may_go_on.clear()

    crowd = [asyncio.create_task(cache.get("key", NOW, press.of("a page"))) for _ in range(20)]
    await asyncio.sleep(0)
    crowd[0].cancel()
    press.may_go_on.set()

    assert await asyncio.gather(*crowd[1:]) == [Page.of("a page", None)] * 19
    assert press.made == ["a page"]


async def test_a_page_that_could_not_be_made_is_made_anew_for_who_asks_next() -> None:
    cache, press = PageCache(), Press()

    async def fail() -> Page:
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        await cache.get("key", NOW, fail)

    assert await cache.get("key", NOW, press.of("a page")) == Page.of("a page", None)


def test_a_tag_is_the_same_for_the_same_text_and_another_for_another() -> None:
    assert Page.of("a", None).etag == Page.of("a", NOW).etag != Page.of("b", None).etag


class Questions:
    """Answers how many questions have begun, when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers: asyncio.Queue[None] = asyncio.Queue()

    async def __call__(self, _what: str) -> str:
        self.asked += 1
        number = self.asked
        await self.answers.get()
        return str(number)


async def until_asked(questions: Questions, number: int) -> None:
    while questions.asked < number:  # noqa: ASYNC110 - a few turns of the loop
        await asyncio.sleep(0)


async def test_who_asks_at_the_same_moment_shares_one_question() -> None:
    questions = Questions()
    states = States(questions)
    crowd = [asyncio.create_task(states.of("slug")) for _ in range(20)]
    await until_asked(questions, 1)
    questions.answers.put_nowait(None)

    assert await asyncio.gather(*crowd) == ["1"] * 20
    assert questions.asked == 1


async def test_no_answer_is_older_than_who_asked_for_it() -> None:
    questions = Questions()
    states = States(questions)
    early = asyncio.create_task(states.of("slug"))
    await until_asked(questions, 1)
    late = [asyncio.create_task(states.of("slug")) for _ in range(5)]
    questions.answers.put_nowait(None)
    questions.answers.put_nowait(None)

    assert await early == "1"
    assert await asyncio.gather(*late) == ["2"] * 5


async def test_questions_about_different_things_do_not_wait_for_each_other() -> None:
    questions = Questions()
    states = States(questions)
    one, other = asyncio.create_task(states.of("one")), asyncio.create_task(states.of("other"))
    await until_asked(questions, 2)
    for _ in range(2):
        questions.answers.put_nowait(None)

    assert {await one, await other} == {"1", "2"}
