"""Which column of a list is for what, by its heading in any of our languages, and how what stands in it is meant."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from shared.messages import Attendance, Question, Text

HEADINGS = {
    "name": "name, full name, navn, fullt navn, namn, fullt namn, deltaker, deltakar, participant",
    "given_name": "first name, given name, fornavn, fornamn",
    "family_name": "last name, family name, surname, etternavn, etternamn",
    "email": "email, email address, mail, epost, epostadresse, e-postadresse",
    "attendance": "attendance, deltakelse, deltaking, deltagelse, oppmøte, deltar, deltek, attends",
    "organisation": "organisation, organization, virksomhet, verksemd, organisasjon, arbeidsgiver, arbeidsgivar,"
    " arbeidssted, arbeidsstad, kommune, employer, company",
    "municipality": "municipality, municipality number, kommunenummer, kommunenr",
    "role": "role, job title, title, position, rolle, stilling, tittel",
    "dietary_needs": "dietary needs, diet, allergies, allergier, allergiar, kosthold, kostbehov, matbehov,"
    " allergier og andre kostbehov, allergiar og andre kostbehov",
    "accessibility_needs": "accessibility needs, accessibility, tilrettelegging, behov for tilrettelegging,"
    " hva trenger du for å kunne delta, kva treng du for å kunne delta",
    "headcount": "headcount, number of people, antall, antall personer, antall deltakere, tal på personar",
    "language": "language, språk, målform",
    "online_meanwhile": "online meanwhile, digitalt i mellomtiden, digitalt i mellomtida, digitalt mens jeg venter",
    "status": "status",
}
VALUES: Mapping[str, Mapping[str, str]] = {
    "attendance": {
        Attendance.IN_PERSON: "in person, in_person, on site, fysisk, fysisk oppmøte, oppmøte, møte opp, møter opp,"
        " i salen, i rommet, på stedet, på staden",
        Attendance.ONLINE: "online, digital, digitalt, på nett, nett, strømming, strøyming, stream, livestream,"
        " direktesending",
    },
    "language": {
        "nb": "nb, bokmål, norsk, norsk bokmål, no, norwegian, norwegian bokmål",
        "nn": "nn, nynorsk, norsk nynorsk, norwegian nynorsk",
        "en": "en, english, engelsk",
    },
    "online_meanwhile": {"yes": "yes, true, ja, x, on, 1", "": "no, false, nei, off, 0"},
    "status": {
        "cancelled": "cancelled, canceled, avmeldt, avmelding, avbestilt, withdrawn",
    },
}
SHORTENED = 3  # digits of a municipality's number from which a spreadsheet has taken the zero that it begins with


def plain(text: str) -> str:
    """Return what spellings of one heading have in common: letters and digits."""
    return re.sub(r"[\W_]+", "", text.casefold())


def _by_spelling(meanings: Mapping[str, str]) -> dict[str, str]:
    return {plain(spelling): meaning for meaning, all_ in meanings.items() for spelling in all_.split(",")}


FIELDS = _by_spelling(HEADINGS)
OURS = {plain(field) for field in HEADINGS}
FIELDS |= {plain(field): field for field in HEADINGS}
MEANT = {field: _by_spelling(values) for field, values in VALUES.items()}


def column_of(heading: str, questions: Iterable[Question]) -> str | None:
    """Return the input that the column is for, None if it is for none; what our own lists have as headings goes first.

    Those have a question's text and, where that could be mistaken, its id behind it.
    """
    spelt = plain(heading)
    if spelt in OURS:
        return FIELDS[spelt]
    for question in questions:
        texts = (question.id, *_texts(question.text), *(text + question.id for text in _texts(question.text)))
        if spelt and spelt in map(plain, texts):
            return f"answers.{question.id}"
    return FIELDS.get(spelt)


def _texts(text: Text) -> Iterator[str]:
    yield from (text,) if isinstance(text, str) else text.values()


def reading(cells: Mapping[str, str], questions: Iterable[Question]) -> dict[str, str]:
    """Return what a form would carry of a row's cells; what is not understood stays as it is, to be found wrong."""
    fields = {field: MEANT.get(field, {}).get(plain(text), text) for field, text in cells.items() if text}
    names = [fields.pop(part, "") for part in ("given_name", "family_name")]
    fields.setdefault("name", " ".join(filter(None, names)))
    if len(number := fields.get("municipality", "")) == SHORTENED and number.isdecimal():
        fields["municipality"] = f"0{number}"
    for question in questions:
        if reply := fields.pop(f"answers.{question.id}", ""):
            fields |= _answer(question, reply)
    return {field: text for field, text in fields.items() if text}


def _answer(question: Question, reply: str) -> dict[str, str]:
    field = f"answers.{question.id}"
    if question.kind == "text":
        return {field: reply}
    given = [_option(question, part) for part in _parts(question, reply)]
    return {field: given[0]} if question.kind == "choice" else {f"{field}.{option}": "on" for option in given}


def _parts(question: Question, reply: str) -> Sequence[str]:
    return [reply] if question.kind == "choice" else [part.strip() for part in reply.split(";") if part.strip()]


def _option(question: Question, reply: str) -> str:
    for option in question.options:
        if plain(reply) in map(plain, (option.id, *_texts(option.text))):
            return option.id
    return reply
