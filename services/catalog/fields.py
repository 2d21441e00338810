"""The kinds of field that a seminar document is made of; each says what would be right."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, time
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    ValidationError,
    WithJsonSchema,
)

from shared.faults import Fault, Place, complain, wrong
from shared.lines import one_line
from shared.messages import LANGUAGES, Text
from shared.schedules import YEARS

SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"
TAKEN_SLUGS = frozenset({"new"})  # /organiser/seminars/new is the empty form
ID = r"^[a-z0-9]+([-_][a-z0-9]+)*$"
EMAIL = r"^[^\s@]+@[^\s@]+\.[^\s@]+$"
DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?", re.ASCII)
WHOLE = re.compile(r"\d{1,9}", re.ASCII)
TRUTHS = {"true": True, "yes": True, "false": False, "no": False}  # as a file has them
TIME = re.compile(r"\d\d:\d\d(:\d\d)?", re.ASCII)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")  # all but tab and line feed; and halves of characters
MOST_SEATS = 1_000_000


class Strict(BaseModel):
    """Part of a document: a field that is not known is an error, so that a misspelt one is not lost."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- texts ---


def _line(place: Place, given: object) -> Iterator[Fault]:
    if not isinstance(given, str):
        yield Fault(place, "wants a text")
    elif not given.strip():
        yield Fault(place, "must not be blank")
    elif not _is_one_line(given):
        yield Fault(place, "must be one line, without control characters and without =?")


def _is_one_line(text: str) -> bool:
    try:
        one_line(text)
    except ValueError:
        return False
    return True


def _paragraphs(place: Place, given: object) -> Iterator[Fault]:
    if not isinstance(given, str):
        yield Fault(place, "wants a text")
    elif not given.strip():
        yield Fault(place, "must not be blank")
    elif CONTROL.search(given.replace("\r\n", "\n")):
        yield Fault(place, "must not contain control characters")


def _by_language(check: Callable[[Place, object], Iterator[Fault]]) -> Callable[[object], object]:
    def each(given: object) -> object:
        complain(_each(check, given))
        if isinstance(given, dict):
            return {language: _unix(part) for language, part in given.items()}
        return _unix(given)

    return each


def _each(check: Callable[[Place, object], Iterator[Fault]], given: object) -> Iterator[Fault]:
    if not isinstance(given, dict):
        yield from check((), given)
        return
    if not given:
        yield Fault((), "must not be blank")
    for language, part in given.items():
        if language in LANGUAGES:
            yield from check((language,), part)
        else:
            yield Fault((str(language),), "is no language of these pages: wants nb, nn or en")


def _unix(part: Any) -> Any:
    """Return a browser's line ends as a file has them."""
    return part.replace("\r\n", "\n")


def _single(given: object) -> object:
    complain(_line((), given))
    return given


def _slug(text: str) -> str:
    if not re.fullmatch(SLUG, text):
        raise wrong("wants small letters from a to z, digits and single hyphens, such as planstrategi-4-0")
    if text in TAKEN_SLUGS:
        raise wrong("is taken by one of our own pages")
    return text


def _id(text: str) -> str:
    if not re.fullmatch(ID, text):
        raise wrong("wants small letters from a to z, digits and single hyphens or underscores, such as bus_home")
    return text


def _email(text: str) -> str:
    if not re.fullmatch(EMAIL, text) or not text.isprintable():
        raise wrong("wants an e-mail address, such as post@example.org")
    return text


def web_address(address: str) -> str:
    """Return an http(s) URL as it was written; raises what is wrong with it."""
    try:
        fits = bool(HttpUrl(address)) and address.isprintable() and " " not in address
    except ValidationError:
        fits = False
    if not fits:
        raise wrong("wants a web address (URL) that begins with https:// or http://")
    return address


# --- times ---


def _time(given: object) -> time:
    text = given.isoformat() if isinstance(given, time) else given
    try:
        if isinstance(text, str) and TIME.fullmatch(text):
            return time.fromisoformat(text)
    except ValueError:
        pass
    raise wrong("wants a time of day local to the seminar's zone, such as 10:00")


def _moment(given: object) -> datetime:
    text = given.isoformat() if isinstance(given, datetime) else given
    try:
        if isinstance(text, str) and MOMENT.fullmatch(text):
            return _in_range(datetime.fromisoformat(text))
    except ValueError:
        pass
    raise wrong("wants a date and a time local to the seminar's zone, such as 2023-06-01T10:00")


