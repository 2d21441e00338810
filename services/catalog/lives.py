"""What a seminar's page shows as time goes: what is on now, how long it is until the start, when that changes next."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

from services.catalog.document import chapter_link
from services.catalog.model import Life, Seminar
from services.catalog.programme import DocumentBlock
from shared.messages import Attendance


class Part(NamedTuple):
    """A block of the programme (or a pause), or a talk in it, by their places in the document."""

    block: int
    talk: int | None = None


class Countdown(NamedTuple):
    """How long it is until the start; a minute that has begun counts."""

    days: int  # of 24 hours
    hours: int
    minutes: int


class Chapter(NamedTuple):
    """Where in the recording a part of the programme begins."""

    seconds: int
    url: str


class Shown(NamedTuple):
    """What changes by the clock alone; the countdown is left out, since that is the reader's clock's own affair."""

    life: Life
    on: Part | None
    open: frozenset[Attendance]


def shown(seminar: Seminar, now: datetime) -> Shown:
    """Return what there is to show at `now`."""
    is_open = frozenset(attendance for attendance in Attendance if seminar.is_open(attendance, now))
    return Shown(seminar.life(now), on_now(seminar, now), is_open)


def next_change(seminar: Seminar, now: datetime) -> datetime | None:
    """Return the first instant after `now` at which something else is shown; None if that takes a new revision."""
    standing = shown(seminar, now)
    later = (moment for moment in sorted(_moments(seminar)) if moment > now)
    return next((moment for moment in later if shown(seminar, moment) != standing), None)


def true_until(seminar: Seminar, now: datetime) -> datetime | None:
    """Return the first instant after `now` at which the page says something else, its countdown in minutes included."""
    left = countdown(seminar, now)
    if left is None:
        return next_change(seminar, now)
    others = timedelta(left.days, hours=left.hours, minutes=left.minutes - 1)
    minute = _utc(seminar.start) - others
    return min(minute, next_change(seminar, now) or minute)


def _moments(seminar: Seminar) -> Iterator[datetime]:
    """Yield every instant at which something may change, in UTC."""
    document = seminar.document
    yield from (_utc(seminar.start), _utc(seminar.end))
    if document.opens:
        yield _utc(document.opens)
    for mode in document.attendance.values():
        if mode.deadline:
            yield _utc(seminar.instant(mode.deadline)) + timedelta.resolution  # the deadline itself is in time
    for block in document.programme:
        times = (block.start, block.end, *(moment for talk in block.talks for moment in (talk.start, talk.end)))
        yield from (_utc(seminar.at(moment)) for moment in times if moment)


def on_now(seminar: Seminar, now: datetime) -> Part | None:
    """Return the talk that is on, else the block or the pause; None between blocks and unless the seminar is live."""
    if seminar.life(now) is not Life.LIVE:
        return None
    for number, block in enumerate(seminar.document.programme):
        if seminar.at(block.start) <= now < seminar.at(block.end):
            return Part(number, _talk_on(seminar, block, now))
    return None


def _talk_on(seminar: Seminar, block: DocumentBlock, now: datetime) -> int | None:
    """Return the talk that began last, unless it is known to be over."""
    begun = [(number, talk) for number, talk in enumerate(block.talks) if talk.start and seminar.at(talk.start) <= now]
    if not begun:
        return None
    number, talk = begun[-1]
    return None if talk.end and seminar.at(talk.end) <= now else number


def countdown(seminar: Seminar, now: datetime) -> Countdown | None:
    """Return how long it is until the start, for a seminar that is still to come."""
    if seminar.life(now) is not Life.PUBLISHED:
        return None
    minutes = -((_utc(now) - _utc(seminar.start)) // timedelta(minutes=1))
    return Countdown(minutes // (24 * 60), minutes // 60 % 24, minutes % 60)


def moved_from(seminar: Seminar, starts: Iterable[datetime]) -> datetime | None:
    """Return when the seminar was to start before it was moved; `starts` are those announced so far, in their order."""
    others = [start for start in starts if start != seminar.start]
    return others[-1] if others else None


def chapters(seminar: Seminar) -> dict[Part, Chapter]:
    """Return where in the recording blocks and talks begin, as far as that and when the recording begins are known."""
    recording = seminar.document.recording
    if recording is None or recording.starts is None:
        return {}
    begin = _utc(seminar.at(recording.starts))
    found = {}
    for part, start in _starts(seminar):
        seconds = (_utc(seminar.at(start)) - begin) // timedelta(seconds=1)
        if seconds >= 0:
            found[part] = Chapter(seconds, chapter_link(recording.chapters, recording.url, seconds))
    return found


def _starts(seminar: Seminar) -> Iterator[tuple[Part, time]]:
    for number, block in enumerate(seminar.document.programme):
        if block.pause:
            continue
        yield Part(number), block.start
        yield from ((Part(number, of), talk.start) for of, talk in enumerate(block.talks) if talk.start)


def _utc(moment: datetime) -> datetime:
    """Python compares and subtracts times of one zone by the wall clock, which is wrong on the days clocks change."""
    return moment.astimezone(UTC)
