"""A seminar once more on another day."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator

from services.catalog.document import Document
from services.catalog.fields import DATE, MOMENT, Slug, Strict, in_zone
from shared.faults import wrong


def _day(given: object) -> date:
    """A copy keeps its times of day, so that only the day of a moment counts."""
    try:
        if isinstance(given, str) and (DATE.fullmatch(given) or MOMENT.fullmatch(given)):
            return datetime.fromisoformat(given).date()
    except ValueError:
        pass
    raise wrong("wants a date, such as 2023-06-01")


class Copy(Strict):
    """What is new about a copy: its slug and the day it starts; it starts at the same time of day."""

    slug: Slug
    start: Annotated[date, BeforeValidator(_day)]


def copied(document: Document, copy: Copy) -> Document:
    """Return a draft in which every time is as many days later (or earlier) as the start is.

    Stream and recording are the old one's own and stay behind. Raises ValidationError where a day does not fit, as when
    the clocks change on it.
    """
    days = copy.start - document.start.date()
    fields = {name: _moved(value, days, document.zone) for name, value in document.model_dump().items()}
    livestream = {**fields["livestream"], "url": None} if document.livestream else None
    return Document(**fields | {"slug": copy.slug, "status": "draft", "livestream": livestream, "recording": None})


def _moved(value: Any, days: timedelta, zone: str) -> Any:
    """Move whatever has a date; a time of day, as the programme's, stays."""
    match value:
        case datetime() if value.tzinfo:
            return in_zone(value.astimezone(ZoneInfo(zone)).replace(tzinfo=None) + days, zone)
        case datetime():
            return value + days
        case Mapping():
            return {name: _moved(part, days, zone) for name, part in value.items()}
        case tuple():
            return tuple(_moved(part, days, zone) for part in value)
    return value
