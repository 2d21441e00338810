"""How people are looked for in the database: whichever way they, and the words, are spelt."""

from collections.abc import Iterable

from services.registration.alphabet import FOLDED, LETTERS, norwegian

TOLD = "concat_ws(' ', name, organisation, email, left(id::text, 6))"


def folded(text: str) -> str:
    """Return the expression for what `alphabet.norwegian` makes of a text."""
    letters = f"translate(normalize({text}, NFC), '{LETTERS}', '{FOLDED}')"
    return f"lower(regexp_replace(normalize({letters}, NFKD), '[\\u0300-\\u036f]', '', 'g'))"


def patterns(words: Iterable[str]) -> list[str]:
    """Return what `folded` texts are LIKE that hold the words as they are."""
    return [f"%{_literal(norwegian(word))}%" for word in words]


def _literal(word: str) -> str:
    return word.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
