"""The story: what happens when, in the order of its moments."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple

from local.demo.evidence import Evidence
from local.demo.faults import Death, Faults
from local.demo.people import Person, invited
from local.demo.visitors import SEMINAR, Visitors
from local.time_machine import OSLO

FIRST_STREAM = "https://stream.example.org/planstrategi"
LAST_STREAM = "https://stream.example.org/planstrategi-reserve"
RECORDING = "https://video.example.org/planstrategi-4-0"
HALF = 40  # of the first wave


class Story:
    """Everybody in it, and what they do in each scene; a scene's function returns the line that tells of it."""

    def __init__(self, visitors: Visitors, evidence: Evidence, faults: Faults | None) -> None:
        self._visitors = visitors
        self._evidence = evidence
        self._faults = faults
        self._guests = iter(invited(PEOPLE))
        self._in_person: list[Person] = []  # who signed up for a seat, wave by wave
        self.tell: Callable[[], None] = lambda: None  # called for each of the guests who has been answered
        self.answered = 0
        self.answered_without_broker = 0
        visitors.on_answer = self._count_answer

    def _count_answer(self) -> None:
        self.answered += 1
        self.tell()
        self.answered_without_broker += bool(self._faults and self._faults.broker_is_away())

    async def play(self, scene: "Scene") -> str:
        """Move the clock to the scene's moment, play it, and let everything arrive that follows from it."""
        await self._visitors.move_clock(scene.at.isoformat())
        line = await scene.play(self)
        await self._evidence.settle()
        return line

    async def open_sign_up(self) -> str:
        """Have the first sign up; the only process of registration dies under their hands."""
        coming = asyncio.create_task(self._sign_up(in_person=30, online=50))
        death = await self._kill_amid(coming, "registration")
        return f"{await coming}{death}"

    async def sign_up_without_broker(self) -> str:
        """Have more sign up than there are seats, while the broker is dead."""
        if self._faults is None:
            return await self._sign_up(in_person=35, online=55)
        death = await self._faults.kill_broker()
        line = await self._sign_up(in_person=35, online=55)
        return f"{line}{_told(death)}: {self.answered_without_broker} were answered meanwhile"

    async def fill_waiting_list(self) -> str:
        """Have more sign up in person than get a seat."""
        return await self._sign_up(in_person=15, online=55)

    async def change_minds(self) -> str:
        """Have seats given up, which the first in line get."""
        leaving, switching, tired = self._in_person[:10], self._in_person[10:14], self._in_person[-2:]
        await self._visitors.cancel([*leaving, *tired])
        await self._visitors.switch(switching, "online")
        return "by their mailed links: 10 with a seat and 2 waiting withdraw, 4 go online; the first in line move up"

    async def hurry(self) -> str:
        """Have the last sign up before the deadline."""
        return await self._sign_up(in_person=10, online=30)

    async def be_late(self) -> str:
        """Have people ask for a seat after the deadline, be refused, and attend online."""
        late = self._next(LATE)
        refused = await self._visitors.sign_up(late, "in_person")
        online = await self._visitors.sign_up(late, "online")
        await self._visitors.cancel(self._in_person[14:16])
        return f"in person {_counted(refused)}; online {_counted(online)}; 2 give up their seats, too late for others"

    async def remind(self) -> str:
        """Let the reminder of the day before go out; a sender dies with e-mails in its hands."""
        if self._faults is None:
            return "the reminder of the day before goes to everyone"
        death = await self._faults.kill_sender()
        return f"the reminder of the day before goes to everyone{_told(death)}"

    async def sign_up_late(self) -> str:
        """Have people sign up after a reminder was due: their confirmation has said it."""
        return await self._sign_up(in_person=0, online=10)

    async def move_stream(self) -> str:
        """Give the livestream another address; the only process of catalog is dead when that is asked for."""
        await self._visitors.organise("PUT", "livestream", {"url": FIRST_STREAM})
        death = _told(self._faults.kill("catalog")) if self._faults else ""
        await self._visitors.organise("PUT", "livestream", {"url": LAST_STREAM})
        return f"the livestream gets another address, which needs no e-mail{death}"

    async def remind_online(self) -> str:
        """Let the last reminder go out."""
        return "the last reminder goes to those online"

    async def sign_up_at_last(self) -> str:
        """Have people sign up with five minutes to go."""
        return await self._sign_up(in_person=0, online=5)

    async def go_live(self) -> str:
        """Look at the page that every e-mail links to."""
        page = await self._visitors.read(f"/seminars/{SEMINAR}/watch")
        if LAST_STREAM not in page:
            raise RuntimeError("the page that was mailed does not lead to the livestream")
        return "live: the address that was mailed leads to the new livestream"

    async def end(self) -> str:
        """Publish the recording, and look at the list."""
        await self._visitors.organise("PUT", "recording", {"url": RECORDING})
        page = await self._visitors.read(f"/seminars/{SEMINAR}/watch")
        listed = (await self._visitors.read("/?lang=nb")).partition("Gjennomførte arrangementer")[2]
        if RECORDING not in page or SEMINAR not in listed:
            raise RuntimeError("the recording or the list of completed seminars is not as it should be")
        return "the same address leads to the recording; listed under «Gjennomførte arrangementer»"

    def _next(self, count: int) -> list[Person]:
        return [next(self._guests) for _ in range(count)]

    async def _sign_up(self, *, in_person: int, online: int) -> str:
        seats, stream = self._next(in_person), self._next(online)
        answers = await asyncio.gather(
            self._visitors.sign_up(seats, "in_person"), self._visitors.sign_up(stream, "online")
        )
        self._in_person += seats
        return " · ".join(f"{how} {_counted(a)}" for how, a in zip(("in person", "online"), answers, strict=True) if a)

    async def _kill_amid(self, coming: "asyncio.Task[str]", service: str) -> str:
        """Kill a service when half of those who are `coming` have been answered."""
        if self._faults is None:
            return ""
        while self.answered < HALF and not coming.done():  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.01)
        return _told(self._faults.kill(service))


