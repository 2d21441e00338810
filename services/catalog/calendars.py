"""A seminar as a calendar entry that anyone may have."""

from datetime import datetime

from services.catalog.model import Seminar
from shared.calendar import Entry, calendar, uid
from shared.messages import Language
from shared.web.pages import place_text
from shared.web.texts import say


def published(seminars: list[Seminar], public_url: str, language: Language, now: datetime) -> bytes:
    """Return the seminars as one iCalendar object, METHOD:PUBLISH."""
    return calendar([_entry(seminar, public_url, language) for seminar in seminars], "PUBLISH", now)


def _entry(seminar: Seminar, public_url: str, language: Language) -> Entry:
    document = seminar.document
    page = f"{public_url}/seminars/{document.slug}"
    return Entry(
        uid=uid(document.slug, public_url),
        sequence=seminar.revision,
        summary=say(document.title, language).text,
        description=f"{say(document.summary, language).text}\n\n{page}".strip(),
        location=place_text(document.venue, language) or f"{page}/watch",
        url=page,
        start=seminar.start,
        end=seminar.end,
        zone=document.zone,
        organiser=document.contact.email if document.contact else None,
        cancelled=seminar.cancelled,
    )
