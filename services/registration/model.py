"""Who is admitted, and on what terms: values and pure rules."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from services.registration.organisations import find, is_municipality
from shared.faults import Fault, complain, wrong
from shared.lines import one_line
from shared.messages import (
    Attendance,
    Language,
    RegistrationSnapshot,
    RegistrationStatus,
    SeminarSnapshot,
)

MOST_HEADS = 500  # people around one screen


class Refusal(StrEnum):
    """Why somebody cannot sign up; each is a problem type of the API."""

    NOT_OFFERED = "attendance-not-offered"
    NOT_OPEN = "not-open-yet"
    DEADLINE_PASSED = "deadline-passed"
    FULL = "full"
    OVER = "seminar-over"
    CANCELLED = "seminar-cancelled"


class RefusedError(ValueError):
    """The rules do not admit it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


def admit(seminar: SeminarSnapshot, attendance: Attendance, taken: int, now: datetime) -> RegistrationStatus:
    """Return whether whoever signs up now is confirmed or waitlisted; `taken` seats are occupied or queued for.

    Raises RefusedError when neither.
    """
    if refusal := refuse(seminar, attendance, now, taken):
        raise RefusedError(refusal)
    return RegistrationStatus.WAITLISTED if is_full(seminar, attendance, taken) else RegistrationStatus.CONFIRMED


def refuse(seminar: SeminarSnapshot, attendance: Attendance, now: datetime, taken: int = 0) -> Refusal | None:
    """Return why nobody can sign up for `attendance` at `now`, or None if they can, be it for the waiting list."""
    mode = seminar.attendance.get(attendance)
    if seminar.status == "cancelled":
        return Refusal.CANCELLED
    if now >= seminar.end:
        return Refusal.OVER
    if mode is None:
        return Refusal.NOT_OFFERED
    if seminar.opens and now < seminar.opens:
        return Refusal.NOT_OPEN
    if mode.deadline is not None and now > mode.deadline:
        return Refusal.DEADLINE_PASSED
    return Refusal.FULL if is_full(seminar, attendance, taken) and now > cut_off(seminar, attendance) else None


def is_full(seminar: SeminarSnapshot, attendance: Attendance, taken: int) -> bool:
    """Return whether all seats are occupied or queued for."""
    mode = seminar.attendance.get(attendance)
    return mode is not None and mode.capacity is not None and taken >= mode.capacity


def cut_off(seminar: SeminarSnapshot, attendance: Attendance) -> datetime:
    """Return the last instant at which a free seat goes to who waits: later nobody could plan to come any more."""
    mode = seminar.attendance.get(attendance)
    return (mode and (mode.promote_until or mode.deadline)) or seminar.end


def local_day(seminar: SeminarSnapshot) -> date:
    """Return the day of the seminar, where it is held."""
    return seminar.start.astimezone(ZoneInfo(seminar.zone)).date()


def free_seats(seminar: SeminarSnapshot, attendance: Attendance, confirmed: int, now: datetime) -> int:
    """Return how many of the waiting may be given a seat now: none after the cut-off."""
    mode = seminar.attendance.get(attendance)
    if mode is None or seminar.status == "cancelled" or now >= seminar.end or now > cut_off(seminar, attendance):
        return 0
    return MOST_PROMOTED if mode.capacity is None else max(0, mode.capacity - confirmed)


MOST_PROMOTED = 10_000  # from a waiting list in one transaction


Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(one_line),
]
# Deliverable in practice: a dot-atom local part (RFC 5322, 3.2.3) and a domain name with a dot; no quotes, no comments.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LETTER = "[A-Za-z0-9ÆØÅæøåÁČĐŊŠŦŽáčđŋšŧž]"  # Norwegian and Northern Sámi names of domains too
EMAIL = rf"^{_ATOM}(\.{_ATOM})*@({_LETTER}({_LETTER[:-1]}-]{{0,61}}{_LETTER})?\.)+[A-Za-z]{{2,63}}$"
Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=254, pattern=EMAIL),
    AfterValidator(one_line),
]


def _municipality_number(text: str) -> str:
    if not is_municipality(text):
        raise ValueError("wants a Norwegian municipality's official number of four digits, such as 4636")
    return text


MunicipalityNumber = Annotated[
    str,
    Field(json_schema_extra={"pattern": "^[0-9]{4}$"}),
    AfterValidator(_municipality_number),
]


