"""The programme of a seminar: blocks and pauses on its one day, with the talks in them."""

from collections.abc import Iterator, Sequence
from datetime import datetime, time
from itertools import chain

from services.catalog.fields import Line, LocalTime, Strict, Truth, Words, clock_faults
from shared.faults import Fault, Place
from shared.messages import Block, Speaker, Talk


class DocumentSpeaker(Speaker, Strict):
    """A person, an institution or both."""

    name: Line | None = None
    role: Words | None = None
    affiliation: Words | None = None


class DocumentTalk(Talk, Strict):
    """A talk, of which perhaps no more is known yet than its title; without an end it lasts until the next one."""

    title: Words
    start: LocalTime | None = None
    end: LocalTime | None = None
    speakers: tuple[DocumentSpeaker, ...] = ()


class DocumentBlock(Block, Strict):
    """A part of the programme or a pause, with the talks in it."""

    title: Words | None = None
    pause: Truth = False
    start: LocalTime
    end: LocalTime
    talks: tuple[DocumentTalk, ...] = ()


def programme_faults(
    blocks: Sequence[DocumentBlock], start: datetime | None, end: datetime | None, zone: str | None
) -> Iterator[Fault]:
    """Yield what is wrong with a programme by itself and in a seminar from `start` to `end`, as far as those are known.

    A time of day says no date, so a seminar with a programme begins and ends on the same one.
    """
    for number, block in enumerate(blocks):
        yield from _block_faults((number,), block)
    yield from _order_faults(blocks)
    if start and end and blocks and start.date() != end.date():
        yield Fault((), "wants a seminar that ends on the day it starts: make one seminar for each day")
    elif start and end and start < end:
        yield from _outside(blocks, start.time(), end.time())
    if start:
        yield from _clock_faults(blocks, start, zone)


def _block_faults(place: Place, block: DocumentBlock) -> Iterator[Fault]:
    if not block.pause and block.title is None:
        yield Fault((*place, "title"), "is needed, unless it is a pause")
    if block.end <= block.start:
        yield Fault((*place, "end"), "must be after the start")
    for number, talk in enumerate(block.talks):
        at = (*place, "talks", number)
        yield from _speaker_faults(at, talk)
        yield from _talk_faults(at, talk, block)
    yield from _overlaps(place, block)


def _speaker_faults(place: Place, talk: DocumentTalk) -> Iterator[Fault]:
    for number, speaker in enumerate(talk.speakers):
        if not (speaker.name or speaker.affiliation):
            yield Fault((*place, "speakers", number, "name"), "is needed, or an affiliation")


def _talk_faults(place: Place, talk: DocumentTalk, block: DocumentBlock) -> Iterator[Fault]:
    if talk.end and not talk.start:
        yield Fault((*place, "start"), "is needed where there is an end")
    if talk.start and talk.end and talk.end <= talk.start:
        yield Fault((*place, "end"), "must be after the start")
    if block.end <= block.start:  # nothing lies inside of such a block, which is said already
        return
    if talk.start and not block.start <= talk.start < block.end:
        yield Fault((*place, "start"), "must be in its block, from %(start)s to %(end)s", _times(block))
    if talk.end and not block.start < talk.end <= block.end:
        yield Fault((*place, "end"), "must be in its block, from %(start)s to %(end)s", _times(block))


def _times(block: DocumentBlock) -> dict[str, str]:
    return {"start": f"{block.start:%H:%M}", "end": f"{block.end:%H:%M}"}


def _overlaps(place: Place, block: DocumentBlock) -> Iterator[Fault]:
    """Talks with times follow each other; those without may stand anywhere between."""
    begun, ended = None, time.min
    for number, talk in enumerate(block.talks):
        if talk.start is None:
            continue
        at = (*place, "talks", number, "start")
        if talk.start < ended:
            yield Fault(at, "must not be before %(end)s, when the talk before it ends", {"end": f"{ended:%H:%M}"})
        elif begun is not None and talk.start <= begun:
            yield Fault(at, "must be after %(start)s, when the talk before it starts", {"start": f"{begun:%H:%M}"})
        begun, ended = talk.start, max(ended, talk.end or talk.start)


def _order_faults(blocks: Sequence[DocumentBlock]) -> Iterator[Fault]:
    ended = time.min
    for number, block in enumerate(blocks):
        if block.start < ended:
            place = (number, "start")
            yield Fault(place, "must not be before %(end)s, when the block before it ends", {"end": f"{ended:%H:%M}"})
        ended = max(ended, block.end)


def _outside(blocks: Sequence[DocumentBlock], start: time, end: time) -> Iterator[Fault]:
    for number, block in enumerate(blocks):
        if block.start < start:
            place = (number, "start")
            yield Fault(place, "must not be before %(start)s, when the seminar starts", {"start": f"{start:%H:%M}"})
        if block.end > end:
            yield Fault((number, "end"), "must not be after %(end)s, when the seminar ends", {"end": f"{end:%H:%M}"})


def _clock_faults(blocks: Sequence[DocumentBlock], start: datetime, zone: str | None) -> Iterator[Fault]:
    for place, moment in chain.from_iterable(_times_of(number, block) for number, block in enumerate(blocks)):
        if moment:
            yield from clock_faults(place, datetime.combine(start.date(), moment), zone)


def _times_of(number: int, block: DocumentBlock) -> Iterator[tuple[Place, time | None]]:
    yield from (((number, "start"), block.start), ((number, "end"), block.end))
    for of, talk in enumerate(block.talks):
        yield from (((number, "talks", of, "start"), talk.start), ((number, "talks", of, "end"), talk.end))
