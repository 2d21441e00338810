"""A document that was read, written and read again is the same, however it travels."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from hypothesis import given

from local.importing import read_document
from services.catalog.document import Document
from tests.documents import documents
from tests.factories import UNHURRIED


@UNHURRIED
@given(documents)
def test_a_document_comes_back_from_json_as_it_was(document: Document) -> None:
    assert Document.model_validate_json(document.model_dump_json()) == document
    assert Document(**document.model_dump(mode="json")) == document
    assert Document(**document.model_dump()) == document


@UNHURRIED
@given(documents)
def test_a_document_comes_back_from_a_file_in_which_everything_is_text(document: Document) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "seminar.yaml"
        path.write_text(yaml.safe_dump(json.loads(document.model_dump_json()), allow_unicode=True), encoding="utf-8")

        assert Document(**read_document(path)) == document
