"""What notification's API answers, and what stands in its queries."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, WithJsonSchema

from services.notification.model import TO_PEOPLE, Kind, State
from shared.messages import Attendance, Language
from shared.web.bodies import AnswerBody
from shared.web.queries import Query


class Email(AnswerBody):
    """An e-mail and what has become of it."""

    id: UUID
    registration: UUID
    """The id of the registration that it concerns."""
    kind: Kind
    rule: str
    """Of a reminder, as it stands in the seminar; else empty."""
    generation: int
    """The version, revision, request or rule generation that caused it."""
    to: str
    state: State
    reason: str | None
    """Why it was not sent."""
    due_at: datetime
    sent_at: datetime | None
    attempts: int
    ambiguous: int
    """Copies that may have arrived without our knowing."""
    smtp_reply: str | None
    """What the mail server answered last."""
    message_id: str
    """The header Message-ID (RFC 5322, section 3.6.4)."""


class Emails(AnswerBody):
    """A seminar's e-mails in the order they are due."""

    items: tuple[Email, ...]
    next: str | None
    """What to ask for as after to go on; null at the end."""


class Retried(AnswerBody):
    """An e-mail that will be tried again."""

    id: UUID
    state: Literal[State.PENDING] = State.PENDING


class Reminder(AnswerBody):
    """A reminder rule for one way to attend."""

    rule: str
    """As it stands in the seminar."""
    attendance: Attendance
    due_at: datetime
    expires_at: datetime
    """From when on it is not sent any more."""
    state: Literal["scheduled", "materialised", "closed"]
    """Planned; written as e-mails; or past before anybody could get it."""
    generation: int
    """From 1, higher whenever its moment moves."""
    recipients: int
    """How many people it reaches."""


class Reminders(AnswerBody):
    """A seminar's reminders in the order they are due; the list is never long enough to go on."""

    items: tuple[Reminder, ...]
    next: None = None


def _told(kind: Kind) -> Kind:
    if kind not in TO_PEOPLE:
        raise ValueError(f"must be one of {', '.join(TO_PEOPLE)}")
    return kind


class PreviewRequest(Query):
    """Which e-mail to show, and as whoever attends so and reads this language would get it."""

    seminar: str
    kind: Annotated[Kind, AfterValidator(_told), WithJsonSchema({"type": "string", "enum": list(TO_PEOPLE)})]
    attendance: Attendance
    language: Language
    rule: str | None = None
    """Of a reminder, which rule."""
