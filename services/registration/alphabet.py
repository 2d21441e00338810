"""The order of Norwegian names, which PostgreSQL may have no collation for."""

import unicodedata

LAST = str.maketrans({"æ": "{", "ä": "{", "ø": "|", "ö": "|", "å": "}", "đ": "d", "ŋ": "n", "ŧ": "t"})  # { | } follow z


def norwegian(text: str) -> str:
    """Return what to sort by: æ, ø and å come last, and no other mark matters."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFC", text.casefold()).translate(LAST))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))
