"""What a seminar asks of its own: which answers fit, and that a form carries them there and back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registration.questions import UnfitError, answers_in, asked, check, fields_of, fitting
from shared.messages import Attendance, Question
from shared.web.problems import field_errors
from tests.factories import UNHURRIED, make_sign_up

IN_PERSON, ONLINE = Attendance
OPTIONS = [
    {"id": "nb", "text": "Bokmål"},
    {"id": "nn", "text": {"nn": "Nynorsk"}},
    {"id": "se", "text": "Davvisámegiella"},
]


def make_question(**overrides: Any) -> Question:
    sound: dict[str, Any] = {"id": "first", "text": "Hvilke?", "kind": "text"}
    if overrides.get("kind", "text") != "text":
        sound["options"] = OPTIONS
    return Question(**sound | overrides)


TEXT, CHOICE = make_question(id="text"), make_question(id="choice", kind="choice")
SEVERAL = make_question(id="several", kind="several", attendance=["in_person"])
ALL = (TEXT, CHOICE, SEVERAL)


def faults(answers: dict[str, Any], *questions: Question, attendance: Attendance = IN_PERSON) -> list[tuple[str, str]]:
    try:
        check(questions or ALL, attendance, answers)
    except UnfitError as error:
        return [(fault.field, fault.detail) for fault in error.faults]
    return []


@pytest.mark.parametrize(
    ("answers", "detail"),
    [
        ({"other": "x"}, "is not asked of those who attend this way"),
        ({"text": ("nb",)}, "wants a text"),
        ({"choice": ("nb",)}, "wants a text"),
        ({"choice": "fr"}, "wants one of these: nb, nn, se"),
        ({"several": "nb"}, "wants a list"),
        ({"several": ("nb", "fr")}, "wants one of these: nb, nn, se"),
        ({"several": ("nb", "nb")}, "must not name anything twice"),
    ],
)
def test_an_answer_that_does_not_fit_is_named_by_its_question(answers: dict[str, Any], detail: str) -> None:
    assert faults(answers) == [(f"answers.{next(iter(answers))}", detail)]


@pytest.mark.parametrize("kind", ["text", "choice", "several"])
def test_a_required_question_wants_an_answer_of_those_whom_it_is_asked(kind: str) -> None:
    question = make_question(kind=kind, required=True, attendance=["online"])

    assert faults({}, question, attendance=ONLINE) == [("answers.first", "is needed")]
    assert faults({}, question, attendance=IN_PERSON) == []


def test_a_question_for_those_in_the_room_is_not_answered_from_elsewhere() -> None:
    assert faults({"several": ("nb",)}, attendance=ONLINE) == [
        ("answers.several", "is not asked of those who attend this way")
    ]


@pytest.mark.parametrize("reply", [5, "x" * 201, "two\nlines", ["x"] * 31, None, {"a": "b"}])
def test_a_reply_of_no_kind_is_named_once_at_its_own_place(reply: Any) -> None:
    with pytest.raises(ValueError, match="answers") as caught:
        make_sign_up(answers={"text": reply})

    assert [error["field"] for error in field_errors(caught.value)] == ["answers.text"]  # type: ignore[arg-type] # pydantic's


ids = st.sampled_from(["nb", "nn", "se", "fr"])
replies = st.one_of(st.text(max_size=5), ids, st.lists(ids, max_size=4).map(tuple))


@given(st.dictionaries(st.sampled_from(["text", "choice", "several", "other"]), replies), st.sampled_from(Attendance))
@UNHURRIED
def test_what_is_left_of_any_answers_fits(answers: dict[str, Any], attendance: Attendance) -> None:
    left = fitting(ALL, attendance, answers)

    assert faults(left, attendance=attendance) == []
    assert faults(answers, attendance=attendance) or left == {about: reply for about, reply in answers.items() if reply}


words = st.text(min_size=1, max_size=20).filter(lambda text: text == text.strip())
chosen = st.lists(st.sampled_from(["nb", "nn", "se"]), min_size=1, unique=True).map(lambda ids: tuple(sorted(ids)))
fit = st.fixed_dictionaries({}, optional={"text": words, "choice": st.sampled_from(["nb", "nn"]), "several": chosen})


@given(fit)
@UNHURRIED
def test_a_form_carries_answers_there_and_back(answers: dict[str, Any]) -> None:
    assert answers_in(ALL, IN_PERSON, fields_of(answers)) == answers


def test_a_form_that_answers_for_both_ways_carries_those_of_one() -> None:
    form = fields_of({"text": "ja", "several": ("nb",)}) | {"answers.choice": " ", "answers.other": "x"}

    assert answers_in(ALL, ONLINE, form) == {"text": "ja"}
    assert asked(ALL, ONLINE) == (TEXT, CHOICE)
