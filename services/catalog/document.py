"""The seminar document: one schema for the file and the API, and what is wrong with what an organiser wrote."""

import re
from collections.abc import Iterator
from datetime import datetime, time
from functools import cache
from itertools import pairwise
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    NaiveDatetime,
    model_validator,
)

from shared.lines import one_line
from shared.messages import (
    Attendance,
    Block,
    Contact,
    Speaker,
    Talk,
    Text,
    Venue,
)

DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# ISO 8601-1, 5.5.2.2, without years, months and seconds
DURATION = re.compile(r"P(?=.)(\d{1,3}W)?(\d{1,4}D)?(T(?=.)(\d{1,4}H)?(\d{1,5}M)?)?", re.ASCII)


_zones = cache(available_timezones)  # which reads the whole time zone database


def _known_zone(name: str) -> str:
    if name not in _zones():
        raise ValueError(f"unknown time zone {name!r}; wants a name such as Europe/Oslo")
    return name


def _web_address(address: str) -> str:
    HttpUrl(address)
    return address


def _duration(text: str) -> str:
    if not DURATION.fullmatch(text):
        raise ValueError("wants an ISO 8601 duration in weeks, days, hours or minutes, such as P1D or PT15M")
    return text


def _local(moment: time) -> time:
    if moment.tzinfo is not None:
        raise ValueError("must be local to the seminar's zone, without a zone of its own")
    return moment


def _whole_day(deadline: object) -> object:
    """A deadline that is only a date lasts until that day is over."""
    return f"{deadline}T23:59:59" if isinstance(deadline, str) and DATE.fullmatch(deadline) else deadline


def _words(text: Text) -> Text:
    parts = text.values() if isinstance(text, dict) else [text]
    if not parts or not all(part.strip() for part in parts):
        raise ValueError("must not be blank")
    for part in parts:
        one_line(part)
    return text


Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]
LocalTime = Annotated[time, AfterValidator(_local)]
Address = Annotated[str, AfterValidator(_web_address)]
Duration = Annotated[str, AfterValidator(_duration)]
Moment = Annotated[NaiveDatetime, Field(ge=datetime(1970, 1, 1), lt=datetime(9000, 1, 1))]  # noqa: DTZ001 - local
Words = Annotated[Text, AfterValidator(_words)]


class Strict(BaseModel):
    """Part of a document: a field that is not known is an error, so that a misspelt one is not lost."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DocumentVenue(Venue, Strict):
    """Where those who attend in person go."""


class DocumentSpeaker(Speaker, Strict):
    """A person, an institution or both."""

    @model_validator(mode="after")
    def _somebody(self) -> "DocumentSpeaker":
        if not (self.name or self.affiliation):
            raise ValueError("a speaker has a name, an affiliation or both")
        return self


class DocumentTalk(Talk, Strict):
    """A talk with or without a time of its own, with or without known speakers."""

    title: Words
    start: LocalTime | None = None
    end: LocalTime | None = None
    speakers: tuple[DocumentSpeaker, ...] = ()


class DocumentBlock(Block, Strict):
    """A part of the programme or a pause, with the talks in it."""

    start: LocalTime
    end: LocalTime
    talks: tuple[DocumentTalk, ...] = ()

    @model_validator(mode="after")
    def _sound(self) -> "DocumentBlock":
        if self.end <= self.start:
            raise ValueError("the block ends before it starts")
        if not self.pause and not self.title:
            raise ValueError("a block needs a title unless it is a pause")
        for talk in self.talks:
            start, end = talk.start or self.start, talk.end or self.end
            if not self.start <= start <= end <= self.end:
                raise ValueError(f"the talk at {start:%H:%M}-{end:%H:%M} lies outside its block")
        return self


class DocumentMode(Strict):
    """Seats and deadline of one way to attend; the deadline is local to the seminar's zone."""

    capacity: Annotated[int | None, Field(ge=0, le=1_000_000)] = None
    deadline: Annotated[Moment | None, BeforeValidator(_whole_day)] = None


