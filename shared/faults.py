"""What is wrong with a document or a form: which field, and what would be right, in words that can be translated."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Place = tuple[str | int, ...]
NOTHING: Mapping[str, str] = MappingProxyType({})
KEY = "[key]"  # where pydantic says that it is a map's key that does not fit, not its value
# What pydantic finds by itself, by its own names for the error and for what would be right.
PYDANTICS = {
    "missing": "is needed",
    "extra_forbidden": "is not known here: is it misspelt?",
    "string_type": "wants a text",
    "string_unicode": "wants a text",
    "int_type": "wants a whole number",
    "int_parsing": "wants a whole number",
    "int_parsing_size": "wants a whole number",
    "int_from_float": "wants a whole number",
    "finite_number": "wants a whole number",
    "bool_type": "wants true or false",
    "bool_parsing": "wants true or false",
    "tuple_type": "wants a list",
    "model_type": "wants a group of fields",
    "model_attributes_type": "wants a group of fields",
    "dict_type": "wants a group of fields",
    "literal_error": "wants one of these: %(expected)s",
    "enum": "wants one of these: %(expected)s",
    "greater_than_equal": "must be %(ge)s or more",
    "less_than_equal": "must be %(le)s or less",
    "string_too_long": "must not be longer than %(max_length)s characters",
    "too_short": "wants at least %(min_length)s",
    "too_long": "wants at most %(max_length)s",
}


class Fault(NamedTuple):
    """A field and what would be right: `text` is English and a key of the catalogues, `values` fill its %(…)s."""

    place: Place
    text: str
    values: Mapping[str, str] = NOTHING

    @property
    def field(self) -> str:
        """The field by its path, such as `programme.0.talks.2.start`."""
        return ".".join(str(part) for part in self.place if part != KEY) or "body"

    @property
    def detail(self) -> str:
        """What would be right, in English."""
        return self.text % self.values if self.values else self.text


def wrong(text: str, **values: str) -> PydanticCustomError:
    """Return the error that a field's own validator raises."""
    fault = Fault((), text, values)
    return PydanticCustomError("fault", "{detail}", {"detail": fault.detail, "text": text, "values": values})


def complain(faults: Iterable[Fault]) -> None:
    """Raise all of `faults` from inside a validator, each at its place below that field or model; nothing if none."""
    errors = [InitErrorDetails(type=wrong(fault.text, **fault.values), loc=fault.place, input=None) for fault in faults]
    if errors:
        raise ValidationError.from_exception_data("body", errors)


def faults_in(error: ValidationError) -> list[Fault]:
    """Return everything that validation found, without repeating what was sent."""
    return [_fault(e["loc"], e["type"], e.get("ctx", {}), e["msg"]) for e in error.errors(include_url=False)]


def _fault(place: Place, kind: str, context: Mapping[str, Any], message: str) -> Fault:
    if kind == "fault":
        text, values = context["text"], context["values"]
        return Fault(place, text, values)
    if kind in PYDANTICS:
        return Fault(
            place, PYDANTICS[kind], {name: str(value).replace(" or ", ", ") for name, value in context.items()}
        )
    return Fault(place, message.removeprefix("Value error, "))
