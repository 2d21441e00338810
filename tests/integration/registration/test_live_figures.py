"""Figures over server-sent events: sent when they differ, to all who watch, and to nobody for longer than is right."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp import ClientResponse

from services.registration import live, organiser_figures
from services.registration.live import LIVE, Channel
from shared.clock import MovableClock
from shared.web import session
from tests.factories import SLUG, eventually
from tests.integration.registration.door import BROWSER, HERE, Hall, text_of

FIGURES = f"{HERE}/figures"
TIME = 10  # seconds in which anything that must come does


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PACE", 0.01)
    monkeypatch.setattr(organiser_figures, "HEARTBEAT", 0.05)


class Viewer:
    """A browser that follows the figures."""

    def __init__(self, answer: ClientResponse) -> None:
        self.answer = answer

    async def next(self) -> dict[str, str]:
        """Return the fields of the next event."""
        async with asyncio.timeout(TIME):
            while not (event := _fields(await self.block())):
                pass
        return event

    async def block(self) -> str:
        async with asyncio.timeout(TIME):
            return (await self.answer.content.readuntil(b"\n\n")).decode()

    async def ended(self) -> None:
        async with asyncio.timeout(TIME):
            await self.answer.content.read()


def _fields(block: str) -> dict[str, str]:
    """Read a block as browsers do (HTML standard, 9.2.6); empty for a comment."""
    fields: dict[str, str] = {}
    for line in block.strip().split("\n"):
        name, _, value = line.partition(": ")
        if name in ("event", "id", "data"):
            fields[name] = f"{fields[name]}\n{value}" if name in fields else value
    return fields


@asynccontextmanager
async def watching(hall: Hall, query: str = "", **headers: str) -> AsyncIterator[Viewer]:
    async with hall.client.get(FIGURES + query, headers=hall.cookie | headers) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        yield Viewer(answer)


def channels(hall: Hall) -> dict[str, Channel]:
    return hall.client.app[LIVE]._channels


async def test_two_viewers_see_a_sign_up_by_one_look_at_the_database(hall: Hall) -> None:
    async with watching(hall) as one, watching(hall, "?lang=en") as other:
        first = [await viewer.next() for viewer in (one, other)]
        await hall.sign_up("Kari", dietary_needs="Uten gluten")

        events = [await viewer.next() for viewer in (one, other)]
        shared = {slug: channel.viewers for slug, channel in channels(hall).items()}

    assert "Har plass 0 av 2" in text_of(first[0]["data"])
    assert "Har plass 1 av 2" in text_of(events[0]["data"])
    assert "Have a seat 1 of 2" in text_of(events[1]["data"])
    assert events[0]["event"] == "figures"
    assert events[0]["id"] == events[1]["id"] != first[0]["id"]
    assert shared == {SLUG: 2}


async def test_what_the_page_has_already_is_not_sent_only_that_one_is_still_there(hall: Hall) -> None:
    async with watching(hall) as viewer:
        mark = (await viewer.next())["id"]
    assert f'data-seen="{mark}"' in await hall.page()

    for query, headers in ((f"?seen={mark}", {}), ("", {"Last-Event-ID": mark})):
        async with watching(hall, query, **headers) as viewer:
            blocks = [await viewer.block() for _ in range(3)]

        assert blocks == ["retry: 5000\n\n", ": nothing new\n\n", ": nothing new\n\n"]


async def test_a_change_of_the_seminar_and_its_end_are_seen_too(hall: Hall) -> None:
    async with watching(hall) as viewer:
        await viewer.next()
        await hall.learn(revision=2, capacity=7)
        assert "Har plass 0 av 7" in text_of((await viewer.next())["data"])

        hall.clock.move_to(hall.clock.now().replace(month=6, day=2))

        assert "Hvem som ikke kom" in (await viewer.next())["data"]


async def test_the_chosen_county_is_shown_in_what_is_sent(hall: Hall) -> None:
    async with watching(hall, "?county=46") as one, watching(hall) as other:
        assert "Alver kommune" in (await one.next())["data"]
        assert "Alver kommune" not in (await other.next())["data"]


async def test_a_name_with_line_breaks_and_html_cannot_make_an_event(hall: Hall) -> None:
    await hall.sign_up("Kari", accessibility_needs="<script>x</script>")
    async with hall.database.transaction() as connection:
        await connection.execute(r"UPDATE registrations SET accessibility_needs = E'a\n\nevent: b\ndata: c\r\rid: d'")

    async with watching(hall) as viewer:
        event = await viewer.next()

    assert event["event"] == "figures"
    assert "event: b" in event["data"]


async def test_who_has_left_is_not_looked_for_any_longer(hall: Hall) -> None:
    async with watching(hall) as viewer:
        await viewer.next()
        viewer.answer.close()

        await eventually(lambda: channels(hall) == {})


async def test_a_stream_ends_with_its_session(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = MovableClock()
    monkeypatch.setattr(session, "SystemClock", lambda: clock)
    async with watching(hall) as viewer:
        await viewer.next()

        clock.move_to(clock.now() + timedelta(seconds=session.LENGTH))

        await viewer.ended()


async def test_streams_end_at_once_when_the_service_does(hall: Hall) -> None:
    async with watching(hall) as viewer:
        await viewer.next()

        async with asyncio.timeout(5):  # half of what the server would wait for a request
            await hall.client.server.close()

        await viewer.ended()


async def test_streams_end_when_the_database_is_away_and_begin_again_when_it_is_back(hall: Hall) -> None:
    async with watching(hall) as viewer:
        await viewer.next()
        async with hall.database.connection() as connection:
            await connection.execute("ALTER TABLE registrations RENAME TO away")
            await viewer.ended()
            await connection.execute("ALTER TABLE away RENAME TO registrations")

    async with watching(hall) as viewer:
        assert await viewer.next()


async def test_there_is_an_end_to_how_many_watch(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_VIEWERS", 1)
    async with watching(hall) as viewer:
        await viewer.next()
        answer = await hall.client.get(FIGURES, headers=hall.cookie)

        assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
        assert (await answer.json())["type"] == "/problems/too-many-viewers"
        viewer.answer.close()
    await eventually(lambda: channels(hall) == {})
    async with watching(hall) as viewer:
        await viewer.next()


async def test_only_organisers_of_a_seminar_that_there_is_can_watch(hall: Hall) -> None:
    stranger = await hall.client.get(FIGURES)
    unknown = await hall.client.get("/organiser/registrations/x/figures", headers=hall.cookie)
    head = await hall.client.head(FIGURES, headers=BROWSER | hall.cookie)

    assert (stranger.status, unknown.status, head.status) == (401, 404, 405)
