"""The organisations that seminars are made for: municipalities, county authorities and state governors.

The facts are Kartverket's and Statistics Norway's (KLASS), open data (NLOD, CC BY 4.0), with official numbers, Sámi and
Kven names and validity; what was founded before 2020 is valid from 2020 here. A state governor of several counties has
none of its own.
"""

import csv
import unicodedata
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, cast

Kind = Literal["municipality", "county_authority", "state_governor"]
KINDS: tuple[Kind, ...] = ("municipality", "county_authority", "state_governor")

FILE = Path(__file__).parent / "organisations.csv"
LETTERS = str.maketrans({"ø": "o", "æ": "ae", "đ": "d", "ŋ": "n", "ŧ": "t", "(": " ", ")": " ", ",": " "})
NYNORSK = ("statsforvaltaren", "statsforvalteren")


class Organisation(NamedTuple):
    """One of them, as it stands at a time."""

    kind: Kind
    name: str
    other_names: tuple[str, ...]
    municipality: str
    """Its official number of four digits; empty for what is no municipality."""
    county: str
    county_number: str
    organisation_number: str
    """In the Central Coordinating Register; empty where it is not certain."""
    sami_administrative_area: bool
    valid_from: date
    valid_to: date
    """The last day."""

    @property
    def base(self) -> str:
        """The name without what all of its kind are called."""
        return self.name.removesuffix(" kommune")


class Entry(NamedTuple):
    """An organisation under a name that no other has on that day."""

    label: str
    organisation: Organisation


@lru_cache(maxsize=1)
def _all() -> tuple[Organisation, ...]:
    with FILE.open(encoding="utf-8", newline="") as file:
        return tuple(_read(row) for row in csv.DictReader(file))


def _read(row: dict[str, str]) -> Organisation:
    return Organisation(
        kind=cast("Kind", row["kind"]),
        name=row["name"],
        other_names=tuple(name for name in row["other_names"].split(";") if name),
        municipality=row["municipality"],
        county=row["county"],
        county_number=row["county_number"],
        organisation_number=row["organisation_number"],
        sami_administrative_area=row["sami_administrative_area"] == "yes",
        valid_from=date.fromisoformat(row["valid_from"]),
        valid_to=date.fromisoformat(row["valid_to"]) if row["valid_to"] else date.max,
    )


@lru_cache(maxsize=64)
def directory(on: date) -> tuple[Organisation, ...]:
    """Return all that there are on a day."""
    return tuple(one for one in _all() if one.valid_from <= on <= one.valid_to)


@lru_cache(maxsize=64)
def entries(on: date) -> tuple[Entry, ...]:
    """Return all that there are on a day, those of one name told apart by their county."""
    names = [one.name for one in directory(on)]
    return tuple(
        Entry(one.name if names.count(one.name) == 1 else f"{one.name} ({one.county})", one) for one in directory(on)
    )


def is_municipality(number: str) -> bool:
    """Return whether a municipality has this number, or has had it since 2020."""
    return bool(number) and any(one.municipality == number for one in _all())


def fold(text: str) -> str:
    """Return what spellings of one name have in common: words without case, diacritics, brackets and commas."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(letter for letter in apart if not unicodedata.combining(letter)).translate(LETTERS)
    return " ".join(plain.replace(*NYNORSK).split())


@lru_cache(maxsize=64)
def _by_name(on: date) -> dict[str, tuple[Entry, ...]]:
    found: dict[str, tuple[Entry, ...]] = {}
    for entry in entries(on):
        for name in {fold(name) for name in _names(entry)}:
            found[name] = (*found.get(name, ()), entry)
    return found


def _names(entry: Entry) -> Iterable[str]:
    """Return all that people may call it; a bare "Agder" could be the county authority or the state governor."""
    one = entry.organisation
    yield from (entry.label, one.name)
    if one.kind == "municipality":
        yield one.base
        for name in one.other_names:
            yield from (name, f"{name} kommune")


def find(organisation: str | None, municipality: str | None, on: date) -> Entry | None:
    """Return the one that is meant by what people wrote of themselves; None if it is none of these, or unclear which.

    A municipality's number alone means that municipality; beside a name it tells apart those that are called the same.
    """
    named = entries(on) if organisation is None else _by_name(on).get(fold(organisation), ())
    if organisation is None or len(named) > 1:
        named = tuple(entry for entry in named if municipality and entry.organisation.municipality == municipality)
    return named[0] if len(named) == 1 else None


def recognise(organisation: str | None, municipality: str | None, on: date) -> Organisation | None:
    """Return the organisation that `find` finds."""
    entry = find(organisation, municipality, on)
    return entry.organisation if entry else None


def county_number_of(organisation: str | None, municipality: str | None, on: date) -> str | None:
    """Return the number of the county that people come from, None if that cannot be told."""
    found = recognise(organisation, municipality, on) or recognise(None, municipality, on)
    return (found.county_number or None) if found else None


def search(text: str, on: date, most: int) -> list[Entry]:
    """Return at most so many whose names have words that begin with those of `text`; the closest first."""
    wanted = fold(text).split()
    if not wanted:
        return []
    found = [(min(ranks), entry) for entry, names in _words(on) if (ranks := _ranks(names, wanted))]
    return [entry for _, entry in sorted(found, key=lambda each: (each[0], each[1].label))[:most]]


@lru_cache(maxsize=8)
def _words(on: date) -> list[tuple[Entry, list[list[str]]]]:
    """Return the words of every name that an entry is found by."""
    return [
        (entry, [fold(name).split() for name in (entry.label, *entry.organisation.other_names)])
        for entry in entries(on)
    ]


def _ranks(names: list[list[str]], wanted: list[str]) -> list[int]:
    """Return how close each of the names comes that fit at all: 0 for one that begins so."""
    fitting = [name for name in names if all(any(word.startswith(part) for word in name) for part in wanted)]
    return [0 if " ".join(name).startswith(" ".join(wanted)) else 1 for name in fitting]
