"""An e-mail's bytes (RFC 5322, MIME) with blanks for what is one person's own.

What is everybody's is escaped, encoded and folded once, when the `Skeleton` is made; for a person only the lines with
blanks are. The bytes are as if the whole had been written for that person. No value breaks out of its line: `fill`
refuses what no line may hold, escapes the rest as its part wants it, and then looks at the finished header block.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from markupsafe import escape

from shared.lines import JOINERS, one_line

BLANK = re.compile(r"blank__(\w+?)__blank")
LONGEST_LINE = 998  # octets without the line's end (RFC 5322, 2.1.1)
HEADER_LINE = 76  # characters after which a header goes on in the next line (RFC 2047, 2)
CALENDAR_LINE = 75  # octets (RFC 5545, 3.1)
ENCODED = 39  # octets in one encoded word, which makes 64 characters: it fits behind "Subject: "
CONTINUES = 0b10  # how the octets of a character but its first begin (RFC 3629, 3)
# Where a line may end without a reader's seeing it: between what is not inline.
BETWEEN_BLOCKS = re.compile(r">(?=</?(?:html|head|body|title|meta|style|table|tbody|tr|td|div)\b)")

Encode = Callable[[str], bytes]  # from a line's whole text to the bytes that stand for it
Escape = Callable[[str], str]


class HeaderInjectionError(ValueError):
    """The finished header block is not what was put into it."""


class TooLongError(ValueError):
    """A line is longer than any may be that is not encoded."""


def blank(name: str) -> str:
    """Return what stands in a text for the value `name`: a word that no escaping changes and nothing folds."""
    return f"blank__{name}__blank"


# --- what stands in headers ---


def header_text(text: str) -> str:
    """Return `text` as it is or as encoded words (RFC 2047); raises ValueError for what no line may hold."""
    text = one_line(text)
    return text if text.isascii() else _encoded_words(text)


def mailbox(name: str, address: str) -> str:
    """Return a display name and an ASCII address (RFC 5322, 3.4); raises ValueError for what no line may hold."""
    if not address.isascii() or not address.isprintable():
        raise ValueError("an address must be ASCII")
    name = one_line(name)
    if name.isascii():
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}" <{address}>' if name else f"<{address}>"
    return f"{_encoded_words(name)} <{address}>"


def _encoded_words(text: str) -> str:
    """Return encoded words, each of whole characters."""
    words, word = [], b""
    for character in text:
        octets = character.encode()
        if len(word) + len(octets) > ENCODED:
            words.append(word)
            word = b""
        word += octets
    return " ".join(f"=?utf-8?b?{base64.b64encode(part).decode()}?=" for part in [*words, word])


# --- lines ---


def _header(line: str) -> bytes:
    """Fold a header at its spaces (RFC 5322, 2.2.3)."""
    if len(line) <= HEADER_LINE:
        return line.encode("ascii") + b"\r\n"
    lines, last = [], ""
    for word in line.split(" "):
        if last.strip() and len(last) + 1 + len(word) > HEADER_LINE:
            lines.append(last)
            last = ""
        last = f"{last} {word}" if last or lines else word
    return "\r\n".join([*lines, last]).encode("ascii") + b"\r\n"


def _quoted_printable(line: str) -> bytes:
    """Return one line in lines of at most 76 characters (RFC 2045, 6.7)."""
    return binascii.b2a_qp(line.encode(), istext=True).replace(b"\n", b"\r\n") + b"\r\n"


def _eight_bit(line: str) -> bytes:
    """Return the line as it is; raises TooLongError."""
    octets = line.encode()
    if len(octets) > LONGEST_LINE:
        raise TooLongError
    return octets + b"\r\n"


def _folding(encode: Encode) -> Encode:
    """Return what folds a calendar's line by octets and encodes the pieces."""

    def fold(line: str) -> bytes:
        return encode(line) if len(line) * 4 <= CALENDAR_LINE else b"".join(encode(piece) for piece in _folded(line))

    return fold


def _folded(line: str) -> Iterator[str]:
    """Give a calendar's line in pieces of whole characters, all but the first with a space before them."""
    octets = line.encode()
    begin, space = 0, ""
    while (end := begin + CALENDAR_LINE - len(space)) < len(octets):
        while octets[end] >> 6 == CONTINUES:
            end -= 1
        yield space + octets[begin:end].decode()
        begin, space = end, " "
    yield space + octets[begin:].decode()


class _Line(NamedTuple):
    """A line with blanks: its text, cut where they are."""

    text: list[str]
    names: list[str]
    escape: Escape
    encode: Encode

    def fill(self, values: Mapping[str, str]) -> bytes:
        line = self.text[0]
        for name, after in zip(self.names, self.text[1:], strict=True):
            line += self.escape(values[name]) + after
        return self.encode(line)