def _instant(given: object) -> datetime:
    try:
        instant = given if isinstance(given, datetime) else datetime.fromisoformat(str(given))
        if instant.tzinfo is not None:
            return _in_range(instant)
    except ValueError:
        pass
    raise wrong("wants a date, a time and the distance from UTC, such as 2023-05-22T09:00+02:00")


def _in_range(moment: datetime) -> datetime:
    if moment.year not in YEARS:
        raise ValueError(moment)
    return moment


def _whole_day(deadline: object) -> object:
    """A deadline that is only a date lasts until that day is over."""
    return f"{deadline}T23:59:59" if isinstance(deadline, str) and DATE.fullmatch(deadline) else deadline


def in_zone(local: datetime, zone: str) -> datetime:
    """Return the instant of a local time."""
    return local.replace(tzinfo=ZoneInfo(zone))


def clock_faults(place: Place, moment: datetime | None, zone: str | None) -> Iterator[Fault]:
    """Yield a fault for a local time that a change to or from summer time skips or repeats."""
    if moment is None or zone is None:
        return
    early, late = (moment.replace(tzinfo=ZoneInfo(zone), fold=fold).utcoffset() for fold in (0, 1))
    if early != late:
        yield Fault(
            place,
            "is skipped or comes twice in %(zone)s that day, when the clocks change: choose another hour",
            {"zone": zone},
        )


# --- numbers and truth values: a file and a form have them as text ---


def _whole(given: object) -> int:
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    if isinstance(given, str) and WHOLE.fullmatch(given):
        return int(given)
    raise wrong("wants a whole number")


def _truth(given: object) -> bool:
    truth = TRUTHS.get(given) if isinstance(given, str) else given
    if isinstance(truth, bool):
        return truth
    raise wrong("wants true or false")


NOT_BLANK: dict[str, Any] = {"pattern": r"\S"}
PART = {"type": "string", **NOT_BLANK}
BY_LANGUAGE = {
    "type": "object",
    "properties": dict.fromkeys(LANGUAGES, PART),
    "additionalProperties": False,
    "minProperties": 1,
}
TEXT = WithJsonSchema({"anyOf": [PART, BY_LANGUAGE], "description": "One text for all, or one a language."})


def _shaped(pattern: str) -> WithJsonSchema:
    """Return the schema of what is written as `pattern`, which stands for the kind's own."""
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})


def _or_text(schema: dict[str, Any], text: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [schema, {"type": "string", **text}]}, mode="validation")


Slug = Annotated[str, Field(max_length=80, json_schema_extra={"pattern": SLUG}), AfterValidator(_slug)]
Id = Annotated[str, Field(max_length=40, json_schema_extra={"pattern": ID}), AfterValidator(_id)]
Line = Annotated[str, Field(json_schema_extra=NOT_BLANK), BeforeValidator(_single)]
Words = Annotated[Text, BeforeValidator(_by_language(_line)), TEXT]  # one line, in one language or several
Prose = Annotated[Text, BeforeValidator(_by_language(_paragraphs)), TEXT]  # Markdown
Email = Annotated[str, Field(json_schema_extra={"pattern": EMAIL}), AfterValidator(_email)]
Address = Annotated[str, Field(json_schema_extra={"format": "uri"}), AfterValidator(web_address)]
LocalTime = Annotated[time, BeforeValidator(_time), _shaped(TIME.pattern)]
Moment = Annotated[datetime, BeforeValidator(_moment), _shaped(MOMENT.pattern)]
Deadline = Annotated[
    datetime,
    BeforeValidator(_moment),
    BeforeValidator(_whole_day),
    _shaped(rf"({MOMENT.pattern}|{DATE.pattern})"),
]
Instant = Annotated[AwareDatetime, BeforeValidator(_instant)]
Seats = Annotated[
    int,
    Field(ge=0, le=MOST_SEATS),
    BeforeValidator(_whole),
    _or_text({"type": "integer", "minimum": 0, "maximum": MOST_SEATS}, {"pattern": f"^{WHOLE.pattern}$"}),
]
Truth = Annotated[bool, BeforeValidator(_truth), _or_text({"type": "boolean"}, {"enum": [*TRUTHS]})]
