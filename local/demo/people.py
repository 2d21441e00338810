"""Who signs up in the demo: invented people of real municipalities, county authorities and state governors."""

import random
import re
from datetime import date
from typing import NamedTuple

from services.registration.organisations import Entry, entries

THE_DAY = date(2023, 6, 1)
GIVEN = (
    *("Anne", "Berit", "Elle", "Gunn", "Hilde", "Inga", "Kari", "Liv", "Máret", "Nina", "Oddny", "Sigrid", "Tone"),
    *(
        "Åse",
        "Ánte",
        "Bjørn",
        "Erik",
        "Geir",
        "Håkon",
        "Ivar",
        "Jon",
        "Lars",
        "Mikkel",
        "Nils",
        "Odd",
        "Øystein",
        "Per",
    ),
)
FAMILY = (
    *("Aas", "Bakken", "Dahl", "Eira", "Fjeld", "Gaup", "Haugen", "Iversen", "Johansen", "Kvam", "Lie", "Moen", "Næss"),
    *("Opdal", "Persen", "Rønning", "Sara", "Solbakken", "Tangen", "Utsi", "Vik", "Ødegård", "Åmot"),
)
NYNORSK = ("15", "46")  # county numbers of which most municipalities write nynorsk: Møre og Romsdal, Vestland
ASCII = str.maketrans({"æ": "ae", "ø": "o", "å": "a", "á": "a"})


class Person(NamedTuple):
    """Somebody who signs up, and what they tell of themselves."""

    name: str
    email: str
    organisation: str
    municipality: str | None
    language: str


def invited(count: int) -> list[Person]:
    """Return `count` people, the same every time, each with an address of their own."""
    chance = random.Random(2023)  # noqa: S311 - a story, no secret
    organisations = list(entries(THE_DAY))
    chance.shuffle(organisations)
    return [_person(chance, number, organisations[number % len(organisations)]) for number in range(count)]


def _person(chance: random.Random, number: int, organisation: Entry) -> Person:
    municipality = organisation.organisation.municipality
    given, family = chance.choice(GIVEN), chance.choice(FAMILY)
    host = re.sub(r"[^a-z]+", "-", organisation.label.lower().translate(ASCII)).strip("-")
    local = f"{given}.{family}{number}".lower().translate(ASCII)
    language = "nn" if municipality.startswith(NYNORSK) else chance.choice(["nb"] * 12 + ["nn", "en"])
    return Person(
        f"{given} {family}",
        f"{local}@{host}.example.no",
        organisation.label,
        municipality or None,
        language,
    )
