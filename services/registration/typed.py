"""What a form carries of somebody's details, and what is wrong with it, by the names of its inputs."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from services.registration.model import Details, SignUp
from services.registration.questions import UnfitError, answers_in, check
from shared.faults import faults_in
from shared.messages import Attendance, Language, SeminarSnapshot

Given = TypeVar("Given", bound=Details)

FIELDS = (
    "name", "email", "attendance", "organisation", "role", "dietary_needs", "accessibility_needs", "headcount",
    "language", "online_meanwhile", "municipality",
)  # fmt: skip


ONLY = {  # what is asked of those who attend one way
    Attendance.IN_PERSON: ("dietary_needs", "accessibility_needs", "online_meanwhile"),
    Attendance.ONLINE: ("headcount",),
}


def filled(typed: Mapping[str, str]) -> dict[str, Any]:
    """Drop what was left blank, and what belongs to the other way to attend: it may have been typed first."""
    other = Attendance.ONLINE if typed.get("attendance") == Attendance.IN_PERSON else Attendance.IN_PERSON
    return {
        field: value for field, value in typed.items() if field in FIELDS and value.strip() and field not in ONLY[other]
    }


def typed_in(form: Mapping[str, str]) -> dict[str, str]:
    """Return what was typed in the inputs that there are."""
    return {field: value for field, value in form.items() if field in FIELDS or field.startswith("answers.")}


def judge(
    typed: Mapping[str, str], seminar: SeminarSnapshot, language: Language
) -> tuple[SignUp | None, dict[str, str]]:
    """Return the sign-up that was typed, None if there is none in it, and all that is wrong, by its input."""
    attendance = Attendance(typed["attendance"]) if typed.get("attendance") in tuple(Attendance) else None
    answers = answers_in(seminar.questions, attendance, typed) if attendance else {}
    fields = {"language": language} | filled(typed) | {"seminar": seminar.slug, "answers": answers}
    return fitted(SignUp, fields, seminar, attendance)


def fitted(
    kind: type[Given], fields: Mapping[str, Any], seminar: SeminarSnapshot, attendance: Attendance | None
) -> tuple[Given | None, dict[str, str]]:
    """Return the fields as `kind`, None if they do not fit, and all that is wrong with them, by its input.

    Whoever has not said how they attend cannot be asked the seminar's questions yet.
    """
    given, wrong = None, {}
    try:
        given = kind(**fields)
    except ValidationError as error:
        wrong = {input_of(fault.field): "" for fault in faults_in(error)}
    try:
        if attendance:
            check(seminar.questions, attendance, fields["answers"])
    except UnfitError as error:
        wrong |= {fault.field: fault.text for fault in error.faults}
    return given, wrong


def input_of(field: str) -> str:
    """Return the input that a fault's field is typed in: an answer has one of its own."""
    name, _, rest = field.partition(".")
    return f"{name}.{rest.partition('.')[0]}" if name == "answers" else name
