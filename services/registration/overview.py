"""All that the organiser's overview of a seminar shows, as it stands at one moment."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

from services.registration import store, store_figures
from services.registration.alphabet import norwegian
from services.registration.coverage import County, coverage
from services.registration.curve import Curve, curve
from services.registration.model import local_day
from services.registration.organisations import directory, recognise
from services.registration.store_figures import Missed, Stamp, Written
from services.registration.tally import (
    Answered,
    Line,
    Need,
    Origin,
    Room,
    Said,
    answered,
    by_county,
    by_kind,
    cancelled,
    grouped,
    rooms,
)
from shared.database import Connection
from shared.messages import Attendance, SeminarSnapshot

MOST_MISSED = 200  # names of those who did not come


class Overview(NamedTuple):
    """What it shows."""

    seminar: SeminarSnapshot
    mark: str
    """What tells it from what it was at other moments."""
    over: bool
    rooms: dict[Attendance, Room]
    cancelled: int
    kinds: tuple[Line, ...]
    counties: tuple[Line, ...]
    coverage: tuple[County, ...]
    dietary: tuple[Said, ...]
    accessibility: list[Need]
    answers: tuple[Answered, ...]
    curve: Curve
    missed: list[Missed]
    """After the end, where somebody was seen to come: those who were not."""


async def mark(connection: Connection, seminar: SeminarSnapshot, now: datetime) -> str:
    """Return what tells this moment's overview from others."""
    return _mark(await store_figures.stamp(connection, seminar.slug), over=now >= seminar.end)


def _mark(stamp: Stamp, *, over: bool) -> str:
    return ".".join(map(str, (*stamp, int(over))))


async def overview(connection: Connection, slug: str, now: datetime) -> Overview | None:
    """Return the overview of a seminar, all of it of one moment if the connection sees but one; None if unknown."""
    seminar = await store.get_seminar(connection, slug)
    if seminar is None:
        return None
    groups = await store_figures.groups(connection, slug)
    day = local_day(seminar)
    origins = _origins(await store_figures.origins(connection, slug), day)
    over, found = now >= seminar.end, rooms(seminar, groups)
    seen = over and any(room.came for room in found.values())
    return Overview(
        seminar=seminar,
        mark=await mark(connection, seminar, now),
        over=over,
        rooms=found,
        cancelled=cancelled(groups),
        kinds=by_kind(origins),
        counties=by_county(origins),
        coverage=coverage(directory(day), origins),
        dietary=grouped(await store_figures.dietary_needs(connection, slug)),
        accessibility=await store_figures.accessibility_needs(connection, slug),
        answers=answered(seminar.questions, await store_figures.replies(connection, slug)),
        curve=curve(await store_figures.came(connection, slug, seminar.zone)),
        missed=_by_name(await store_figures.missed(connection, slug, MOST_MISSED)) if seen else [],
    )


def _by_name(missed: list[Missed]) -> list[Missed]:
    return sorted(missed, key=lambda each: norwegian(each.name))


def _origins(written: Iterable[Written], day: date) -> list[Origin]:
    """Return where people come from, as the organisations are on the seminar's day."""
    return [_origin(each, day) for each in written]


def _origin(written: Written, day: date) -> Origin:
    organisation = recognise(written.organisation, written.municipality, day)
    place = organisation or recognise(None, written.municipality, day)
    return Origin(organisation, place, written.attendance, written.people)
