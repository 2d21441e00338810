"""What the list can be asked for, and what of a seminar it is found by."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple
from unicodedata import normalize
from zoneinfo import ZoneInfo

from services.catalog.document import Document
from services.catalog.model import Life
from shared.messages import Speaker, Text

YEARS_ZONE = ZoneInfo("Europe/Oslo")  # in which a year begins and ends for whoever filters by it


class Wanted(NamedTuple):
    """Which seminars; what is left empty is any."""

    words: str = ""  # each must occur in title, summary, programme or speakers, perhaps as a part of a longer one
    organiser: str = ""  # a part of an organiser's or a partner's name
    audience: str = ""  # each word must occur
    year: int | None = None
    life: Life | None = None
    ahead: bool = False  # only those whose end is still to come


class Found(NamedTuple):
    """The texts by which a seminar is found, folded."""

    words: str
    organisers: str
    audience: str


def span(year: int) -> tuple[datetime, datetime]:
    """Return the first instant of the year and the first one after it."""
    return datetime(year, 1, 1, tzinfo=YEARS_ZONE), datetime(year + 1, 1, 1, tzinfo=YEARS_ZONE)


def fold(text: str) -> str:
    """Return the text without what does not count when one searches: case, ways to write a letter, width of spaces."""
    return " ".join(normalize("NFC", text).casefold().split())


def found_by(document: Document) -> Found:
    """Return what the seminar is found by, in every language that it has."""
    return Found(
        words=_folded([document.title, document.summary, *_programme(document)]),
        organisers=_folded([*document.organisers, *document.partners]),
        audience=_folded([document.audience]),
    )


def _programme(document: Document) -> Iterator[Text | None]:
    for block in document.programme:
        yield block.title
        for talk in block.talks:
            yield talk.title
            for speaker in talk.speakers:
                yield from _speaker(speaker)


def _speaker(speaker: Speaker) -> tuple[Text | None, ...]:
    return speaker.name, speaker.role, speaker.affiliation


def _folded(texts: list[Text | None]) -> str:
    """Return each text on a line of its own, so that nothing is found across two of them."""
    lines: dict[str, None] = {}  # in their order, each once
    for text in texts:
        for part in text.values() if isinstance(text, dict) else [text or ""]:
            lines[fold(part)] = None
    return "\n".join(line for line in lines if line)
