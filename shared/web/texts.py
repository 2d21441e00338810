"""Texts in the reader's language: one .po file a language, English is the language of the sources."""

import io
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol, get_args
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from shared.messages import Language, Text

CATALOGUES = Path(__file__).parent / "texts"
LANGUAGES: tuple[Language, ...] = get_args(Language)
DEFAULT: Language = "nb"
# Whoever lacks a text in one Norwegian reads the other sooner than English.
FALLBACKS: Mapping[Language, tuple[Language, ...]] = {
    "nb": ("nb", "nn", "en"),
    "nn": ("nn", "nb", "en"),
    "en": ("en", "nb", "nn"),
}
LOCALES = {"nb": Locale("nb"), "nn": Locale("nn"), "en": Locale("en", "GB")}


@cache
def catalogue(language: Language) -> Translations:
    """Return the compiled texts of `language`."""
    path = CATALOGUES / f"{language}.po"
    if not path.exists():
        return Translations()
    with path.open("rb") as source:
        compiled = io.BytesIO()
        write_mo(compiled, read_po(source, locale=language))
    compiled.seek(0)
    return Translations(compiled)


class Said(NamedTuple):
    """A text and the language that it was to be had in."""

    text: str
    language: Language


def say(text: Text | None, language: Language) -> Said:
    """Choose from a text by language the one nearest to `language`; a plain string serves them all."""
    if not isinstance(text, dict):
        return Said(text or "", language)
    for candidate in FALLBACKS[language]:
        if candidate in text:
            return Said(text[candidate], candidate)
    return Said("", language)


class Translatable(Protocol):
    """A fault or a warning: English words, and what fills their %(…)s."""

    @property
    def text(self) -> str:
        """A key of the catalogues."""

    @property
    def values(self) -> Mapping[str, str]:
        """Names, times and numbers; a name, such as a holiday's, may be a key too."""


def worded(said: Translatable, language: Language) -> str:
    """Return what is said in `language`."""
    gettext = catalogue(language).gettext
    text = gettext(said.text)
    return text % {name: gettext(value) for name, value in said.values.items()} if said.values else text


def date_text(moment: datetime, zone: str, language: Language) -> str:
    """Return e.g. "torsdag 1. juni 2023"."""
    form = {"nb": "EEEE d. MMMM y", "nn": "EEEE d. MMMM y", "en": "EEEE d MMMM y"}[language]
    return format_datetime(moment, form, tzinfo=ZoneInfo(zone), locale=LOCALES[language])


def day_text(moment: datetime, zone: str, language: Language) -> str:
    """Return e.g. "1. juni"."""
    form = {"nb": "d. MMMM", "nn": "d. MMMM", "en": "d MMMM"}[language]
    return format_datetime(moment, form, tzinfo=ZoneInfo(zone), locale=LOCALES[language])


def time_text(moment: datetime, zone: str, language: Language) -> str:
    """Return e.g. "10.00", in English "10:00"."""
    form = {"nb": "HH.mm", "nn": "HH.mm", "en": "HH:mm"}[language]
    return format_time(moment.astimezone(ZoneInfo(zone)), form, locale=LOCALES[language])
