"""The time machine: one movable clock for everything on this machine, kept over restarts."""

import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict

from shared.clock import ClockMovedBackwardsError, MovableClock
from shared.web.bodies import read_form, read_json
from shared.web.pages import redirect, render
from shared.web.problems import Problem

OSLO = ZoneInfo("Europe/Oslo")
BEGINNING = datetime(2023, 5, 22, 9, 0, tzinfo=OSLO)  # ten days before the example's seminar
STOPS = (  # what the page offers
    datetime(2023, 5, 30, 8, 0, tzinfo=OSLO),  # the deadline for attending in person has passed
    datetime(2023, 5, 31, 10, 0, tzinfo=OSLO),  # the day-before reminder is due
    datetime(2023, 6, 1, 9, 45, tzinfo=OSLO),  # the last reminder is due
    datetime(2023, 6, 1, 10, 5, tzinfo=OSLO),  # live
    datetime(2023, 6, 1, 13, 15, tzinfo=OSLO),  # over
)


class KeptClock(MovableClock):
    """The one clock of everything on this machine: every process that is asked for the time looks into its file.

    So a move is applied everywhere as soon as the file is in place, and whoever starts later or again has it too.
    """

    longest_nap = 0.05  # seconds; nobody tells other processes that sleep

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file
        self._seen: tuple[int, int] | None = None
        if not file.exists():
            self._keep(BEGINNING - datetime.now(UTC))

    def now(self) -> datetime:
        """Return the instant it is for this clock, in UTC."""
        stat = self.file.stat()
        if (stat.st_ino, stat.st_mtime_ns) != self._seen:
            self.offset = timedelta(seconds=json.loads(self.file.read_text())["offset_seconds"])
            self._seen = (stat.st_ino, stat.st_mtime_ns)
        return super().now()

    def move_to(self, moment: datetime) -> None:
        """Jump to `moment` in every process; raises ClockMovedBackwardsError for the past."""
        super().move_to(moment)
        self._keep(self.offset)

    def _keep(self, offset: timedelta) -> None:
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps({"offset_seconds": offset.total_seconds()}))
        fresh.replace(self.file)


TIME_MACHINE = web.AppKey("TIME_MACHINE", KeptClock)


def _instant(value: object) -> datetime:
    """Read a text alone: a number would be seconds since 1970, which nobody means here."""
    with suppress(ValueError):
        if isinstance(value, str):
            return datetime.fromisoformat(value)
    raise ValueError("wants an RFC 3339 instant, such as 2023-05-31T10:00:00+02:00")


class Move(BaseModel):
    """Where to: an RFC 3339 instant."""

    model_config = ConfigDict(extra="forbid")

    to: Annotated[AwareDatetime, BeforeValidator(_instant)]


async def get_time(request: web.Request) -> web.Response:
    """Answer with the instant it is."""
    return _now(request)


async def post_time(request: web.Request) -> web.Response:
    """Move the clock; by the answer every service has it."""
    move = await read_json(request, Move)
    try:
        request.app[TIME_MACHINE].move_to(move.to)
    except ClockMovedBackwardsError as error:
        raise Problem(409, "backwards", "The clock only goes forward", detail=str(error)) from None
    return _now(request)


def _now(request: web.Request) -> web.Response:
    return web.json_response({"now": request.app[TIME_MACHINE].now().astimezone(OSLO).isoformat()})


async def page(request: web.Request) -> web.Response:
    """Show the clock and where one might go."""
    return _page(request)


async def travel(request: web.Request) -> web.Response:
    """Move the clock by the page's form; times are Oslo's."""
    try:
        request.app[TIME_MACHINE].move_to(
            datetime.fromisoformat((await read_form(request)).get("to", "")).replace(tzinfo=OSLO)
        )
    except ClockMovedBackwardsError:
        return _page(request, wrong="backwards", status=409)
    except (ValueError, OverflowError):
        return _page(request, wrong="malformed", status=422)
    return redirect("/time-machine")


def _page(request: web.Request, wrong: str = "", status: int = 200) -> web.Response:
    now = request.app[TIME_MACHINE].now()
    context = {"now": now.astimezone(OSLO), "stops": [stop for stop in STOPS if stop > now], "wrong": wrong}
    return render(request, "time_machine.html", context, status=status)


ROUTES: Iterable[web.RouteDef] = (
    web.get("/time", get_time),
    web.post("/time", post_time),
    web.get("/time-machine", page),
    web.post("/time-machine", travel),
)