class Scene(NamedTuple):
    """A moment of the story, and what is played then."""

    at: datetime
    play: Callable[[Story], Awaitable[str]]


def _at(day: int, month: int, hour: int, minute: int) -> datetime:
    return datetime(2023, month, day, hour, minute, tzinfo=OSLO)


SCENES = (
    Scene(_at(22, 5, 9, 30), Story.open_sign_up),
    Scene(_at(24, 5, 12, 0), Story.sign_up_without_broker),
    Scene(_at(26, 5, 14, 0), Story.fill_waiting_list),
    Scene(_at(28, 5, 19, 0), Story.change_minds),
    Scene(_at(29, 5, 20, 0), Story.hurry),
    Scene(_at(30, 5, 8, 0), Story.be_late),
    Scene(_at(31, 5, 10, 0), Story.remind),
    Scene(_at(31, 5, 15, 0), Story.sign_up_late),
    Scene(_at(1, 6, 8, 30), Story.move_stream),
    Scene(_at(1, 6, 9, 45), Story.remind_online),
    Scene(_at(1, 6, 9, 55), Story.sign_up_at_last),
    Scene(_at(1, 6, 10, 5), Story.go_live),
    Scene(_at(2, 6, 9, 0), Story.end),
)
PEOPLE = 300
LATE = 5  # who are refused a seat and then sign up online
ANSWERS = PEOPLE + LATE


def _counted(outcomes: Counter[str]) -> str:
    return ", ".join(f"{count} {outcome.replace('-', ' ')}" for outcome, count in outcomes.most_common())


def _told(death: Death) -> str:
    held = f", {death.claimed} e-mails in its hands" if death.claimed else ""
    return f"; {death.process} killed{held}"
