from hypothesis import given

from services.catalog.differences import Difference, differences
from services.catalog.document import Document
from tests.documents import documents
from tests.factories import UNHURRIED, make_document, make_talk


def test_a_field_that_differs_is_named_by_its_path_with_what_it_held_and_holds() -> None:
    before, after = (
        make_document(
            title={"nb": title, "en": "Same"},
            programme=[{"title": "Hva vet vi", "start": "10:00", "end": "11:45", "talks": [make_talk(title=talk)]}],
        )
        for title, talk in (("Før", "Plankultur"), ("Etter", "Strategi"))
    )

    assert differences(before, after) == [
        Difference("title.nb", "Før", "Etter"),
        Difference("programme.0.talks.0.title", "Plankultur", "Strategi"),
    ]


def test_what_comes_and_what_goes_has_nothing_on_the_other_side() -> None:
    before = make_document(serving="Kaffe")
    after = make_document(recording={"url": "https://film.example.org/x"})

    assert differences(before, after) == [
        Difference("recording.url", None, "https://film.example.org/x"),
        Difference("recording.chapters", None, "{url}#t={seconds}"),
        Difference("serving", "Kaffe", None),
    ]


@UNHURRIED
@given(documents, documents)
def test_differences_are_the_same_backwards_and_a_document_has_none_from_itself(one: Document, other: Document) -> None:
    there, back = differences(one, other), differences(other, one)

    assert {(d.field, d.after, d.before) for d in there} == {(d.field, d.before, d.after) for d in back}
    assert differences(one, one) == []
