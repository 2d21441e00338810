"""The organiser's form holds the whole document, and makes of what was typed what the organiser meant."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.catalog.document import Document
from services.catalog.forms import document_of, slug_of, typed_of
from services.catalog.inputs import added, input_of, inputs, moved_up, read, removed, tidied
from shared.faults import faults_in
from tests.documents import documents
from tests.factories import UNHURRIED, make_body, make_document

NEW = {
    "title.nb": "Planstrategi",
    "start.date": "2023-06-01",
    "start.time": "10:00",
    "end.time": "13:15",
    "slug": "plan",
    "zone": "Europe/Oslo",
    "attendance.online.on": "on",
}


def made_of(**typed: str) -> dict[str, Any]:
    """Return the document of a small form with more typed in it; `__` stands for the points of a path."""
    return document_of(tidied(read(NEW | {name.replace("__", "."): value for name, value in typed.items()})))


@UNHURRIED
@given(documents)
def test_a_document_comes_back_from_its_form_as_it_was(document: Document) -> None:
    sent = dict(inputs(typed_of(document)))

    assert Document(**document_of(tidied(read(sent))), status=document.status) == document


@pytest.mark.parametrize(
    "overrides",
    [
        {"title": {"nb": "Bare på bokmål"}},
        {"livestream": {"access": "registered"}},
        {"livestream": {"access": "public"}},
        {"reminders": [{"before_start": "P1W2DT3H"}, {"after_end": "P07D"}, {"at": "2023-05-20T12:00:30"}]},
        {"opens": "2022-10-30T00:30:00+00:00"},
        {"opens": "2022-10-30T01:30:00.000001+00:00"},
        {"end": "2023-06-02T13:15", "programme": []},
        {"attendance": {"in_person": {"deadline": "2023-05-29T12:00"}}},
        {
            "programme": [
                {"title": "A", "start": "10:00:30", "end": "11:00", "talks": [{"title": "B", "start": "10:30"}]}
            ]
        },
        {"summary": "\n\nTo linjer\n", "venue": {"name": " a", "address": " b ", "directions": {"en": "c"}}},
    ],
)
def test_what_is_seldom_in_a_document_comes_back_too(overrides: dict[str, Any]) -> None:
    document = make_document(**overrides)

    assert Document(**document_of(tidied(read(dict(inputs(typed_of(document))))))) == document


def test_a_text_in_bokmal_only_is_for_all_languages() -> None:
    assert made_of()["title"] == "Planstrategi"
    assert made_of(title__en="Planning")["title"] == {"nb": "Planstrategi", "en": "Planning"}


def test_a_seminar_ends_on_the_day_it_starts_unless_another_is_typed() -> None:
    assert made_of()["end"] == "2023-06-01T13:15"
    assert made_of(end__date="2023-06-02")["end"] == "2023-06-02T13:15"


def test_a_deadline_without_a_time_is_a_whole_day() -> None:
    assert made_of(attendance__online__deadline__date="2023-05-29")["attendance"]["online"]["deadline"] == "2023-05-29"


def test_sign_up_opens_by_the_clocks_of_the_zone() -> None:
    assert made_of(opens__date="2023-05-22", opens__time="09:00")["opens"] == "2023-05-22T09:00:00+02:00"


def test_space_around_an_address_does_no_harm() -> None:
    made = made_of(livestream__url=" https://stream.example.org ", contact__email="plan@example.org\t", slug=" plan ")

    assert made["livestream"]["url"] == "https://stream.example.org"
    assert made["contact"]["email"] == "plan@example.org"
    assert made["slug"] == "plan"


def test_blank_rows_are_dropped_and_the_others_move_up() -> None:
    typed = {"organisers.0.nb": " ", "organisers.7.nb": "Distriktssenteret", "organisers.12.nb": "UiT"}
    rule = {"reminders.0.when": "before_start", "reminders.0.unit": "D", "reminders.0.attendance.online": "on"}
    made = document_of(tidied(read(NEW | typed | rule)))

    assert made["organisers"] == ["Distriktssenteret", "UiT"]
    assert "reminders" not in made


def test_a_reminder_is_typed_as_a_number_a_unit_and_whom_it_is_for() -> None:
    made = made_of(
        reminders__0__when="before_start",
        reminders__0__amount="15",
        reminders__0__unit="M",
        reminders__0__attendance__online="on",
    )

    assert made["reminders"] == [{"before_start": "PT15M", "attendance": ["online"]}]


def test_a_reminder_for_nobody_is_complained_of() -> None:
    made = made_of(reminders__0__when="before_start", reminders__0__amount="1", reminders__0__unit="D")

    with pytest.raises(ValidationError) as caught:
        Document(**made)
    assert [fault.field for fault in faults_in(caught.value)] == ["reminders.0.attendance"]


def test_questions_and_answers_get_ids_that_no_other_has() -> None:
    asked = {"text.nb": "Kommer du med buss?", "kind": "choice", "attendance.in_person": "on"}
    answers = {"options.0.text.nb": "Ja", "options.1.id": "1", "options.1.text.nb": "Nei"}
    made = made_of(
        **{f"questions.{number}.{name}": said for number in "03" for name, said in (asked | answers).items()}
    )

    assert [question["id"] for question in made["questions"]] == ["1", "2"]
    assert [option["id"] for option in made["questions"][0]["options"]] == ["2", "1"]
    assert Document(**make_body() | {"questions": made["questions"]}).questions[1].options[0].text == "Ja"


def test_a_question_that_is_left_blank_is_dropped_though_it_is_for_somebody() -> None:
    assert "questions" not in made_of(questions__0__kind="text", questions__0__attendance__online="on")


def test_a_row_moves_up_past_the_one_before_it_and_nothing_else_changes() -> None:
    typed = typed_of(make_document())
    first, second, *others = typed["programme"]

    assert moved_up(typed, "programme.1") == typed | {"programme": [second, first, *others]}
    assert moved_up(moved_up(typed, "programme.1"), "programme.1") == typed
    assert moved_up(typed, "programme.0") == typed


def test_rows_are_added_and_removed_where_it_was_asked_for_and_nothing_else_changes() -> None:
    typed = typed_of(make_document())
    longer = added(typed, "programme.0.talks.0.speakers")

    assert len(longer["programme"][0]["talks"][0]["speakers"]) == 2
    assert removed(longer, "programme.0.talks.0.speakers.1") == typed
    assert removed(typed, "programme.0")["programme"] == typed["programme"][1:]
    assert tidied(longer) == typed


@pytest.mark.parametrize(
    "path", ["", "title", "title.nb", "programme.9.talks", "programme.x", "no.such", "programme.0."]
)
def test_a_row_that_cannot_be_is_neither_added_nor_removed(path: str) -> None:
    typed = typed_of(make_document())

    assert added(typed, path) == typed
    assert removed(typed, path) == typed
    assert moved_up(typed, path) == typed


names = st.sampled_from(
    [*NEW, "title", "programme", "programme.0", "programme.0.title", "a.b", "", ".", "start", "zone.x"]
)


@UNHURRIED
@given(st.dictionaries(names | st.text(".0123abc", max_size=12), st.text(max_size=8)))
def test_whatever_is_sent_makes_a_form_and_a_document_or_faults(fields: dict[str, str]) -> None:
    made = document_of(tidied(read(fields)))

    with suppress(ValidationError):
        Document(**made)


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("title", "title.nb"),
        ("title.en", "title.en"),
        ("start", "start.date"),
        ("end", "end.time"),
        ("attendance", "attendance.in_person.on"),
        ("attendance.in_person.deadline", "attendance.in_person.deadline.date"),
        ("venue", "venue.name.nb"),
        ("programme.0.talks.0.start", "programme.0.talks.0.start"),
        ("programme.0.talks.0.speakers.0.role.en", "programme.0.talks.0.speakers.0.role.en"),
        ("reminders.0.before_start", "reminders.0.amount"),
        ("reminders.0.attendance", "reminders.0.attendance.in_person"),
        ("programme", "programme"),
        ("nonsense.0.x", "nonsense"),
    ],
)
def test_a_faults_field_leads_to_an_input(field: str, name: str) -> None:
    assert input_of(field, dict(inputs(typed_of(make_document())))) == name


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Planstrategi 4.0 – småkommuner og de gode hjelperne", "planstrategi-4-0-smakommuner-og-de-gode-hjelperne"),
        ("Ærlig & Østlig", "aerlig-ostlig"),
        ("Čáhcesuolu é", "cahcesuolu-e"),
        ("会議", ""),
        ("x" * 79 + " y", "x" * 79),
    ],
)
def test_an_address_is_made_of_the_title(title: str, slug: str) -> None:
    assert slug_of({"nb": title, "nn": "", "en": ""}) == slug


def test_a_body_of_the_form_is_the_body_that_is_sent() -> None:
    document = make_document()

    assert Document(**document_of(typed_of(document))) == Document(**make_body())
