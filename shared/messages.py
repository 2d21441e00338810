"""The published language: every message that travels between services.

CloudEvents 1.0 in structured JSON mode. Fields are only ever added; a breaking change is a new type.
Each message carries the whole of its subject with a revision or version, so consumers keep the newest they have seen.
"""

from datetime import time
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID, uuid4

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
)

Language = Literal["nb", "nn", "en"]
LANGUAGES: tuple[Language, ...] = ("nb", "nn", "en")
Text = str | dict[Language, str]  # one text for all, or one a language


class Frozen(BaseModel):
    """A value; what a newer sender has added is passed over."""

    model_config = ConfigDict(frozen=True)


class Attendance(StrEnum):
    """How somebody attends."""

    IN_PERSON = "in_person"
    ONLINE = "online"


# --- seminar.*, from catalog ---


class Venue(Frozen):
    """Where those who attend in person go."""

    name: Text
    address: str
    directions: Text | None = None


class Speaker(Frozen):
    """Who gives a talk: a person, an institution, or both."""

    name: str | None = None
    role: Text | None = None
    affiliation: Text | None = None


class Talk(Frozen):
    """One talk; its time is known or not."""

    title: Text
    start: time | None = None
    end: time | None = None
    speakers: tuple[Speaker, ...] = ()


class Block(Frozen):
    """A part of the programme, or a pause; times are local to the seminar's zone."""

    title: Text | None = None
    pause: bool = False
    start: time
    end: time
    talks: tuple[Talk, ...] = ()


class AttendanceMode(Frozen):
    """The room for one way to attend: seats (None: unlimited) and the last instant to sign up (None: until the end)."""

    capacity: int | None = None
    deadline: AwareDatetime | None = None


class ReminderRule(Frozen):
    """When a reminder is due: an ISO 8601 duration before the start or after the end, or an instant; and for whom."""

    before_start: str | None = None
    after_end: str | None = None
    at: AwareDatetime | None = None
    attendance: tuple[Attendance, ...]


class Contact(Frozen):
    """Whom to ask."""

    name: Text
    email: str | None = None


class SeminarSnapshot(Frozen):
    """A seminar as of one revision. The stream's own address stays in catalog: links go by its watch page."""

    slug: str
    revision: int
    status: Literal["published", "cancelled"]
    title: Text
    summary: Text | None = None
    start: AwareDatetime
    end: AwareDatetime
    zone: str
    opens: AwareDatetime | None = None
    organisers: tuple[Text, ...] = ()
    partners: tuple[Text, ...] = ()
    venue: Venue | None = None
    serving: Text | None = None
    attendance: dict[Attendance, AttendanceMode]
    stream_access: Literal["public", "registered"] | None = None
    recorded: bool = False
    programme: tuple[Block, ...] = ()
    reminders: tuple[ReminderRule, ...] = ()
    contact: Contact | None = None


# --- registration.*, from registration ---


class RegistrationStatus(StrEnum):
    """Where a registration stands."""

    CONFIRMED = "confirmed"
    WAITLISTED = "waitlisted"
    CANCELLED = "cancelled"


class RegistrationSnapshot(Frozen):
    """A registration as of one version: what its e-mails need, no more."""

    id: UUID
    version: int
    seminar: str
    status: RegistrationStatus
    attendance: Attendance
    name: str
    email: str
    language: Language
    registered_at: AwareDatetime
    confirmed_at: AwareDatetime | None = None  # the instant of becoming confirmed for this attendance
    place: int | None = None  # in the waiting list, from 1, as of this version
    link_version: int = 1
    link_request: int | None = None  # in registration.link_requested: which one since sign-up


# --- email.*, from notification ---


class EmailSnapshot(Frozen):
    """What became of an e-mail."""

    id: UUID
    registration: UUID
    seminar: str
    kind: str
    generation: int
    message_id: str
    smtp_reply: str | None = None


DATA: dict[str, type[Frozen]] = {
    "seminar.published": SeminarSnapshot,
    "seminar.changed": SeminarSnapshot,
    "seminar.cancelled": SeminarSnapshot,
    "seminar.recording_published": SeminarSnapshot,
    "registration.confirmed": RegistrationSnapshot,
    "registration.waitlisted": RegistrationSnapshot,
    "registration.promoted": RegistrationSnapshot,
    "registration.changed": RegistrationSnapshot,
    "registration.cancelled": RegistrationSnapshot,
    "registration.link_requested": RegistrationSnapshot,
    "email.sent": EmailSnapshot,
    "email.failed": EmailSnapshot,
}


class Message(Frozen):
    """A CloudEvents 1.0 envelope; `correlationid` is an extension attribute (CloudEvents 1.0, section 3.1)."""

    specversion: Literal["1.0"] = "1.0"
    id: UUID = Field(default_factory=uuid4)
    source: str
    type: str
    subject: str
    time: AwareDatetime
    datacontenttype: Literal["application/json"] = "application/json"
    correlationid: str = ""
    data: SerializeAsAny[Frozen]

    @field_validator("data", mode="before")
    @classmethod
    def _typed(cls, data: Any, info: ValidationInfo) -> Any:
        kind = DATA.get(info.data.get("type", ""))
        if kind is None:
            raise ValueError("unknown message type")
        return kind.model_validate(data)


class MalformedMessageError(ValueError):
    """The bytes are no message that we know; delivering them again will not help."""


def encode(message: Message) -> bytes:
    """Return the message as CloudEvents structured JSON (JSON Event Format 1.0, section 3)."""
    return message.model_dump_json(exclude_none=True).encode()


def decode(body: bytes | str) -> Message:
    """Return the message in `body`; raises MalformedMessageError."""
    try:
        return Message.model_validate_json(body)
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, e["loc"])) or "body" for e in error.errors()}))
        raise MalformedMessageError(f"malformed: {fields}") from None