def _cut(lines: Iterable[str], escape: Escape, encode: Encode) -> list[bytes | _Line]:
    """Return the bytes of the lines without blanks, and what fills those that have some."""
    cut = [BLANK.split(line) for line in lines]
    return [_Line(parts[::2], parts[1::2], escape, encode) if parts[1:] else encode(parts[0]) for parts in cut]


# --- the alternatives ---


def _as_it_is(value: str) -> str:
    return value


def _for_html(value: str) -> str:
    return str(escape(value))


def _for_calendars(value: str) -> str:
    """Escape a value of type TEXT (RFC 5545, 3.3.11)."""
    return value.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")


class Part(NamedTuple):
    """One of the alternatives: its text with blanks, in lines, and how a value is escaped in it."""

    content_type: str
    text: str
    escape: Escape
    fold: bool = False  # as calendars' lines are

    def lines(self, encode: Encode) -> list[bytes | _Line]:
        """Return the lines, encoded."""
        encode = _folding(encode) if self.fold else encode
        return _cut(self.text.removesuffix("\n").split("\n"), self.escape, encode)


def text_part(text: str) -> Part:
    """Return the part for whoever reads text."""
    return Part('text/plain; charset="utf-8"', text, _as_it_is)


def html_part(html: str) -> Part:
    """Return the part for whoever reads HTML, in more lines than it had."""
    return Part('text/html; charset="utf-8"', BETWEEN_BLOCKS.sub(">\n", html), _for_html)


def calendar_part(content: str, method: str) -> Part:
    """Return the part for calendars (RFC 5545), whose lines `content` may have folded; `method` stands in it too."""
    unfolded = content.replace("\r\n ", "").replace("\r\n", "\n")
    return Part(f'text/calendar; charset="utf-8"; method="{method}"', unfolded, _for_calendars, fold=True)


# --- the whole ---


class Skeleton:
    """An e-mail but for the values of its blanks.

    `headers` are as they stand in the block, blanks among them; `boundary` must be in no part (RFC 2046, 5.1.1), and
    `eight_bit` says that the server takes bodies that are not encoded (8BITMIME, RFC 6152).
    """

    def __init__(self, headers: Mapping[str, str], parts: Iterable[Part], boundary: str, *, eight_bit: bool) -> None:
        mime = {"MIME-Version": "1.0", "Content-Type": f'multipart/alternative; boundary="{boundary}"'}
        whole = {**headers, **mime}
        self._names = [name.encode() for name in whole]
        block = (f"{name}: {value}" for name, value in whole.items())
        self._block = _merged(_cut(block, _as_it_is, _header))
        encoding, encode = ("8bit", _eight_bit) if eight_bit else ("quoted-printable", _quoted_printable)
        body: list[bytes | _Line] = []
        for part in parts:
            head = f"\r\n--{boundary}\r\nContent-Type: {part.content_type}\r\nContent-Transfer-Encoding: {encoding}\r\n"
            body += [head.encode() + b"\r\n", *part.lines(encode)]
        self._body = _merged([*body, f"\r\n--{boundary}--\r\n".encode()])

    def fill(self, values: Mapping[str, str]) -> bytes:
        """Return the e-mail with CRLF line ends; raises ValueError for what no line may hold, TooLongError."""
        if not all(value.translate(JOINERS).isprintable() for value in values.values()):
            raise ValueError("a value must not contain control characters or line breaks")
        block = b"".join([piece if isinstance(piece, bytes) else piece.fill(values) for piece in self._block])
        _check(block, self._names)
        return block + b"".join([piece if isinstance(piece, bytes) else piece.fill(values) for piece in self._body])


def _merged(pieces: Iterable[bytes | _Line]) -> list[bytes | _Line]:
    """Join bytes that follow each other."""
    merged: list[bytes | _Line] = []
    for piece in pieces:
        if isinstance(piece, bytes) and merged and isinstance(merged[-1], bytes):
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged


def _check(block: bytes, names: list[bytes]) -> None:
    """Raise HeaderInjectionError unless the block holds the headers of these names, no more, each of sound lines."""
    lines = block.split(b"\r\n")
    ends = len(lines) - 1
    found = [line.partition(b":")[0] for line in lines[:-1] if line[:1] not in (b" ", b"\t")]
    if (
        found != names
        or lines[-1]
        or block.count(b"\r") != ends
        or block.count(b"\n") != ends
        or not block.isascii()
        or max(map(len, lines)) > LONGEST_LINE
    ):
        raise HeaderInjectionError("the header block is not what was put into it")
