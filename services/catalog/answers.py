"""What catalog's API answers, besides the seminar document."""

from datetime import datetime

from services.catalog.fields import Moment
from services.catalog.warnings import Kind
from shared.messages import Text
from shared.web.bodies import AnswerBody


class ListedSeminar(AnswerBody):
    """What a list says of a seminar; its times are local to its zone."""

    slug: str
    title: Text
    summary: Text | None
    start: Moment
    end: Moment
    zone: str
    organisers: tuple[Text, ...]
    cancelled: bool


class Seminars(AnswerBody):
    """The seminars that were asked for."""

    items: tuple[ListedSeminar, ...]
    next: str | None
    """What to ask for as after to go on; null at the end."""


class Said(AnswerBody):
    """What is wrong with a field."""

    field: str
    """Its path, such as programme.0.talks.2.start."""
    detail: str


class Warned(Said):
    """What an organiser may want to hear of a field."""

    kind: Kind


class Checked(AnswerBody):
    """What there is to say of a document; where there are errors, warnings come once they are mended."""

    errors: tuple[Said, ...] = ()
    warnings: tuple[Warned, ...] = ()


class Changed(AnswerBody):
    """A field that a revision changed; null stands for nothing."""

    field: str
    """Its path, such as programme.0.talks.2.start."""
    before: str | int | bool | None
    after: str | int | bool | None


class RevisionShown(AnswerBody):
    """A revision: whose it is, since when, and what it changed."""

    revision: int
    by: str
    at: datetime
    cancelled: bool
    differences: tuple[Changed, ...]
    """None for the first."""


class Revisions(AnswerBody):
    """A seminar's revisions, the last first."""

    items: tuple[RevisionShown, ...]
    next: str | None
    """What to ask for as after to go on; null at the end."""
