"""A seminar document as far as it matters to what is said to people; catalog judges the rest of it."""

from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from shared.faults import wrong
from shared.messages import Attendance, AttendanceMode, Frozen, LocalTime, SeminarSnapshot, Text, Venue
from shared.schedules import YEARS, Duration, Zone, check_one_moment

MOST_BLOCKS = 200
MOST_RULES = 100  # each is shown for both ways to attend, in every language


def _moment(given: object) -> datetime:
    try:
        moment = datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError:
        moment = None
    if not isinstance(moment, datetime) or moment.tzinfo or moment.year not in YEARS:
        raise wrong("wants a date and a time local to the seminar's zone, such as 2023-06-01T10:00")
    return moment


def _unix(given: Any) -> Any:
    """Return a browser's line ends as catalog keeps them, so that they are no move."""
    if isinstance(given, dict):
        return {key: _unix(part) for key, part in given.items()}
    return given.replace("\r\n", "\n") if isinstance(given, str) else given


Moment = Annotated[datetime, BeforeValidator(_moment)]


class ChangedRule(Frozen):
    """A reminder rule: exactly one of the three moments; `at` is local to the seminar's zone."""

    before_start: Duration | None = None
    after_end: Duration | None = None
    at: Moment | None = None
    attendance: Annotated[tuple[Attendance, ...], Field(min_length=1)] = tuple(Attendance)

    @model_validator(mode="after")
    def _one_moment(self) -> "ChangedRule":
        check_one_moment(self)
        return self


class ChangedBlock(Frozen):
    """A part of the programme, as far as people plan by it."""

    start: LocalTime
    end: LocalTime


class ChangedLivestream(Frozen):
    """The stream, as far as its address on the watch page depends on who one is."""

    access: Literal["public", "registered"] = "public"


class ChangedRecording(Frozen):
    """That there is a recording, wherever it is."""


class Change(Frozen):
    """The seminar document as it would be; what does not matter to e-mails and reminders is passed over."""

    title: Text
    summary: Annotated[Text | None, BeforeValidator(_unix)] = None
    status: Literal["draft", "published"] = "published"
    zone: Zone = "Europe/Oslo"
    start: Moment
    end: Moment
    venue: Annotated[Venue | None, BeforeValidator(_unix)] = None
    attendance: Annotated[dict[Attendance, object], Field(min_length=1)]
    programme: Annotated[tuple[ChangedBlock, ...], Field(max_length=MOST_BLOCKS)] = ()
    livestream: ChangedLivestream | None = None
    recording: ChangedRecording | None = None
    reminders: Annotated[tuple[ChangedRule, ...], Field(max_length=MOST_RULES)] = ()
    cancelled: bool = False
    """Not in a document: what if the seminar were cancelled."""

    @field_validator("end")
    @classmethod
    def _is_after_the_start(cls, end: datetime, info: ValidationInfo) -> datetime:
        start = info.data.get("start")
        if start and end <= start:
            raise wrong("must be after the start")
        return end


class AnnouncedError(ValueError):
    """A seminar that people have been told of cannot become a draft again."""


class CancelledError(ValueError):
    """A cancelled seminar is not changed any more."""


def changed(seminar: SeminarSnapshot, change: Change) -> SeminarSnapshot:
    """Return the snapshot that would come of the change; raises CancelledError, AnnouncedError."""
    if seminar.status == "cancelled":
        raise CancelledError
    if change.status == "draft":
        raise AnnouncedError
    zone = ZoneInfo(change.zone)
    rules = (rule.model_dump() | {"at": rule.at and rule.at.replace(tzinfo=zone)} for rule in change.reminders)
    modes = {way: seminar.attendance.get(way, AttendanceMode()).model_dump() for way in change.attendance}
    fields = change.model_dump(include={"title", "summary", "zone", "venue"}) | {
        "revision": seminar.revision + 1,
        "status": "cancelled" if change.cancelled else "published",
        "start": change.start.replace(tzinfo=zone),
        "end": change.end.replace(tzinfo=zone),
        "attendance": modes,
        "programme": tuple(block.model_dump() for block in change.programme),
        "stream_access": change.livestream and change.livestream.access,
        "recorded": change.recording is not None,
        "reminders": tuple(rules),
    }
    foreseen = SeminarSnapshot.model_validate(seminar.model_dump() | fields)
    return SeminarSnapshot.model_validate_json(foreseen.model_dump_json())  # as a message would bring it
