"""What the organisers of one seminar ask those who sign up, as the document has it."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from services.catalog.fields import Id, Strict, Truth, Words
from shared.faults import Fault, complain, wrong
from shared.messages import Attendance

MOST_OPTIONS = 30
MOST_QUESTIONS = 20


class DocumentOption(Strict):
    """One of the answers that a question offers."""

    id: Id
    text: Words


class DocumentQuestion(Strict):
    """A question: answered in one's own words (text), with one option (choice) or with any number of them (several)."""

    id: Id
    text: Words
    kind: Literal["text", "choice", "several"] = "text"
    options: Annotated[tuple[DocumentOption, ...], Field(max_length=MOST_OPTIONS, validate_default=True)] = ()
    required: Truth = False
    attendance: Annotated[tuple[Attendance, ...], Field(min_length=1)] = tuple(Attendance)

    @field_validator("options")
    @classmethod
    def _fit_the_kind(cls, options: tuple[DocumentOption, ...], info: ValidationInfo) -> tuple[DocumentOption, ...]:
        kind = info.data.get("kind")
        if kind == "text" and options:
            raise wrong("are only for a question of the kind choice or several")
        if kind in ("choice", "several") and len(options) < 2:  # noqa: PLR2004 - one is no choice
            raise wrong("wants two options or more")
        complain(repeated(options))
        return options


def repeated(parts: tuple[DocumentOption, ...] | tuple[DocumentQuestion, ...]) -> Iterator[Fault]:
    """Yield a fault for each id that stands before."""
    ids = [part.id for part in parts]
    for number, own in enumerate(ids):
        if own in ids[:number]:
            yield Fault((number, "id"), "is used twice: each needs an id of its own")
