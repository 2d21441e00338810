"""The order of Norwegian names, which PostgreSQL may have no collation for; `store_search.folded` tells it the same."""

import unicodedata

LETTERS, FOLDED = "ÆæÄäØøÖöÅåĐđŊŋŦŧ", "{{{{||||}}ddnntt"  # { | } follow z
_TABLE = str.maketrans(LETTERS, FOLDED)


def norwegian(text: str) -> str:
    """Return what to sort and look for: æ, ø and å come last, and no other mark matters."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFC", text).translate(_TABLE))
    return "".join(letter for letter in apart if not unicodedata.combining(letter)).lower()
