"""The inputs of the organiser's form, each named by the path of the field that it fills, and what was typed in them.

What was typed is nested as the document is: a text for each input that there is, a list for each part that repeats.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from shared.messages import Attendance

Typed = dict[str, Any]
Shape = Any  # a kind of input, parts by name, or a list of the one part that repeats

LINE, CODE, TIME = "line", "code", "time"  # inputs: a line is kept as it was typed, around others there is no space
WORDS = {"nb": LINE, "nn": LINE, "en": LINE, "alone": CODE}  # alone: in bokmål only, and not the same for all languages
MOMENT = {"date": CODE, "time": CODE}
SPEAKER = {"name": LINE, "role": WORDS, "affiliation": WORDS}
TALK = {"title": WORDS, "start": TIME, "end": TIME, "speakers": [SPEAKER]}
BLOCK = {"title": WORDS, "pause": CODE, "start": TIME, "end": TIME, "talks": [TALK]}
MODE = {"on": CODE, "capacity": CODE, "deadline": MOMENT, "promote_until": MOMENT}
WAYS = {attendance.value: CODE for attendance in Attendance}
RULE = {"when": CODE, "amount": CODE, "unit": CODE, "at": MOMENT, "attendance": WAYS}
OPTION = {"id": CODE, "text": WORDS}
QUESTION = {"id": CODE, "text": WORDS, "kind": CODE, "options": [OPTION], "required": CODE, "attendance": WAYS}
SAME = {  # parts that are nested alike in form and document
    "slug": CODE,
    "title": WORDS,
    "summary": WORDS,
    "description": WORDS,
    "zone": CODE,
    "organisers": [WORDS],
    "partners": [WORDS],
    "audience": WORDS,
    "venue": {"name": WORDS, "address": LINE, "directions": WORDS},
    "serving": WORDS,
    "livestream": {"url": CODE, "access": CODE},
    "recording": {"url": CODE, "starts": TIME, "chapters": CODE},
    "programme": [BLOCK],
    "contact": {"name": WORDS, "email": CODE},
}
OWN = {  # parts that are not
    "start": MOMENT,
    "end": MOMENT,
    "opens": MOMENT,
    "attendance": dict.fromkeys(WAYS, MODE),
    "reminders": [RULE],
    "questions": [QUESTION],
    "languages": {"nn": CODE, "en": CODE},  # of which the inputs are shown, beside bokmål
}
FORM = SAME | OWN

CHOSEN = {"when", "unit", "alone", "id", "kind", "required", *WAYS}  # these are set in a row that is blank
NUMBER = re.compile(r"[0-9]{1,4}")
BEGINNING = {  # of a new form
    "zone": "Europe/Oslo",
    "attendance.in_person.on": "on",
    "attendance.online.on": "on",
    "organisers.0.nb": "",
    "programme.0.talks.0.speakers.0.name": "",
    "reminders.0.when": "before_start",
    "reminders.0.amount": "1",
    "reminders.0.unit": "D",
    "reminders.0.attendance.in_person": "on",
    "reminders.0.attendance.online": "on",
    "reminders.1.when": "before_start",
    "reminders.1.amount": "15",
    "reminders.1.unit": "M",
    "reminders.1.attendance.online": "on",
}
# Where a fault is mended whose field has several inputs, or stands above them.
ENDINGS = ("", ".nb", ".date", ".amount", ".in_person", ".in_person.on", ".url", ".name.nb", ".0.text.nb", ".kind")


def read(fields: Mapping[str, str]) -> Typed:
    """Return what was typed; an input that is not there is blank, a field that is no input is passed over."""
    tree: dict[str, Any] = {}
    for path, value in fields.items():
        *above, name = path.split(".")
        node: Any = tree
        for part in above:
            node = node.setdefault(part, {}) if isinstance(node, dict) else node
        if isinstance(node, dict):
            node.setdefault(name, value)
    typed: Typed = shaped(tree, FORM)
    return typed


def shaped(given: Any, shape: Shape) -> Any:
    """Return what there is of `given` where `shape` has room for it, and blanks in all other places."""
    if isinstance(shape, str):
        return given if isinstance(given, str) else ""
    parts = given if isinstance(given, dict) else {}
    if isinstance(shape, dict):
        return {name: shaped(parts.get(name), part) for name, part in shape.items()}
    return [shaped(parts[name], shape[0]) for name in sorted(filter(NUMBER.fullmatch, parts), key=int)]


def tidied(typed: Any) -> Any:
    """Return the form without rows that were left blank, so that a document's paths are those of the form."""
    if isinstance(typed, dict):
        return {name: tidied(part) for name, part in typed.items()}
    if isinstance(typed, list):
        return [row for row in map(tidied, typed) if not _is_blank(row)]
    return typed


def _is_blank(typed: Any, name: str = "") -> bool:
    if isinstance(typed, dict):
        return all(_is_blank(part, of) for of, part in typed.items())
    return name in CHOSEN or not typed.strip() if isinstance(typed, str) else not typed


def added(typed: Typed, path: str) -> Typed:
    """Return the form with one more row in the part at `path`, if that repeats."""
    longer: Typed = _with(typed, FORM, path.split("."), lambda rows, row: [*rows, _fresh(row)])
    return longer


def _fresh(shape: Shape) -> Any:
    """Return blanks, and in a part that repeats one row of them."""
    if isinstance(shape, list):
        return [_fresh(shape[0])]
    return {name: _fresh(part) for name, part in shape.items()} if isinstance(shape, dict) else ""


def removed(typed: Typed, path: str) -> Typed:
    """Return the form without the row at `path`."""
    above, _, number = path.rpartition(".")
    shorter: Typed = _with(
        typed, FORM, above.split("."), lambda rows, _: [row for of, row in enumerate(rows) if str(of) != number]
    )
    return shorter


def moved_up(typed: Typed, path: str) -> Typed:
    """Return the form with the row at `path` before the one that it followed."""
    above, _, number = path.rpartition(".")
    ordered: Typed = _with(typed, FORM, above.split("."), lambda rows, _: _swapped(rows, number))
    return ordered


def _swapped(rows: list[Any], number: str) -> list[Any]:
    at = int(number) if NUMBER.fullmatch(number) else 0
    return rows if not 0 < at < len(rows) else [*rows[: at - 1], rows[at], rows[at - 1], *rows[at + 1 :]]


def _with(typed: Any, shape: Any, path: list[str], change: Callable[[list[Any], Shape], list[Any]]) -> Any:
    if not path:
        return change(typed, shape[0]) if isinstance(shape, list) else typed
    name, *rest = path
    if isinstance(typed, dict) and name in typed:
        return typed | {name: _with(typed[name], shape[name], rest, change)}
    if isinstance(typed, list):
        return [_with(row, shape[0], rest, change) if str(of) == name else row for of, row in enumerate(typed)]
    return typed


def inputs(typed: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name of each input with what stands in it."""
    if isinstance(typed, str):
        yield path, typed
        return
    for name, part in typed.items() if isinstance(typed, dict) else enumerate(typed):
        yield from inputs(part, f"{path}.{name}" if path else str(name))


def input_of(field: str, names: Collection[str]) -> str:
    """Return which of the inputs a fault's field is typed in, else the part of the form that it belongs to."""
    if field == "end":
        return "end.time"
    for name in (field + ending for ending in ENDINGS):
        if name in names:
            return name
    above = field.rpartition(".")[0]
    return input_of(above, names) if above else field
