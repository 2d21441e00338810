"""Text that may stand in one line of an e-mail's header, wherever it was typed."""

JOINERS = dict.fromkeys(map(ord, "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"))  # which some scripts need


def one_line(text: str) -> str:
    """Return `text` with its hard spaces made soft; raises ValueError for what could break out of a header.

    That is control characters (RFC 5322, 2.2) and encoded words (RFC 2047), inside of which a line break may hide.
    """
    text = text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")
    if not text.translate(JOINERS).isprintable():
        raise ValueError("must not contain control characters or line breaks")
    if "=?" in text:
        raise ValueError("must not contain =?")
    return text
