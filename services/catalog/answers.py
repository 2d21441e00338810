"""What catalog's API answers, besides the seminar document."""

from services.catalog.fields import Moment
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
