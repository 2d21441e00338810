"""What differs between two revisions of a document, field by field, for whoever looks through its history."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from services.catalog.document import Document


class Difference(NamedTuple):
    """A field by its path, such as `programme.0.talks.2.start`, with what it held and what it holds; None: nothing."""

    field: str
    before: str | int | bool | None
    after: str | int | bool | None


def differences(before: Document, after: Document) -> list[Difference]:
    """Return every field that differs, in the order in which the later document has them, what is gone last.

    The parts of a list go by their numbers: a talk put first moves all others on.
    """
    old, new = (dict(_fields("", document.model_dump(mode="json"))) for document in (before, after))
    return [
        Difference(field, old.get(field), new.get(field)) for field in new | old if old.get(field) != new.get(field)
    ]


def _fields(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what the document holds; an empty field holds nothing, as one that is not there."""
    if isinstance(value, Mapping | list):
        for name, part in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _fields(f"{path}.{name}" if path else str(name), part)
    elif value is not None:
        yield path, value
