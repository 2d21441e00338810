"""What organisers of a seminar say besides in one kind of e-mail: plain text in paragraphs, with a few placeholders."""

import re
import textwrap
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from shared.faults import Fault
from shared.messages import LANGUAGES

LONGEST = 2000  # characters in one language
LINKS = ("link", "mine")
PLACEHOLDERS = ("name", "seminar", "start", *LINKS)
BRACED = re.compile(r"\{([^{}\n]*)\}")
WIDTH = 72  # of a line of the text part
# What no line may hold: controls, halves of characters, line ends of other kinds; and what turns the reading direction.
UNSPEAKABLE = frozenset({"Cc", "Cs", "Cn", "Co", "Zl", "Zp"})
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
RESERVED = "blank__"  # how the places of what is a person's own begin in a skeleton


class Passage(NamedTuple):
    """A passage as it is kept; version 0 is one that has never been."""

    version: int = 0
    texts: Mapping[str, str] = MappingProxyType({})


class Part(NamedTuple):
    """A piece of a line: words, or an address to follow."""

    text: str
    link: bool = False


Paragraph = list[list[Part]]  # its lines


def tidied(typed: Mapping[str, str]) -> dict[str, str]:
    """Return what was typed in each language with plain line ends, without what cannot be seen around it."""
    return {language: _tidied(typed.get(language, "")) for language in LANGUAGES}


def _tidied(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\N{NO-BREAK SPACE}", " ").replace("\t", " ")
    lines = "\n".join(line.strip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", lines).strip()


def faults(texts: Mapping[str, str]) -> list[Fault]:
    """Return what is wrong with a passage; one language alone is wrong, as all readers are told the same."""
    found = [fault for language in LANGUAGES for fault in _faults_of(language, texts[language])]
    if any(texts.values()):
        found += [Fault((language,), "is needed in this language too") for language in LANGUAGES if not texts[language]]
    return found


def _faults_of(language: str, text: str) -> list[Fault]:
    found = []
    if len(text) > LONGEST:
        found.append(Fault((language,), "must not be longer than %(max_length)s characters", {"max_length": "2000"}))
    if RESERVED in text or any(_is_unspeakable(character) for character in text):
        found.append(Fault((language,), "has characters that cannot be mailed"))
    unknown = [name for name in BRACED.findall(text) if name not in PLACEHOLDERS]
    found += [Fault((language,), "{%(name)s} is no placeholder", {"name": name}) for name in unknown]
    if re.search(r"[{}]", BRACED.sub("", text)):
        found.append(Fault((language,), "has a brace without its other half"))
    return found


def _is_unspeakable(character: str) -> bool:
    return (character != "\n" and unicodedata.category(character) in UNSPEAKABLE) or character in TURNING


def paragraphs(text: str, values: Mapping[str, str]) -> list[Paragraph]:
    """Return the passage with `values` in the placeholders, for HTML."""
    return [[_parts(line, values) for line in paragraph.split("\n")] for paragraph in text.split("\n\n") if paragraph]


def _parts(line: str, values: Mapping[str, str]) -> list[Part]:
    pieces = BRACED.split(line)  # words and placeholders' names in turn
    parts = [Part(values[piece], piece in LINKS) if odd % 2 else Part(piece) for odd, piece in enumerate(pieces)]
    return [part for part in parts if part.text]


def plain(text: str, values: Mapping[str, str]) -> str:
    """Return the passage with `values` in the placeholders, in lines for the text part.

    Lines are broken before the values are put in, so that they are broken alike for everybody.
    """
    lines = [broken for line in text.split("\n") for broken in _broken(line)]
    return BRACED.sub(lambda found: values[found[1]], "\n".join(lines))


def _broken(line: str) -> list[str]:
    return textwrap.wrap(line, WIDTH, break_long_words=False, break_on_hyphens=False) or [""]
