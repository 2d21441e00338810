"""The seminar document: one schema for the file, the API and the form, and what is wrong with what was written.

A rule over several fields stands at the field that it blames, and looks at those before it as far as they are sound
(`info.data` holds no others): that way all that is wrong is found at once. Fields are therefore in an order in which
each can be judged by the ones above it.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from services.catalog.fields import (
    Address,
    Deadline,
    Email,
    Instant,
    Line,
    LocalTime,
    Moment,
    Prose,
    Seats,
    Slug,
    Strict,
    Words,
    clock_faults,
    in_zone,
    web_address,
)
from services.catalog.programme import DocumentBlock, programme_faults
from services.catalog.questions import MOST_QUESTIONS, DocumentQuestion, repeated
from shared.faults import Fault, complain, wrong
from shared.messages import Attendance, Contact, Venue
from shared.schedules import Duration, Zone, check_one_moment


class DocumentVenue(Venue, Strict):
    """Where those who attend in person go."""

    name: Words
    address: Line
    directions: Prose | None = None


class DocumentMode(Strict):
    """Seats (None: unlimited) and deadline (None: until the end) of one way to attend; the times are local.

    Until `promote_until` (None: the deadline) a seat that becomes free goes to the first in line.
    """

    capacity: Seats | None = None
    deadline: Deadline | None = None
    promote_until: Deadline | None = None


class DocumentRule(Strict):
    """A reminder rule: exactly one of the three moments; `at` is local to the seminar's zone."""

    before_start: Duration | None = None
    after_end: Duration | None = None
    at: Moment | None = None
    attendance: Annotated[tuple[Attendance, ...], Field(min_length=1)] = tuple(Attendance)

    @model_validator(mode="after")
    def _one_moment(self) -> "DocumentRule":
        check_one_moment(self)
        return self


class Livestream(Strict):
    """Where the seminar is streamed, once that is known, and for whom."""

    url: Address | None = None
    access: Literal["public", "registered"] = "public"


class Recording(Strict):
    """Where the recording is, and how one gets to a talk in it.

    `starts` is the time of day at which the recording begins: what is known to start later is linked as a chapter. The
    link is made from `chapters`, where {url} is the recording's address and {seconds} the distance from its beginning.
    """

    url: Address
    starts: LocalTime | None = None
    chapters: str = "{url}#t={seconds}"  # Media Fragments URI 1.0, section 4.2.1, which a film file understands

    @field_validator("chapters")
    @classmethod
    def _leads_somewhere(cls, chapters: str) -> str:
        left = chapters.replace("{url}", "").replace("{seconds}", "")
        if "{seconds}" not in chapters or "{" in left or "}" in left:
            raise wrong("wants an address with {seconds} and perhaps {url} in it, such as {url}?t={seconds}")
        web_address(chapter_link(chapters, "https://example.org/film", 0))
        return chapters


def chapter_link(chapters: str, url: str, seconds: int) -> str:
    """Return the address of the place `seconds` into the recording at `url`."""
    return chapters.replace("{seconds}", str(seconds)).replace("{url}", url)


class DocumentContact(Contact, Strict):
    """Whom to ask."""

    name: Words
    email: Email | None = None


class Document(Strict):
    """The seminar document (README, "A seminar file"): the same for the file, the API and the form."""

    slug: Slug
    status: Literal["draft", "published"] = "published"
    title: Words
    summary: Prose | None = None
    description: Prose | None = None
    zone: Zone = "Europe/Oslo"
    start: Moment
    end: Moment
    opens: Instant | None = None
    organisers: tuple[Words, ...] = ()
    partners: tuple[Words, ...] = ()  # with whom the organisers invite
    audience: Prose | None = None
    attendance: Annotated[dict[Attendance, DocumentMode], Field(min_length=1)]
    venue: Annotated[DocumentVenue | None, Field(validate_default=True)] = None
    serving: Prose | None = None
    livestream: Livestream | None = None
    recording: Recording | None = None
    programme: tuple[DocumentBlock, ...] = ()
    reminders: tuple[DocumentRule, ...] = ()
    contact: DocumentContact | None = None
    questions: Annotated[tuple[DocumentQuestion, ...], Field(max_length=MOST_QUESTIONS)] = ()

    @field_validator("start", "end")
    @classmethod
    def _comes_once(cls, moment: datetime, info: ValidationInfo) -> datetime:
        complain(clock_faults((), moment, info.data.get("zone")))
        return moment

    @field_validator("end")
    @classmethod
    def _is_after_the_start(cls, end: datetime, info: ValidationInfo) -> datetime:
        start = info.data.get("start")
        if start and end <= start:
            raise wrong("must be after the start")
        return end

    @field_validator("opens")
    @classmethod
    def _opens_before_the_end(cls, opens: datetime | None, info: ValidationInfo) -> datetime | None:
        zone, end = info.data.get("zone"), info.data.get("end")
        if opens and zone and end and opens >= in_zone(end, zone):
            raise wrong("must be before the end")
        return opens

    @field_validator("attendance")
    @classmethod
    def _has_deadlines_in_time(
        cls, attendance: dict[Attendance, DocumentMode], info: ValidationInfo
    ) -> dict[Attendance, DocumentMode]:
        complain(_moment_faults(attendance, info.data))
        return attendance

    @field_validator("venue")
    @classmethod
    def _is_there_for_those_who_come(cls, venue: DocumentVenue | None, info: ValidationInfo) -> DocumentVenue | None:
        if venue is None and Attendance.IN_PERSON in info.data.get("attendance", {}):
            raise wrong("is needed when people can attend in person")
        return venue

    @field_validator("programme")
    @classmethod
    def _fits(cls, programme: tuple[DocumentBlock, ...], info: ValidationInfo) -> tuple[DocumentBlock, ...]:
        known = info.data
        complain(programme_faults(programme, known.get("start"), known.get("end"), known.get("zone")))
        return programme

    @field_validator("reminders")
    @classmethod
    def _come_once(cls, reminders: tuple[DocumentRule, ...], info: ValidationInfo) -> tuple[DocumentRule, ...]:
        zone = info.data.get("zone")
        complain(
            fault for number, rule in enumerate(reminders) for fault in clock_faults((number, "at"), rule.at, zone)
        )
        return reminders

    @field_validator("questions")
    @classmethod
    def _are_told_apart(cls, questions: tuple[DocumentQuestion, ...]) -> tuple[DocumentQuestion, ...]:
        complain(repeated(questions))
        return questions


def _moment_faults(attendance: dict[Attendance, DocumentMode], known: dict[str, Any]) -> Iterator[Fault]:
    end = known.get("end")
    for name, mode in attendance.items():
        for field, moment in (("deadline", mode.deadline), ("promote_until", mode.promote_until)):
            yield from clock_faults((name, field), moment, known.get("zone"))
            if moment and end and moment > end:
                yield Fault((name, field), "must not be after the end")