IN_PERSON = ("dietary_needs", "accessibility_needs", "online_meanwhile")  # what only they are asked
QuestionId = Annotated[str, StringConstraints(max_length=40)]


def _reply(given: Any, fit: ValidatorFunctionWrapHandler) -> Any:
    """Say once of a reply that it is neither of the two, at the reply's own place."""
    try:
        return fit(given)
    except ValidationError:
        raise wrong("wants a text of at most 200 characters in one line, or a list of options") from None


Reply = Annotated[Line | Annotated[tuple[QuestionId, ...], Field(max_length=30)], WrapValidator(_reply)]


class Details(BaseModel):
    """What people tell of themselves; they may correct it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: Line
    email: Email
    attendance: Attendance
    organisation: Line | None = None
    municipality: MunicipalityNumber | None = None
    """Its official number; filled in when the organisation is one."""
    role: Line | None = None
    """What they do there."""
    dietary_needs: Line | None = None
    """Only in person."""
    accessibility_needs: Line | None = None
    """Only in person."""
    headcount: Annotated[int, Field(ge=1, le=MOST_HEADS)] = 1
    """Those who sit around one screen; 1 in person."""
    language: Language = "nb"
    """In which to write to them."""
    online_meanwhile: bool = False
    """Attend online until there is a seat; only in person, and of no effect for who has one."""
    answers: dict[QuestionId, Reply] = {}
    """To the seminar's own questions: a text, the id of an option, or several ids."""

    @model_validator(mode="after")
    def _fits_attendance(self) -> "Details":
        if self.attendance is Attendance.IN_PERSON and self.headcount != 1:
            complain([Fault(("headcount",), "must be 1: everyone who comes in person signs up for themselves")])
        if self.attendance is Attendance.ONLINE:
            complain(
                Fault((field,), "is only for those who come in person") for field in IN_PERSON if getattr(self, field)
            )
        return self


class SignUp(Details):
    """A sign-up: to which seminar, and the details."""

    seminar: Annotated[str, Field(max_length=80)]
    """The seminar's slug."""


def _any_part_of(schema: dict[str, Any]) -> None:
    del schema["required"], schema["properties"]["email"]
    for field in schema["properties"].values():
        field.pop("default", None)


class Correction(Details):
    """What somebody corrects of their details: what is left out stays as it is, the address always does."""

    model_config = ConfigDict(json_schema_extra=_any_part_of)


def email_key(email: str) -> str:
    """Return what two spellings of one address have in common."""
    return email.strip().casefold()


Told = TypeVar("Told", bound=Details)


def recognised(details: Told, on: date) -> Told:
    """Return the details with a known organisation's full name and its municipality's number, as of that day."""
    entry = find(details.organisation, details.municipality, on)
    if entry is None:
        return details
    number = entry.organisation.municipality or details.municipality
    return details.model_copy(update={"organisation": entry.label, "municipality": number})


Cause = Literal["oneself", "organiser", "cut_off"]  # who changes a registration


class Registration(NamedTuple):
    """A registration as it stands."""

    id: UUID
    seminar: str
    version: int
    status: RegistrationStatus
    details: Details
    registered_at: datetime
    confirmed_at: datetime | None
    checked_in_at: datetime | None
    link_version: int

    @property
    def has_a_seat(self) -> bool:
        """Whether they are expected in the room."""
        return self.status is RegistrationStatus.CONFIRMED and self.details.attendance is Attendance.IN_PERSON

    @property
    def code(self) -> str:
        """What to say or type where a ticket cannot be scanned; it opens nothing."""
        return self.id.hex[:6].upper()


def snapshot(
    registration: Registration, *, cause: Cause = "oneself", place: int | None = None, link_request: int | None = None
) -> RegistrationSnapshot:
    """Return what the others are told of a registration: nothing of diets and organisations."""
    return RegistrationSnapshot(
        id=registration.id,
        version=registration.version,
        seminar=registration.seminar,
        status=registration.status,
        attendance=registration.details.attendance,
        name=registration.details.name,
        email=registration.details.email,
        language=registration.details.language,
        registered_at=registration.registered_at,
        confirmed_at=registration.confirmed_at,
        online_meanwhile=registration.details.online_meanwhile,
        checked_in_at=registration.checked_in_at,
        cause=cause,
        place=place,
        link_version=registration.link_version,
        link_request=link_request,
    )
