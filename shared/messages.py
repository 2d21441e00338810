"""The published language: every message that travels between services.

CloudEvents 1.0 in structured JSON mode. Fields are only ever added; a breaking change is a new type.
Each message carries the whole of its subject with a revision or version, so consumers keep the newest they have seen.
"""

from datetime import time
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

Language = Literal["nb", "nn", "en"]
LANGUAGES: tuple[Language, ...] = ("nb", "nn", "en")
Text = Annotated[str | dict[Language, str], Field(description="One text for all, or one a language.")]
# JSON Schema's own format "time" demands an offset from UTC.
LocalTime = Annotated[time, WithJsonSchema({"type": "string", "pattern": r"^\d\d:\d\d:\d\d(\.\d+)?$"})]


class Frozen(BaseModel):
    """A value; what a newer sender has added is passed over."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


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
    """How to find in, once there."""


class Speaker(Frozen):
    """Who gives a talk: a person, an institution, or both."""

    name: str | None = None
    role: Text | None = None
    affiliation: Text | None = None


class Talk(Frozen):
    """One talk; its time, local to the seminar's zone, is known or not."""

    title: Text
    start: LocalTime | None = None
    end: LocalTime | None = None
    speakers: tuple[Speaker, ...] = ()


class Block(Frozen):
    """A part of the programme, or a pause; times are local to the seminar's zone."""

    title: Text | None = None
    pause: bool = False
    start: LocalTime
    end: LocalTime
    talks: tuple[Talk, ...] = ()


class AttendanceMode(Frozen):
    """The room for one way to attend."""

    capacity: int | None = None
    """Seats; unlimited if it is left out."""
    deadline: AwareDatetime | None = None
    """The last instant to sign up; the end of the seminar if it is left out."""
    promote_until: AwareDatetime | None = None
    """The last instant at which a free seat goes to whoever waits; the deadline if it is left out."""


class Option(Frozen):
    """One of the answers that a question offers."""

    id: str
    """What is stored; unique in the question."""
    text: Text


class Question(Frozen):
    """What the organisers of this seminar ask those who sign up."""

    id: str
    """What its answer is stored under; unique in the seminar."""
    text: Text
    kind: Literal["text", "choice", "several"]
    """Answered in one's own words, with one of the options, or with any number of them."""
    options: tuple[Option, ...] = ()
    required: bool = False
    attendance: tuple[Attendance, ...] = tuple(Attendance)
    """Whom it is asked: those who attend in one of these ways."""


class ReminderRule(Frozen):
    """When a reminder is due, by exactly one of three, and for whom."""

    before_start: str | None = None
    """An ISO 8601 duration: P1D is the same wall-clock time the day before, PT24H exactly 24 hours."""
    after_end: str | None = None
    """An ISO 8601 duration."""
    at: AwareDatetime | None = None
    attendance: tuple[Attendance, ...]


class Contact(Frozen):
    """Whom to ask."""

    name: Text
    email: str | None = None


class SeminarSnapshot(Frozen):
    """A seminar as of one revision. The stream's own address stays in catalog: links go by its watch page."""

    slug: str
    """The seminar's name in addresses, which never changes."""
    revision: int
    """From 1, higher with every change."""
    status: Literal["published", "cancelled"]
    title: Text
    summary: Text | None = None
    start: AwareDatetime
    end: AwareDatetime
    zone: str
    """The IANA time zone that people at the seminar live in."""
    opens: AwareDatetime | None = None
    """The instant from which one can sign up; at once if it is left out."""
    organisers: tuple[Text, ...] = ()
    partners: tuple[Text, ...] = ()
    venue: Venue | None = None
    serving: Text | None = None
    attendance: dict[Attendance, AttendanceMode]
    """The ways to attend that there are."""
    stream_access: Literal["public", "registered"] | None = None
    """Who may watch the stream; left out while there is none."""
    recorded: bool = False
    """Whether the watch page has a recording."""
    programme: tuple[Block, ...] = ()
    reminders: tuple[ReminderRule, ...] = ()
    contact: Contact | None = None
    questions: tuple[Question, ...] = ()


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
    """From 1, higher with every change."""
    seminar: str
    """Its slug."""
    status: RegistrationStatus
    attendance: Attendance
    name: str
    email: str
    language: Language
    registered_at: AwareDatetime
    confirmed_at: AwareDatetime | None = None
    """The instant of becoming confirmed for this attendance; of who waits but attends online meanwhile, for online."""
    online_meanwhile: bool = False
    """Whether somebody who waits for a seat attends online until there is one."""
    checked_in_at: AwareDatetime | None = None
    """When they were seen to come, if they were."""
    cause: Literal["oneself", "organiser", "cut_off"] = "oneself"
    """Who made this version: the one it is about, an organiser, or the waiting list that closed."""
    place: int | None = None
    """In the waiting list, from 1, as of this version."""
    link_version: int = 1
    """Which of the links that were mailed are valid: those of this version."""
    link_request: int | None = None
    """In registration.link_requested: which one since sign-up."""


