import pytest
from hypothesis import given

from services.catalog import yaml_file
from services.catalog.document import Document
from services.catalog.organiser_yaml import BEGINNING
from services.catalog.yaml_file import NotYamlError
from tests.documents import documents
from tests.factories import UNHURRIED, make_document


@UNHURRIED
@given(documents)
def test_a_document_written_as_a_file_is_read_as_the_same(document: Document) -> None:
    assert Document.model_validate(yaml_file.read(yaml_file.write(document))) == document


def test_a_text_of_several_lines_is_written_as_one_would_by_hand() -> None:
    assert "description: |-\n  Først.\n\n  Så.\n" in yaml_file.write(make_document(description="Først.\n\nSå."))


def test_the_file_to_begin_with_is_sound() -> None:
    assert Document.model_validate(yaml_file.read(BEGINNING)).status == "draft"


@pytest.mark.parametrize(
    "text",
    ["", "a text", "- a list", "title: [", "a: &x 1\nb: *x", "[" * 5000, "title: '\x00'", "a: !!python/name:os x"],
)
def test_what_is_no_file_is_refused_and_nothing_worse(text: str) -> None:
    with pytest.raises(NotYamlError):
        yaml_file.read(text)
