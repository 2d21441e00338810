"""What search engines, and whoever shares a page, are told of it: Open Graph, schema.org's Event, the languages."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from services.catalog.lives import moved_from
from services.catalog.model import Seminar
from services.catalog.programme import DocumentSpeaker
from services.catalog.prose import first_sentence, shortened
from shared.messages import LANGUAGES, Attendance, Language, Text
from shared.web.texts import catalogue, say

Thing = dict[str, Any]  # of schema.org's, in JSON-LD

SITE = "Fagseminar"
SCHEMA = "https://schema.org"
LOCALES: dict[Language, str] = {"nb": "nb_NO", "nn": "nn_NO", "en": "en_GB"}
MODES = {
    frozenset({Attendance.IN_PERSON}): "OfflineEventAttendanceMode",
    frozenset({Attendance.ONLINE}): "OnlineEventAttendanceMode",
    frozenset(Attendance): "MixedEventAttendanceMode",
}
NAMES = {Attendance.IN_PERSON: "In person", Attendance.ONLINE: "Online"}


class Head(NamedTuple):
    """What stands in the head of a page; `event` is JSON-LD."""

    canonical: str
    alternates: list[tuple[str, str]]
    description: str
    properties: list[tuple[str, str]]
    event: Thing | None = None


class Past(NamedTuple):
    """What a seminar's revisions tell: when it was to start, each time, and since when its recording is there."""

    starts: Sequence[datetime] = ()
    recorded: datetime | None = None


def of_list(public_url: str, language: Language) -> Head:
    """Return what stands in the head of the list of seminars."""
    gettext = catalogue(language).gettext
    invitation = gettext("Come in person or follow the livestream. Signing up takes less than a minute.")
    return _head(f"{public_url}/", gettext("Seminars"), invitation, language)


def of_seminar(seminar: Seminar, past: Past, now: datetime, public_url: str, language: Language) -> Head:
    """Return what stands in the head of a seminar's pages, of which the first is the one to be found and shared."""
    head = _head(page_of(seminar, public_url), headline(seminar, language), summary(seminar, language), language)
    return head._replace(event=event(seminar, past, now, public_url, language))


def page_of(seminar: Seminar, public_url: str) -> str:
    """Return the address of the seminar's page."""
    return f"{public_url}/seminars/{seminar.document.slug}"


def headline(seminar: Seminar, language: Language) -> str:
    """Return the title, and before it that the seminar is cancelled if it is."""
    title = say(seminar.document.title, language).text
    return f"{catalogue(language).gettext('Cancelled')}: {title}" if seminar.cancelled else title


def summary(seminar: Seminar, language: Language) -> str:
    """Return the summary on one line, or the description's first sentence."""
    document = seminar.document
    return shortened(say(document.summary, language).text) or first_sentence(say(document.description, language).text)


def alternates(address: str) -> list[tuple[str, str]]:
    """Return the page's addresses by language (BCP 47); without one it is in the language that the browser wants."""
    return [*((language, f"{address}?lang={language}") for language in LANGUAGES), ("x-default", address)]


def _head(canonical: str, title: str, description: str, language: Language) -> Head:
    properties = [
        ("og:type", "website"),
        ("og:site_name", SITE),
        ("og:title", title),
        ("og:description", description),
        ("og:url", canonical),
        ("og:locale", LOCALES[language]),
        *(("og:locale:alternate", LOCALES[other]) for other in LANGUAGES if other != language),
    ]
    given = [(name, content) for name, content in properties if content]
    return Head(canonical, alternates(canonical), description, given)


# --- schema.org ---


