"""Lists of people as organisers have them, in files of many kinds, and what is no list at all."""

import csv
import io
import zipfile
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from xlsxwriter import Workbook

from services.registration.imported import MOST_ROWS, People, Unreadable, UnreadableError, people_in
from shared.messages import Option, Question
from tests.factories import UNHURRIED

HEADINGS = ("Navn", "E-post", "Virksomhet", "Deltakelse")
ASE = ("Åse Ødegård", "ase@example.org", "Sør-Odal; planavdelingen", "Fysisk")
BUS = Question(id="bus", text={"nb": "Kommer du med buss?", "en": "Do you come by bus?"}, kind="text")
FOOD = Question(
    id="food",
    text="Hva vil du ha?",
    kind="several",
    options=(Option(id="tea", text={"nb": "Te", "en": "Tea"}), Option(id="cake", text="Kake")),
)


def written(*rows: Sequence[Any], separator: str = ",", encoding: str = "utf-8") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows(rows)
    return text.getvalue().encode(encoding)


def spreadsheet(*rows: Sequence[Any], at: tuple[int, int] = (0, 0)) -> bytes:
    file = io.BytesIO()
    with Workbook(file, {"strings_to_formulas": False, "default_date_format": "yyyy-mm-dd"}) as book:
        page = book.add_worksheet()
        for number, row in enumerate(rows):
            page.write_row(at[0] + number, at[1], row)
    return file.getvalue()


def read(content: bytes, *questions: Question) -> list[dict[str, str]]:
    return [dict(row.fields) for row in people_in(content, questions).rows]


def refused(content: bytes) -> Unreadable:
    with pytest.raises(UnreadableError) as error:
        people_in(content, ())
    return error.value.why


def one(headings: Sequence[str], *cells: Any, write: Callable[..., bytes] = written) -> dict[str, str]:
    """Return what is read of somebody who has more than a name and an address."""
    (fields,) = read(write(("name", "email", *headings), ("Ada", "ada@example.org", *cells)), BUS, FOOD)
    return {field: text for field, text in fields.items() if field not in ("name", "email")}


# --- how it is written ---


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "windows-1252", "utf-16"])
def test_a_list_is_read_however_it_is_written(separator: str, encoding: str) -> None:
    (fields,) = read(written(HEADINGS, ASE, separator=separator, encoding=encoding))

    assert fields == {
        "name": "Åse Ødegård",
        "email": "ase@example.org",
        "organisation": "Sør-Odal; planavdelingen",
        "attendance": "in_person",
    }


def test_a_spreadsheet_is_read_as_its_csv_is() -> None:
    assert people_in(spreadsheet(HEADINGS, ASE), ()) == people_in(written(HEADINGS, ASE), ())


def test_excel_may_say_itself_what_separates() -> None:
    assert read(b"sep=|\r\nnavn|epost\r\nAda|ada@example.org\r\n") == [{"name": "Ada", "email": "ada@example.org"}]


def test_rows_have_the_numbers_that_the_spreadsheet_shows() -> None:
    rows: list[list[str]] = [[], ["Deltakere på seminaret"], [], ["Namn", "E-post"], [], ["Ada", "ada@example.org"]]

    for content in (spreadsheet(*rows), written(*rows)):
        assert [row.number for row in people_in(content, ()).rows] == [6]


@pytest.mark.parametrize("at", [(0, 3), (5, 0), (7, 7)])
def test_a_list_may_stand_anywhere_in_its_sheet(at: tuple[int, int]) -> None:
    (row,) = people_in(spreadsheet(HEADINGS, ASE, at=at), ()).rows

    assert (row.number, row.fields["name"]) == (at[0] + 2, "Åse Ødegård")


def test_numbers_dates_and_truths_of_a_spreadsheet_are_read_as_text() -> None:
    headings = ("kommunenummer", "rolle", "kostbehov", "online_meanwhile")

    cells = (4636, date(2023, 6, 1), 1.5, True)

    fields = one(headings, *cells, write=spreadsheet)

    assert fields == {
        "municipality": "4636", "role": "2023-06-01", "dietary_needs": "1.5", "online_meanwhile": "yes",
    }  # fmt: skip


