"""The list as one asks for it: by words, year, organiser, audience and life, in pages."""

from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

from aiohttp import web
from pydantic import BeforeValidator, Field, WithJsonSchema

from services.catalog import store, store_list
from services.catalog.differences import Difference, differences
from services.catalog.model import Life, Seminar
from services.catalog.search import Wanted
from shared.database import Connection
from shared.schedules import YEARS
from shared.web.queries import Listing, after, asked, cursor, no_cursor

Place = tuple[datetime, str]  # of a seminar in the list: its start and slug

PAGE = 20  # seminars on a page of one life
FIRST = 10  # seminars of each life on the first page
LONGEST = 100  # characters to search for
LIVES = (Life.LIVE, Life.PUBLISHED, Life.CANCELLED, Life.COMPLETED)  # in the order in which the page has them


class Section(NamedTuple):
    """The seminars of one life, as far as they are shown, how many there are, and where to go on."""

    life: Life
    seminars: list[Seminar]
    total: int
    more: str | None


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _year(year: str) -> int | None:
    if not year:
        return None
    if not (year.isascii() and year.isdigit() and int(year[:5]) in YEARS):
        raise ValueError("must be a year, such as 2023")
    return int(year)


def _life(life: str) -> Life | None:
    if life and life not in LIVES:
        raise ValueError(f"must be one of {', '.join(LIVES)}")
    return Life(life) if life else None


Part = Annotated[str, Field(max_length=LONGEST), BeforeValidator(_one_line)]
YEAR = {"type": "integer", "minimum": YEARS.start, "maximum": YEARS.stop - 1}


class Search(Listing):
    """What the list can be asked for; what is left empty is any."""

    q: Part = ""
    """Words, each of which must occur in title, summary, programme or speakers."""
    organiser: Part = ""
    """A part of an organiser's or a partner's name."""
    audience: Part = ""
    """Words, each of which must occur in it."""
    year: Annotated[int | None, BeforeValidator(_year), WithJsonSchema({"anyOf": [YEAR, {"const": ""}]})] = None
    """In which it starts."""
    life: Annotated[Life | None, BeforeValidator(_life), WithJsonSchema({"enum": [*LIVES, ""]})] = None
    """Where it stands by the clock."""


def wanted_of(request: web.Request) -> Wanted:
    """Return what the query asks for; raises a 422 Problem that names each field that does not fit."""
    search = asked(request, Search)
    return Wanted(search.q, search.organiser, search.audience, search.year, search.life)


def behind(request: web.Request) -> Place | None:
    """Return the place from which on to list, None for the first page; raises a 422 Problem."""
    try:
        match after(request):
            case None:
                return None
            case [start, slug]:
                return datetime.fromisoformat(start).astimezone(UTC), slug
    except (ValueError, OverflowError):
        pass
    raise no_cursor()


def cursor_of(seminar: Seminar) -> str:
    """Return the cursor for what comes after the seminar."""
    return cursor(seminar.start.isoformat(), seminar.document.slug)


class Made(NamedTuple):
    """A revision and what it changed; None for the first."""

    revision: store.Revision
    changes: list[Difference] | None


async def history(connection: Connection, slug: str, before: int | None, limit: int) -> tuple[list[Made], str | None]:
    """Return a page of the seminar's revisions, the last first, from behind `before` on, and where to go on."""
    found = await store.history(connection, slug, before, limit + 1)
    earlier = [*found[1:], None]
    made = [Made(later, _changes(past, later)) for later, past in zip(found, earlier, strict=True)][:limit]
    return made, cursor(made[-1].revision.seminar.revision) if len(found) > limit else None


def _changes(before: store.Revision | None, after: store.Revision) -> list[Difference] | None:
    return differences(before.seminar.document, after.seminar.document) if before else None


async def context_of_list(connection: Connection, wanted: Wanted, place: Place | None, now: datetime) -> dict[str, Any]:
    """Return what the page says: every life's first seminars, or a page of the one that is wanted."""
    counts = await store_list.count(connection, wanted, now)
    lives = (wanted.life,) if wanted.life else LIVES
    return {
        "path": "/",
        "query": query_of(wanted),
        "sections": [await _section(connection, wanted, life, counts[life], place, now) for life in lives],
        "Life": Life,
        "wanted": wanted,
        "total": sum(counts.values()),
        "filtered": wanted != Wanted(),
        "years": await store_list.years(connection),
    }


async def _section(
    connection: Connection, wanted: Wanted, life: Life, total: int, place: Place | None, now: datetime
) -> Section:
    """Return one life's part of the page; of the cancelled, the first one has what somebody may still wait for."""
    limit = PAGE if wanted.life else FIRST
    narrowed = wanted._replace(life=life, ahead=life is Life.CANCELLED and wanted == Wanted())
    found = await store_list.search(connection, narrowed, place, limit + 1, now) if total else []
    more = None
    if len(found) > limit:
        further = {"after": cursor_of(found[limit - 1])} if wanted.life else {}
        more = f"/?{urlencode(query_of(narrowed) | further)}"
    return Section(life, found[:limit], total, more)


def query_of(wanted: Wanted) -> dict[str, str]:
    """Return the query that asks for the same."""
    asked = {
        "q": wanted.words,
        "year": str(wanted.year or ""),
        "organiser": wanted.organiser,
        "audience": wanted.audience,
        "life": wanted.life or "",
    }
    return {name: value for name, value in asked.items() if value}
