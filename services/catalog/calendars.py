"""A seminar as a calendar entry that anyone may have."""

from collections.abc import Sequence
from datetime import UTC, datetime

from services.catalog.store_announced import Announced
from shared.calendar import Entry, Subscription, calendar, uid
from shared.messages import Language
from shared.web.pages import place_text
from shared.web.texts import say

NOTHING = datetime(1970, 1, 1, tzinfo=UTC)  # when a calendar without entries was made


def published(
    seminars: Sequence[Announced], public_url: str, language: Language, subscription: Subscription | None = None
) -> bytes:
    """Return the seminars as one iCalendar object, METHOD:PUBLISH, the same until one of them changes."""
    entries = [_entry(found, public_url, language) for found in seminars]
    made = max((found.changed for found in seminars), default=NOTHING)
    return calendar(entries, "PUBLISH", made, subscription)


def _entry(found: Announced, public_url: str, language: Language) -> Entry:
    seminar = found.seminar
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
        created=found.since,
        changed=found.changed,
    )