# --- what stands in it ---


@pytest.mark.parametrize(
    ("heading", "cell", "field", "value"),
    [
        ("DELTAKING", "På nett", "attendance", "online"),
        ("attendance", "in_person", "attendance", "in_person"),
        ("Deltar", "med tog", "attendance", "med tog"),
        ("Språk", "Nynorsk", "language", "nn"),
        ("language", "English", "language", "en"),
        ("Kommunenr.", "301", "municipality", "0301"),
        ("municipality", "4636", "municipality", "4636"),
        ("Stilling", "Rådgiver", "role", "Rådgiver"),
        ("dietary_needs", "Uten gluten", "dietary_needs", "Uten gluten"),
        ("Antall", "3", "headcount", "3"),
        ("Status", "Avmeldt", "status", "cancelled"),
        ("Kommer du med buss?", "Ja", "answers.bus", "Ja"),
        ("Do you come by bus? (bus)", "Ja", "answers.bus", "Ja"),
        ("bus", "Ja", "answers.bus", "Ja"),
    ],
)
def test_columns_and_what_stands_in_them_go_by_many_names(heading: str, cell: str, field: str, value: str) -> None:
    assert one([heading], cell) == {field: value}


def test_several_options_are_named_by_their_texts_or_ids_and_what_is_none_is_kept_to_be_found_wrong() -> None:
    assert one(["food"], "Tea; KAKE; øl") == {
        "answers.food.tea": "on",
        "answers.food.cake": "on",
        "answers.food.øl": "on",
    }


def test_a_name_may_stand_in_two_columns() -> None:
    content = written(("Etternavn", "Fornavn", "epost"), ("Nordmann", "Kari Anne", "kari@example.org"))

    assert read(content)[0]["name"] == "Kari Anne Nordmann"


def test_of_two_columns_for_one_thing_the_first_is_read_and_what_is_not_read_is_named() -> None:
    people = people_in(
        written(("navn", "epost", "virksomhet", "kommune", "skostørrelse"), ("A", "b", "c", "d", "e")), ()
    )

    assert people.rows[0].fields["organisation"] == "c"
    assert people.unread == ("kommune", "skostørrelse")


@pytest.mark.parametrize("guarded", ["'=1+1", "'+47", "'-x", "'@home", "' =x", "'＝x"])
def test_what_our_own_lists_put_before_a_formula_is_taken_off(guarded: str) -> None:
    assert one(["role"], guarded) == {"role": guarded[1:]}


@pytest.mark.parametrize("text", ["=1+1", "'s-Hertogenbosch", "=cmd|' /C calc'!A0", "<script>"])
def test_what_looks_like_more_than_text_is_text(text: str) -> None:
    for write in (written, spreadsheet):
        assert one(["role"], text, write=write) == {"role": text}


# --- what is no list ---


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", Unreadable.EMPTY),
        (b" \r\n ", Unreadable.EMPTY),
        (b"navn,epost\n\n", Unreadable.EMPTY),
        (b"navn,telefon\nAda,1\n", Unreadable.NO_HEADINGS),
        (b"epost\na@example.org\n", Unreadable.NO_HEADINGS),
        (b"\x89PNG\r\n\x1a\n", Unreadable.NO_HEADINGS),
        (b"\xd0\xcf\x11\xe0 old", Unreadable.OLD),
        (b"PK\x03\x04 torn", Unreadable.BROKEN),
        (b"\xff\xfe\x00", Unreadable.BROKEN),
        (b"navn,epost\n" + b"A,a@example.org\n" * (MOST_ROWS + 1), Unreadable.TOO_MANY),
    ],
)
def test_a_file_that_is_no_list_is_refused_with_a_reason(content: bytes, why: Unreadable) -> None:
    assert refused(content) == why


def test_as_many_as_fit_are_read() -> None:
    assert len(read(b"navn,epost\n" + b"A,a@example.org\n" * MOST_ROWS)) == MOST_ROWS


def test_a_sheet_that_reaches_too_far_is_not_unfolded() -> None:
    rows = [[""] * 16_000 + ["far"], *([] for _ in range(200_000)), ["down"]]

    assert refused(spreadsheet(*rows)) == Unreadable.TOO_LARGE