class DocumentRule(Strict):
    """A reminder rule: exactly one of the three moments; `at` is local to the seminar's zone."""

    before_start: Duration | None = None
    after_end: Duration | None = None
    at: Moment | None = None
    attendance: Annotated[tuple[Attendance, ...], Field(min_length=1)] = tuple(Attendance)

    @model_validator(mode="after")
    def _one_moment(self) -> "DocumentRule":
        if sum(moment is not None for moment in (self.before_start, self.after_end, self.at)) != 1:
            raise ValueError("wants exactly one of before_start, after_end and at")
        return self


class Livestream(Strict):
    """Where the seminar is streamed, and for whom."""

    url: Address | None = None
    access: Literal["public", "registered"] = "public"


class Recording(Strict):
    """Where the recording is."""

    url: Address


class DocumentContact(Contact, Strict):
    """Whom to ask."""

    email: Annotated[str | None, Field(pattern=r"^[^\s@]+@[^\s@]+\.[^\s@]+$")] = None


class Document(Strict):
    """The seminar document (README, "The seminar document"): the same for the file and the API."""

    slug: Slug
    status: Literal["draft", "published"] = "published"
    title: Words
    summary: Text | None = None
    description: Text | None = None
    start: Moment
    end: Moment
    zone: Annotated[str, AfterValidator(_known_zone)] = "Europe/Oslo"
    opens: AwareDatetime | None = None
    organisers: tuple[Words, ...] = ()
    audience: Text | None = None
    venue: DocumentVenue | None = None
    serving: Text | None = None
    attendance: Annotated[dict[Attendance, DocumentMode], Field(min_length=1)]
    livestream: Livestream | None = None
    recording: Recording | None = None
    programme: tuple[DocumentBlock, ...] = ()
    reminders: tuple[DocumentRule, ...] = ()
    contact: DocumentContact | None = None
    questions: Annotated[tuple[str, ...], Field(max_length=0)] = ()  # room for what registration cannot ask yet

    @model_validator(mode="after")
    def _sound(self) -> "Document":
        for field, moment in self._moments():
            _must_exist_once(field, moment, self.zone)
        if self.end <= self.start:
            raise ValueError("end: must be after start")
        for attendance, mode in self.attendance.items():
            if mode.deadline and mode.deadline > self.end:
                raise ValueError(f"attendance.{attendance}.deadline: must not be after the end")
        if Attendance.IN_PERSON in self.attendance and self.venue is None:
            raise ValueError("venue: needed when people can attend in person")
        self._check_programme()
        return self

    def _moments(self) -> Iterator[tuple[str, datetime]]:
        yield from (("start", self.start), ("end", self.end))
        for attendance, mode in self.attendance.items():
            if mode.deadline:
                yield f"attendance.{attendance}.deadline", mode.deadline
        for number, rule in enumerate(self.reminders):
            if rule.at:
                yield f"reminders.{number}.at", rule.at

    def _check_programme(self) -> None:
        for one, following in pairwise(self.programme):
            if following.start < one.end:
                raise ValueError(f"programme: the block at {following.start:%H:%M} overlaps the one before it")
        if self.programme and self.start.date() == self.end.date():
            first, last = self.programme[0], self.programme[-1]
            if first.start < self.start.time() or last.end > self.end.time():
                raise ValueError("programme: lies outside the seminar's start and end")


def _must_exist_once(field: str, moment: datetime, zone: str) -> None:
    """Refuse a local time that a change to or from summer time skips or repeats."""
    early, late = (moment.replace(tzinfo=ZoneInfo(zone), fold=fold).utcoffset() for fold in (0, 1))
    if early != late:
        raise ValueError(f"{field}: {moment:%Y-%m-%dT%H:%M} is skipped or comes twice in {zone} that day")
