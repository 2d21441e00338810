"""The organiser's form and the document, one made of the other."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from services.catalog.document import Document, Recording
from services.catalog.inputs import LINE, SAME, TIME, WAYS, WORDS, Shape, Typed, inputs
from shared.messages import LANGUAGES

WHOLE_DAY = "23:59:59"  # a deadline that is only a date
DURATION = re.compile(r"PT?([0-9]+)([WDHM])")
UNITS = {"W": "P{}W", "D": "P{}D", "H": "PT{}H", "M": "PT{}M"}
LETTERS = str.maketrans({"æ": "ae", "ø": "o", "å": "a", "ß": "ss", "đ": "d", "ŧ": "t", "ŋ": "n"})
LONGEST_SLUG = 80  # characters


# --- from the document to the form ---


def typed_of(document: Document) -> Typed:
    """Return the form that makes this document."""
    given = document.model_dump(mode="json")
    typed: Typed = {name: _shown(given[name], shape) for name, shape in SAME.items()}
    typed["start"], typed["end"] = _split(given["start"]), _split(given["end"])
    if typed["end"]["date"] == typed["start"]["date"]:
        typed["end"]["date"] = ""
    typed["opens"] = _split(_local(document.opens, document.zone))
    typed["attendance"] = {name: _shown_mode(given["attendance"].get(name)) for name in WAYS}
    typed["reminders"] = [_shown_rule(rule) for rule in given["reminders"]]
    typed["questions"] = [_shown_question(question) for question in given["questions"]]
    if typed["recording"]["chapters"] == Recording.model_fields["chapters"].default:
        typed["recording"]["chapters"] = ""
    typed["languages"] = {language: "on" if _speaks(typed, language) else "" for language in ("nn", "en")}
    return typed


def _shown(given: Any, shape: Shape) -> Any:
    if shape == WORDS:
        by_language = given if isinstance(given, dict) else {"nb": given or ""}
        alone = "on" if isinstance(given, dict) and given.keys() == {"nb"} else ""
        return {"alone": alone} | {language: by_language.get(language, "") for language in LANGUAGES}
    if isinstance(shape, dict):
        return {name: _shown(given[name] if given else None, part) for name, part in shape.items()}
    if isinstance(shape, list):
        return [_shown(row, shape[0]) for row in given]
    if shape == TIME:
        return _short(given or "")
    return ("on" if given else "") if isinstance(given, bool) else given or ""


def _speaks(typed: Typed, language: str) -> bool:
    return any(name.endswith(f".{language}") and text for name, text in inputs(typed))


def _split(moment: str | None) -> dict[str, str]:
    day, _, clock = (moment or "").partition("T")
    return {"date": day, "time": _short(clock)}


def _short(clock: str) -> str:
    """Return a time of day without its seconds if there are none."""
    return clock.removesuffix(":00") if len(clock) == len(WHOLE_DAY) else clock


def _local(instant: datetime | None, zone: str) -> str:
    """Return the instant in the zone's time, and its distance from UTC where that time comes twice."""
    if instant is None:
        return ""
    local = instant.astimezone(ZoneInfo(zone))
    return (local if local.fold else local.replace(tzinfo=None)).isoformat()


def _shown_mode(given: Mapping[str, Any] | None) -> Typed:
    mode = given or {"capacity": None, "deadline": None, "promote_until": None}
    return {
        "on": "" if given is None else "on",
        "capacity": "" if mode["capacity"] is None else str(mode["capacity"]),
        "deadline": _shown_deadline(mode["deadline"]),
        "promote_until": _shown_deadline(mode["promote_until"]),
    }


def _shown_deadline(moment: str | None) -> dict[str, str]:
    shown = _split(moment)
    return shown | {"time": ""} if shown["time"] == WHOLE_DAY else shown


def _shown_rule(given: Mapping[str, Any]) -> Typed:
    when = next(when for when in ("before_start", "after_end", "at") if given[when])
    duration = "" if when == "at" else given[when]
    simple = DURATION.fullmatch(duration)
    if simple and UNITS[simple[2]].format(simple[1]) == duration:
        amount, unit = simple.groups()
    else:
        amount, unit = duration, "D"
    return {
        "when": when,
        "amount": amount,
        "unit": unit,
        "at": _split(given["at"]),
        "attendance": {name: _place(name, given["attendance"]) for name in WAYS},
    }


def _shown_question(given: Mapping[str, Any]) -> Typed:
    return {
        "id": given["id"],
        "text": _shown(given["text"], WORDS),
        "kind": given["kind"],
        "options": [{"id": option["id"], "text": _shown(option["text"], WORDS)} for option in given["options"]],
        "required": "on" if given["required"] else "",
        "attendance": {name: _place(name, given["attendance"]) for name in WAYS},
    }