CELLS = {
    "cells that count for themselves": b"<row r='900000'>" + b"<c/>" * 5 + b"</row>",
    "rows that count for themselves": b"<row><c/></row>" * 5000 + b"<row><c r='XFD1'/></row>",
    "another name for the same": b"<x:row r='1'><x:c r='XFD900000'/></x:row>",
    "capitals and spaces": b'<row r = "900000"><c r = "xfd1"/></row>',
}


@pytest.mark.parametrize("cells", CELLS.values(), ids=CELLS)
def test_a_sheet_cannot_hide_how_far_it_reaches(cells: bytes) -> None:
    assert refused(packed({"xl/worksheets/sheet1.xml": b"<worksheet><sheetData>" + cells})) == Unreadable.TOO_LARGE


@pytest.mark.parametrize("reference", [b"&#88;FD9", b"A1 B9", b"-1", b"ABCD1"])
def test_a_cell_that_says_oddly_where_it_is_breaks_the_file(reference: bytes) -> None:
    sheet = b"<worksheet><sheetData><row><c r='" + reference + b"'/></row></sheetData></worksheet>"

    assert refused(packed({"xl/worksheets/sheet1.xml": sheet})) == Unreadable.BROKEN


def test_a_sheet_in_another_encoding_is_not_looked_through_in_vain() -> None:
    assert refused(packed({"s.xml": "<worksheet><sheetData/></worksheet>".encode("utf-16")})) == Unreadable.BROKEN


def test_what_unpacks_to_very_much_is_not_unpacked() -> None:
    assert refused(packed({"xl/media/image.png": b"\0" * (33 * 1024 * 1024)})) == Unreadable.TOO_LARGE


@pytest.mark.parametrize("name", ["content.xml", "xl/workbook.bin", "XL/Workbook.BIN"])
def test_packed_spreadsheets_of_other_kinds_are_refused(name: str) -> None:
    assert refused(packed({name: b"x"})) == Unreadable.OLD


def packed(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in files.items():
            archive.writestr(name, file)
    return content.getvalue()


SOUND = spreadsheet(HEADINGS, ASE)


@UNHURRIED
@given(st.binary(max_size=200))
@example(b'navn,epost\n"\0')
@example(b'navn,epost\n"' + b"x" * 140_000)
def test_whatever_a_file_holds_it_is_a_list_or_is_refused(content: bytes) -> None:
    for attempt in (content, b"navn;epost\r\n" + content, b"PK\x03\x04" + content):
        _read_or_refused(attempt)


@UNHURRIED
@given(st.integers(0, len(SOUND) - 1), st.binary(min_size=1, max_size=8))
def test_a_damaged_spreadsheet_is_a_list_or_is_refused(at: int, damage: bytes) -> None:
    _read_or_refused(SOUND[:at] + damage + SOUND[at + len(damage) :])


def _read_or_refused(content: bytes) -> None:
    try:
        assert isinstance(people_in(content, (BUS, FOOD)), People)
    except UnreadableError as error:
        assert error.why in Unreadable  # noqa: PT017 - either is right


WORD = st.text(st.characters(codec="windows-1252", exclude_categories=("C", "Z"), exclude_characters="'"), min_size=1)


@UNHURRIED
@given(
    st.lists(st.tuples(WORD, WORD, WORD), min_size=1, max_size=5),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["utf-8", "utf-8-sig", "windows-1252"]),
)
@example([("0", "0", ";;;;")], ",", "utf-8")
@example([('"', ",\t;", "''")], ";", "utf-8")
def test_people_come_out_of_a_list_as_they_went_in(
    people: list[tuple[str, str, str]], separator: str, encoding: str
) -> None:
    content = written(("name", "email", "role"), *people, separator=separator, encoding=encoding)
    if encoding == "windows-1252" and _is_utf_8(content):
        return  # bytes that are both, and mean another thing in UTF-8

    fields = read(content)

    assert [(f["name"], f["email"], f["role"]) for f in fields] == people


def _is_utf_8(content: bytes) -> bool:
    try:
        return content.decode("utf-8") != content.decode("windows-1252")
    except UnicodeDecodeError:
        return False
