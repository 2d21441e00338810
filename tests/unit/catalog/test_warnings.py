"""What an organiser is told of a document that is not wrong."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.importing import read_document
from services.catalog.document import Document
from services.catalog.holidays import easter, holiday
from services.catalog.warnings import Kind, warnings
from shared.messages import LANGUAGES, Language
from shared.web.texts import worded
from tests.documents import documents
from tests.factories import UNHURRIED, make_document, make_talk

EXAMPLE = Path(__file__).parents[3] / "examples" / "planstrategi-4-0.yaml"
STREAM = {"url": "https://stream.example.org/planstrategi"}
TITLE = {"nb": "Planstrategi", "nn": "Planstrategi", "en": "Planning strategy"}


def said_of(**overrides: Any) -> list[tuple[str, str]]:
    """Return field and kind of each warning about a document that is otherwise beyond reproach."""
    sound = {
        "title": TITLE,
        "livestream": STREAM,
        "attendance": {"in_person": {"capacity": 60, "deadline": "2023-05-26"}, "online": {}},
    }
    return [(caution.field, caution.kind) for caution in warnings(make_document(**sound | overrides))]


def test_of_a_document_beyond_reproach_nothing_is_said() -> None:
    assert said_of() == []


@pytest.mark.parametrize(
    ("overrides", "field", "kind"),
    [
        ({"start": "2023-05-29T10:00", "end": "2023-05-29T13:15"}, "start", Kind.HOLIDAY),
        ({"start": "2023-06-04T10:00", "end": "2023-06-04T13:15"}, "start", Kind.SUNDAY),
        ({"start": "2023-05-28T10:00", "end": "2023-05-28T13:15"}, "start", Kind.HOLIDAY),  # Whit Sunday: said once
        ({"attendance": {"online": {"deadline": "2023-05-29"}}}, "attendance.online.deadline", Kind.HOLIDAY),
        ({"attendance": {"online": {"deadline": "2023-05-21T12:00"}}}, "attendance.online.deadline", Kind.SUNDAY),
        ({"attendance": {"in_person": {}}}, "attendance.in_person.capacity", Kind.CAPACITY),
        ({"livestream": None}, "livestream.url", Kind.LIVESTREAM),
        ({"livestream": {"access": "registered"}}, "livestream.url", Kind.LIVESTREAM),
        ({"reminders": []}, "reminders", Kind.REMINDER),
        ({"reminders": [{"before_start": "P1D", "attendance": ["in_person"]}]}, "reminders", Kind.REMINDER),
        ({"reminders": [{"after_end": "P1D"}, {"at": "2023-06-01T13:15"}]}, "reminders", Kind.REMINDER),
        ({"title": {"nb": "Planstrategi", "en": "Strategy"}}, "title.nn", Kind.TRANSLATION),
        ({"partners": ["UiT", {"nb": "Høgskolen", "nn": "Høgskulen"}]}, "partners.1.en", Kind.TRANSLATION),
        ({"venue": {"name": {"nb": "A", "nn": "A"}, "address": "B"}}, "venue.name.en", Kind.TRANSLATION),
        (
            {
                "programme": [
                    {"title": "x", "start": "10:00", "end": "11:00", "talks": [make_talk(title={"nb": "x", "nn": "x"})]}
                ]
            },
            "programme.0.talks.0.title.en",
            Kind.TRANSLATION,
        ),
        (
            {"opens": "2023-05-27T09:00+02:00", "attendance": {"online": {"deadline": "2023-05-26"}}},
            "attendance.online.deadline",
            Kind.NEVER_OPEN,
        ),
    ],
    ids=str,
)
def test_a_warning_names_its_field_and_what_it_is_about(overrides: dict[str, Any], field: str, kind: Kind) -> None:
    assert said_of(**overrides) == [(field, kind)]


@pytest.mark.parametrize(
    "overrides",
    [
        {"attendance": {"in_person": {"capacity": 60}}, "livestream": None, "reminders": []},  # nobody online
        {"livestream": None, "recording": {"url": "https://film.example.org/planstrategi"}},  # all over
        {"reminders": [{"at": "2023-06-01T09:00"}]},
        {"title": "Planstrategi", "description": "Én tekst for alle"},
        {"opens": "2023-05-26T09:00+02:00", "attendance": {"online": {"deadline": "2023-05-26"}}},
    ],
    ids=str,
)
def test_nobody_is_warned_of_what_is_as_it_should_be(overrides: dict[str, Any]) -> None:
    assert said_of(**overrides) == []


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("nb", "Fristen er på en helligdag eller offentlig høytidsdag: 2. pinsedag."),
        ("nn", "Fristen er på ein heilagdag eller offentleg høgtidsdag: 2. pinsedag."),
        ("en", "The deadline is on a public holiday: Whit Monday."),
    ],
)
def test_the_examples_deadline_is_2_pinsedag_and_that_is_all_there_is_to_say(language: Language, said: str) -> None:
    (caution,) = warnings(Document(**read_document(EXAMPLE)))

    assert caution.field == "attendance.in_person.deadline"
    assert worded(caution, language) == said


@UNHURRIED
@given(documents)
def test_every_warning_can_be_said_in_every_language_at_a_field_that_the_form_has(document: Document) -> None:
    fields = Document.model_fields.keys()

    for caution in warnings(document):
        assert caution.field.partition(".")[0] in fields
        assert all("%" not in worded(caution, language) for language in LANGUAGES)


# --- public holidays ---


@pytest.mark.parametrize(
    ("day", "name"),
    [
        ("2023-01-01", "New Year's Day"),
        ("2023-04-06", "Maundy Thursday"),
        ("2023-04-07", "Good Friday"),
        ("2023-04-09", "Easter Sunday"),
        ("2023-04-10", "Easter Monday"),
        ("2023-05-01", "Labour Day"),
        ("2023-05-17", "Constitution Day"),
        ("2023-05-18", "Ascension Day"),
        ("2023-05-28", "Whit Sunday"),
        ("2023-05-29", "Whit Monday"),
        ("2023-12-25", "Christmas Day"),
        ("2023-12-26", "Boxing Day"),
        ("2023-04-08", None),
        ("2023-05-30", None),
        ("2023-06-01", None),
        ("2023-12-24", None),
    ],
)
def test_norways_public_holidays_are_known(day: str, name: str | None) -> None:
    assert holiday(date.fromisoformat(day)) == name


@pytest.mark.parametrize(
    "day",
    ["1818-03-22", "1943-04-25", "1954-04-18", "1981-04-19", "2008-03-23", "2024-03-31", "2038-04-25", "2049-04-18"],
)
def test_easter_is_when_it_is_also_in_the_years_that_are_exceptions(day: str) -> None:
    assert easter(int(day[:4])) == date.fromisoformat(day)


@given(st.integers(1970, 8999))
def test_easter_is_a_sunday_between_22_march_and_25_april(year: int) -> None:
    found = easter(year)

    assert found.isoweekday() == 7
    assert date(year, 3, 22) <= found <= date(year, 4, 25)
