"""What a seminar is found by."""

import pytest
from hypothesis import given

from services.catalog.document import Document
from services.catalog.search import fold, found_by
from tests.documents import documents
from tests.factories import UNHURRIED, make_document


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("ÆRLIG  Småkommune", "ærlig småkommune"),
        ("sma\u030akommune", "småkommune"),
        ("\tStraße\n", "strasse"),
        ("ØÅÆ", "øåæ"),
        ("", ""),
    ],
)
def test_what_does_not_count_in_a_search_is_folded_away(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(document=documents)
@UNHURRIED
def test_every_text_that_is_searched_is_there_folded_on_a_line_of_its_own(document: Document) -> None:
    found = found_by(document)
    title = document.title.values() if isinstance(document.title, dict) else [document.title]

    assert {fold(text) for text in title} <= set(found.words.split("\n"))
    for lines in found:
        assert all(fold(line) == line for line in lines.split("\n"))


def test_nothing_is_found_across_two_names() -> None:
    found = found_by(make_document(organisers=["Distriktssenteret"], partners=["Høgskolen"]))

    assert found.organisers == "distriktssenteret\nhøgskolen"