class ErasedRegistration(Frozen):
    """A registration whose personal data everybody who holds some erases now."""

    id: UUID
    version: int
    """Higher than any before; nothing comes after it."""
    seminar: str
    """Its slug."""


# --- email.*, from notification ---


class EmailSnapshot(Frozen):
    """What became of an e-mail."""

    id: UUID
    registration: UUID
    """The id of the registration that it concerns."""
    seminar: str
    """Its slug."""
    kind: str
    """What it says, as confirmation or reminder; kinds are added without notice."""
    generation: int
    """The version, revision, request or rule generation that caused it."""
    message_id: str
    """The header Message-ID (RFC 5322, section 3.6.4)."""
    smtp_reply: str | None = None
    """What the mail server answered last, or reported afterwards."""


# --- all of them ---

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
    "registration.checked_in": RegistrationSnapshot,
    "registration.erased": ErasedRegistration,
    "email.sent": EmailSnapshot,
    "email.failed": EmailSnapshot,
    "email.bounced": EmailSnapshot,
}

MEANINGS: dict[str, str] = {
    "seminar.published": "A seminar is there to be seen and attended.",
    "seminar.changed": "Something about a published seminar is different; a moved start is too.",
    "seminar.cancelled": "A published seminar will not take place.",
    "seminar.recording_published": "The watch page of a seminar has its recording.",
    "registration.confirmed": "Somebody has signed up and will attend.",
    "registration.waitlisted": "Somebody has signed up for a full room and waits for a seat.",
    "registration.promoted": "Somebody who waited has got a seat.",
    "registration.changed": "Somebody attends in another way, or has corrected what they told of themselves.",
    "registration.cancelled": "Somebody will not attend after all.",
    "registration.link_requested": "Somebody who is registered wants their own link once more; nothing has changed.",
    "registration.checked_in": "Somebody was seen to come, or that was taken back.",
    "registration.erased": "What is known of somebody is to be forgotten, by their wish or because its time is over.",
    "email.sent": "A mail server has taken an e-mail over.",
    "email.failed": "An e-mail was given up and will not be sent again by itself.",
    "email.bounced": "A mail server that had taken an e-mail over could not deliver it.",
}

FROM_THE_SENDER = frozenset({"id", "specversion"})  # required by CloudEvents; the defaults are for messages made here


class Message(Frozen):
    """A CloudEvents 1.0 envelope; `correlationid` is an extension attribute (CloudEvents 1.0, section 3.1)."""

    specversion: Literal["1.0"] = "1.0"
    id: UUID = Field(default_factory=uuid4)
    """The same however often it is delivered: each consumer lets it have one effect."""
    source: str
    """Whose message it is: a slash and the service's name."""
    type: str
    """What has happened; also the routing key."""
    subject: str
    """Whom it happened to: the slug of the seminar, or the id of the registration or e-mail."""
    time: AwareDatetime
    """When it happened, by the sender's clock."""
    datacontenttype: Literal["application/json"] = "application/json"
    correlationid: str = ""
    """Of the request that began it all; empty if none did."""
    data: SerializeAsAny[Frozen]
    """The whole of the subject as it was then; what it is goes by `type`."""

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
        message = Message.model_validate_json(body)
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, e["loc"])) or "body" for e in error.errors()}))
        raise MalformedMessageError(f"malformed: {fields}") from None
    if lacking := FROM_THE_SENDER - message.model_fields_set:
        raise MalformedMessageError(f"malformed: {', '.join(sorted(lacking))}")
    return message
