"""A list of people in a file, CSV or XLSX: its rows as what a form would carry, by the names of its inputs."""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from python_calamine import CalamineError, CalamineWorkbook

from services.registration.columns import column_of, reading
from shared.messages import Question

MOST_ROWS = 2_000  # people in one list
MOST_CELLS = 1_000_000  # of a sheet, as far as its outermost cells reach
LARGEST_UNPACKED = 32 * 1024 * 1024  # bytes of what a spreadsheet unpacks to
LONGEST = 1_000  # characters of a cell, of which fewer fit anywhere: what is longer is as wrong when it is cut
HEADINGS_WITHIN = 20  # rows, above which a list may have a title
SEPARATORS = ";,\t"
NAMES = {"name", "given_name", "family_name"}
XLSX, OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
OTHERS = ("content.xml", "workbook.bin")  # of packed spreadsheets of other kinds, which the reader would read too
SHEET = re.compile(rb"s\0*h\0*e\0*e\0*t\0*D\0*a\0*t\0*a")  # in UTF-16 too, which is refused
CELL, ROW = re.compile(rb"<(?:\w+:)?c[\s/>]"), re.compile(rb"<(?:\w+:)?row[\s/>]")
NAMED_R = re.compile(rb"""\sr\s*=\s*["']""")
REFERENCE = re.compile(rb"""\sr\s*=\s*["']([A-Za-z]{0,3})([0-9]{0,9})["']""")
GUARDED = re.compile(r"'\s*[=+\-@\t\r＝＋－＠]")  # noqa: RUF001 - as our own lists guard what looks like a formula

Table = Sequence[Sequence[str]]


class Unreadable(StrEnum):
    """Why a file cannot be taken as a list."""

    EMPTY = "empty"
    OLD = "old"
    BROKEN = "broken"
    TOO_LARGE = "too-large"
    TOO_MANY = "too-many"
    NO_HEADINGS = "no-headings"


class UnreadableError(ValueError):
    """The file is no list that we can read."""

    def __init__(self, why: Unreadable) -> None:
        super().__init__(why.value)
        self.why = why


class Row(NamedTuple):
    """Somebody in the list: the row's number, as a spreadsheet counts, and what stands in it, by input."""

    number: int
    fields: Mapping[str, str]


class People(NamedTuple):
    """The people of a list, and the headings of columns that nothing was read from."""

    rows: tuple[Row, ...]
    unread: tuple[str, ...]


def people_in(content: bytes, questions: Iterable[Question]) -> People:
    """Return the people in the file; raises UnreadableError."""
    questions = tuple(questions)
    for table in tables_in(content):
        for number, headings in enumerate(table[:HEADINGS_WITHIN]):
            columns = _columns(headings, questions)
            if "email" in columns.values() and NAMES.intersection(columns.values()):
                return _people(table, number, columns, questions)
    raise UnreadableError(Unreadable.NO_HEADINGS)


def _columns(headings: Sequence[str], questions: Sequence[Question]) -> dict[int, str]:
    """Return the input that each column is for; of two columns for one the first is read."""
    columns: dict[int, str] = {}
    for number, heading in enumerate(headings):
        field = column_of(heading, questions)
        if field and field not in columns.values():
            columns[number] = field
    return columns


def _people(table: Table, headings: int, columns: Mapping[int, str], questions: Sequence[Question]) -> People:
    rows = [
        Row(number, reading({field: cells[place] for place, field in columns.items() if place < len(cells)}, questions))
        for number, cells in enumerate(table[headings + 1 :], headings + 2)
        if any(cells)
    ]
    if not rows:
        raise UnreadableError(Unreadable.EMPTY)
    if len(rows) > MOST_ROWS:
        raise UnreadableError(Unreadable.TOO_MANY)
    unread = (heading for number, heading in enumerate(table[headings]) if heading and number not in columns)
    return People(tuple(rows), tuple(unread))


def tables_in(content: bytes) -> Iterator[Table]:
    """Yield the cells of the file as text without spaces around it, in each way it may be meant.

    Raises UnreadableError.
    """
    if not content.strip():
        raise UnreadableError(Unreadable.EMPTY)
    if content.startswith(OLD_EXCEL):
        raise UnreadableError(Unreadable.OLD)
    for rows in [_spreadsheet(content)] if content.startswith(XLSX) else _separated(content):
        yield [[_tidy(cell) for cell in row] for row in rows]


def _tidy(cell: str) -> str:
    text = cell.strip()
    return (text[1:] if GUARDED.match(text) else text)[:LONGEST]


# --- CSV ---


def _separated(content: bytes) -> Iterator[list[list[str]]]:
    """Yield the rows by each separator that is usual: whichever shows headings that are known is meant."""
    text = _decoded(content)
    first, _, rest = text.partition("\n")
    stated = re.fullmatch(r"sep=(.)\r?", first)  # as Excel has it
    for separator in stated[1] if stated else SEPARATORS:
        try:
            yield list(csv.reader(io.StringIO(rest if stated else text, newline=""), delimiter=separator))
        except (csv.Error, TypeError, ValueError):
            raise UnreadableError(Unreadable.BROKEN) from None


def _decoded(content: bytes) -> str:
    """Return the text in UTF-8, in UTF-16 if that is marked, else in Windows-1252, which Excel writes CSV in."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _as(content, "utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _as(content, "windows-1252")


def _as(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        raise UnreadableError(Unreadable.BROKEN) from None


# --- XLSX ---


def _spreadsheet(content: bytes) -> list[list[str]]:
    _bound(content)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        rows = book.get_sheet_by_index(0).to_python(skip_empty_area=False)
    except (CalamineError, OSError, ValueError, IndexError):
        raise UnreadableError(Unreadable.BROKEN) from None
    return [[_text(value) for value in row] for row in rows]


def _bound(content: bytes) -> None:
    """Refuse what would not fit into memory: the reader unpacks all there is, and makes every cell up to the last.

    Everything is unpacked once here, since the sizes that a file states of itself need not be true.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            files = packed.infolist()
            if any(file.filename.lower().endswith(OTHERS) for file in files):
                raise UnreadableError(Unreadable.OLD)
            if sum(file.file_size for file in files) > LARGEST_UNPACKED:
                raise UnreadableError(Unreadable.TOO_LARGE)
            for file in files:
                _bound_part(packed.read(file))
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, EOFError):
        raise UnreadableError(Unreadable.BROKEN) from None


def _bound_part(part: bytes) -> None:
    """Refuse a sheet that reaches too far, or whose cells say where they are in a way that nobody writes."""
    if not SHEET.search(part):
        return
    found = REFERENCE.findall(part)
    if b"\0" in part or len(found) != len(NAMED_R.findall(part)):
        raise UnreadableError(Unreadable.BROKEN)
    placed = sum(1 for letters, _ in found if letters)
    width = max([len(CELL.findall(part)) - placed, *(_number(letters) for letters, _ in found)])
    height = max([len(ROW.findall(part)), *(int(digits or 0) for _, digits in found)])
    if width * height > MOST_CELLS:
        raise UnreadableError(Unreadable.TOO_LARGE)


def _number(letters: bytes) -> int:
    """Return the number of the column, of a spreadsheet, where A is 1 and AA is 27."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - ord("A") + 1
    return number


def _text(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float() if value.is_integer():
            return str(int(value))
        case datetime() | date():
            return value.isoformat()
    return str(value)