def event(seminar: Seminar, past: Past, now: datetime, public_url: str, language: Language) -> Thing:
    """Return the seminar as schema.org's Event, without what is not known; a stream's own address is never in it."""
    document, page = seminar.document, page_of(seminar, public_url)
    title = say(document.title, language)
    before = moved_from(seminar, past.starts)
    return {"@context": SCHEMA} | _thing(
        "Event",
        name=title.text,
        description=summary(seminar, language),
        url=page,
        inLanguage=title.language if isinstance(document.title, dict) else None,  # else nobody has said
        startDate=seminar.start.isoformat(),
        endDate=seminar.end.isoformat(),
        eventStatus=f"{SCHEMA}/{_status(seminar, before)}",
        previousStartDate=before.isoformat() if before else None,
        eventAttendanceMode=f"{SCHEMA}/{MODES[frozenset(document.attendance)]}",
        location=list(_locations(seminar, page, language)),
        organizer=[_organisation(name, language) for name in (*document.organisers, *document.partners)],
        performer=_performers(seminar, language),
        audience=_thing("Audience", audienceType=say(document.audience, language).text) if document.audience else None,
        isAccessibleForFree=True,
        offers=[_offer(seminar, attendance, now, public_url, language) for attendance in document.attendance],
        recordedIn=_recording(seminar, past, page, language),
    )


def _thing(kind: str, **known: Any) -> Thing:
    """Return a thing of schema.org's with the properties that are known."""
    return {"@type": kind} | {name: value for name, value in known.items() if value not in (None, "", [])}


def _status(seminar: Seminar, before: datetime | None) -> str:
    if seminar.cancelled:
        return "EventCancelled"
    return "EventRescheduled" if before else "EventScheduled"


def _locations(seminar: Seminar, page: str, language: Language) -> Iterator[Thing]:
    venue = seminar.document.venue
    if venue and Attendance.IN_PERSON in seminar.document.attendance:
        address = _thing("PostalAddress", streetAddress=venue.address)
        yield _thing("Place", name=say(venue.name, language).text, address=address)
    if Attendance.ONLINE in seminar.document.attendance:
        yield _thing("VirtualLocation", url=f"{page}/watch")


def _organisation(name: Text | None, language: Language) -> Thing:
    return _thing("Organization", name=say(name, language).text)


def _performers(seminar: Seminar, language: Language) -> list[Thing]:
    """Return the speakers that have a name, each once, as they stand in the programme first."""
    talks = (talk for block in seminar.document.programme for talk in block.talks)
    named: dict[str, DocumentSpeaker] = {}
    for speaker in (speaker for talk in talks for speaker in talk.speakers if speaker.name):
        named.setdefault(speaker.name or "", speaker)
    return [_person(speaker, language) for speaker in named.values()]


def _person(speaker: DocumentSpeaker, language: Language) -> Thing:
    affiliation = _organisation(speaker.affiliation, language) if speaker.affiliation else None
    return _thing("Person", name=speaker.name, jobTitle=say(speaker.role, language).text, affiliation=affiliation)


def _offer(seminar: Seminar, attendance: Attendance, now: datetime, public_url: str, language: Language) -> Thing:
    """Return how one signs up; whether seats are left is not known here."""
    document = seminar.document
    deadline = document.attendance[attendance].deadline
    return _thing(
        "Offer",
        name=catalogue(language).gettext(NAMES[attendance]),
        url=f"{public_url}/register/{document.slug}",
        price=0,
        priceCurrency="NOK",
        availability=f"{SCHEMA}/{'InStock' if seminar.is_open(attendance, now) else 'OutOfStock'}",
        validFrom=document.opens.isoformat() if document.opens else None,
        validThrough=(seminar.instant(deadline) if deadline else seminar.end).isoformat(),
    )


def _recording(seminar: Seminar, past: Past, page: str, language: Language) -> Thing | None:
    """Return the recording; where the stream was for some only, it may be at the stream's own address."""
    recording, livestream = seminar.document.recording, seminar.document.livestream
    if recording is None or seminar.cancelled:
        return None
    is_for_all = livestream is None or livestream.access == "public"
    return _thing(
        "VideoObject",
        name=say(seminar.document.title, language).text,
        description=summary(seminar, language),
        url=recording.url if is_for_all else f"{page}/watch",
        uploadDate=past.recorded.isoformat() if past.recorded else None,
    )