def _place(name: str, ways: list[str]) -> str:
    """Return what a ticked box sends: where in the list it stands, so that an unchanged rule stays the same."""
    return str(ways.index(name) + 1) if name in ways else ""


# --- from the form to the document ---


def document_of(typed: Typed) -> dict[str, Any]:
    """Return the document as it is sent, without status; what was left blank is left out."""
    given = {name: _sent(typed[name], shape) for name, shape in SAME.items()}
    given["start"] = _moment(typed["start"])
    given["end"] = _moment(typed["end"], typed["start"]["date"] if typed["end"]["time"] else "")
    given["opens"] = _instant(_moment(typed["opens"]), typed["zone"].strip())
    given["attendance"] = {name: _mode(mode) for name, mode in typed["attendance"].items() if mode["on"]}
    given["reminders"] = [_rule(rule) for rule in typed["reminders"]]
    given["questions"] = _numbered(map(_question, typed["questions"]))
    return _filled(given)


def _filled(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value not in (None, {}, [])}


def _sent(typed: Any, shape: Shape) -> Any:
    if shape == WORDS:
        return _words(typed)
    if isinstance(shape, dict):
        return _filled({name: _sent(typed[name], part) for name, part in shape.items()}) | (
            {"pause": True} if typed.get("pause") else {}
        )
    if isinstance(shape, list):
        return [_sent(row, shape[0]) for row in typed]
    return (typed if shape == LINE else typed.strip()) if typed.strip() else None


def _words(typed: Mapping[str, str]) -> str | dict[str, str] | None:
    """Return the text by language; one in bokmål alone is for all."""
    said: dict[str, str] = {language: typed[language] for language in LANGUAGES if typed[language].strip()}
    return said.get("nb") if said.keys() <= {"nb"} and not typed["alone"] else said


def _moment(typed: Mapping[str, str], day: str = "") -> str | None:
    day, clock = typed["date"].strip() or day.strip(), typed["time"].strip()
    return f"{day}T{clock}" if day or clock else None


def _instant(moment: str | None, zone: str) -> str | None:
    """Return a moment of the zone with its distance from UTC; as it was typed if it is none, to be complained of."""
    try:
        local = datetime.fromisoformat(moment or "")
        return (local if local.tzinfo else local.replace(tzinfo=ZoneInfo(zone))).isoformat()
    except (ValueError, OSError, LookupError):
        return moment


def _mode(typed: Typed) -> dict[str, Any]:
    capacity = typed["capacity"].strip()
    seats = int(capacity) if re.fullmatch(r"[0-9]{1,9}", capacity) else capacity or None
    return {"capacity": seats} | {name: _deadline(typed[name]) for name in ("deadline", "promote_until")}


def _deadline(typed: Mapping[str, str]) -> str | None:
    moment = _moment(typed)
    return moment.removesuffix("T") if moment else None


def _ways(typed: Mapping[str, str]) -> list[str]:
    return sorted(filter(typed.get, WAYS), key=lambda way: typed[way])


def _question(typed: Typed) -> dict[str, Any]:
    options = _numbered({"id": option["id"], "text": _words(option["text"])} for option in typed["options"])
    return _filled(
        {
            "id": typed["id"].strip(),
            "text": _words(typed["text"]),
            "kind": typed["kind"].strip() or "text",
            "options": options,
            "required": bool(typed["required"]) or None,
        }
    ) | {"attendance": _ways(typed["attendance"])}


def _numbered(given: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return questions or options, each with the id that it came with or else one that none of the others has."""
    rows = list(given)
    known = {row.get("id") for row in rows}
    free = (str(number) for number in count(1) if str(number) not in known)
    return [row if row.get("id") else row | {"id": next(free)} for row in rows]


def _rule(typed: Typed) -> dict[str, Any]:
    ways = _ways(typed["attendance"])
    if typed["when"] == "at":
        return {"at": _moment(typed["at"]) or "", "attendance": ways}
    amount = typed["amount"].strip()
    duration = amount if amount.startswith("P") else UNITS.get(typed["unit"], UNITS["D"]).format(amount)
    return {typed["when"] if typed["when"] == "after_end" else "before_start": duration, "attendance": ways}


def slug_of(title: Mapping[str, str]) -> str:
    """Return an address made of the title, in whichever language there is one; empty if it has no letters for it."""
    said = next((title[language] for language in LANGUAGES if title[language].strip()), "")
    plain = unicodedata.normalize("NFKD", said.lower().translate(LETTERS)).encode("ascii", "ignore").decode()
    return "-".join(re.findall("[a-z0-9]+", plain))[:LONGEST_SLUG].strip("-")
