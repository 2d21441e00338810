"""A seminar's registrations as a spreadsheet: CSV for programs, XLSX for people."""

import asyncio
import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import asyncpg
from aiohttp import web
from aiohttp.typedefs import Handler
from xlsxwriter import Workbook

from services.registration import store
from shared.database import Connection
from shared.messages import Attendance, Language, Question, RegistrationStatus, SeminarSnapshot
from shared.web.keys import CLOCK, DATABASE
from shared.web.operations import Answer, Operation
from shared.web.organiser import organiser_of
from shared.web.pages import language_of
from shared.web.problems import not_found
from shared.web.queries import OfSeminar, asked
from shared.web.texts import say

FIELDS = (
    "name", "email", "status", "attendance", "organisation", "municipality", "dietary_needs", "headcount", "language",
    "registered_at", "role", "accessibility_needs", "online_meanwhile", "checked_in_at",
)  # fmt: skip
CAME = "came"  # yes or no of those who had a seat; empty as long as nobody can say
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffe\uffff]")  # what XML has no room for, and what moves a cursor
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # noqa: RUF001 - wide ones too, which some take for the others
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOMENT = "yyyy-mm-dd hh:mm"
WIDTH = 20  # characters of a column

Row = Mapping[str, Any] | asyncpg.Record  # of a registration, by column
Value = str | int | datetime | None


class Sheet(NamedTuple):
    """What stands in a spreadsheet; its moments are instants."""

    titles: tuple[str, ...]
    rows: Iterable[Sequence[Value]]


async def export_csv(request: web.Request) -> web.Response:
    """Give the registrations as CSV (RFC 4180), in UTF-8 with a byte order mark so that spreadsheets read æøå."""
    return await _export(request, "csv", "text/csv", lambda sheet, _: written_csv(sheet))


async def export_xlsx(request: web.Request) -> web.Response:
    """Give the registrations as a spreadsheet (Office Open XML), its moments in the seminar's zone."""
    return await _export(request, "xlsx", XLSX, lambda sheet, seminar: written_xlsx(sheet, ZoneInfo(seminar.zone)))


async def _export(
    request: web.Request, suffix: str, kind: str, write: Callable[[Sheet, SeminarSnapshot], bytes]
) -> web.Response:
    organiser_of(request)
    seminar, rows = await _registrations(request)
    sheet = sheet_of(seminar, rows, request.app[CLOCK].now(), language_of(request))
    body = await asyncio.to_thread(write, sheet, seminar)  # thousands of rows take a second
    response = web.Response(body=body, content_type=kind, charset="utf-8" if suffix == "csv" else None)
    response.headers["Content-Disposition"] = f'attachment; filename="{seminar.slug}.{suffix}"'
    response.headers["Cache-Control"] = "no-store"
    return response


async def _registrations(request: web.Request) -> tuple[SeminarSnapshot, list[asyncpg.Record]]:
    async with request.app[DATABASE].connection() as connection:
        seminar = await asked_seminar(request, connection)
        return seminar, await store.listing(connection, seminar.slug, 0, None)


async def asked_seminar(request: web.Request, connection: Connection) -> SeminarSnapshot:
    """Return the seminar that the query names; raises a 404 Problem."""
    seminar = await store.get_seminar(connection, asked(request, OfSeminar).seminar)
    if seminar is None:
        raise not_found("seminar")
    return seminar


# --- what stands in it ---


def sheet_of(seminar: SeminarSnapshot, rows: Sequence[Row], now: datetime, language: Language) -> Sheet:
    """Return the sheet of a seminar's registrations: a column a field, and one a question, titled with it."""
    questions = _columns(seminar.questions, rows, language)
    seen = now >= seminar.end and any(row["checked_in_at"] for row in rows)
    cells = (_cells(row, questions, language, seen=seen) for row in rows)
    return Sheet((*FIELDS, CAME, *questions), cells)


def _columns(questions: Iterable[Question], rows: Iterable[Row], language: Language) -> dict[str, Question | str]:
    """Return by title each question, and the ids of those that were answered and are asked no more."""
    columns: dict[str, Question | str] = {}
    for question in questions:
        title = say(question.text, language).text
        columns[title if title not in (*FIELDS, CAME, *columns) else f"{title} ({question.id})"] = question
    known = {question.id for question in questions}
    gone = dict.fromkeys(about for row in rows for about in row["answers"] if about not in known)
    return columns | {about if about not in columns else f"{about} *": about for about in gone}


def _cells(row: Row, questions: Mapping[str, Question | str], language: Language, *, seen: bool) -> list[Value]:
    replies = [_reply(row["answers"], question, language) for question in questions.values()]
    return [*(_value(row[field]) for field in FIELDS), _came(row, seen=seen), *replies]


def _value(value: object) -> Value:
    match value:
        case None | "":
            return None
        case bool():
            return "yes" if value else None
        case int() | datetime():
            return value
    return str(value)


def _came(row: Row, *, seen: bool) -> str | None:
    """Say whether somebody who had a seat came: not before the end, and not where nobody looked."""
    if row["checked_in_at"]:
        return "yes"
    had_a_seat = row["status"] == RegistrationStatus.CONFIRMED and row["attendance"] == Attendance.IN_PERSON
    return "no" if seen and had_a_seat else None


def _reply(answers: Mapping[str, object], question: Question | str, language: Language) -> str | None:
    about = question if isinstance(question, str) else question.id
    reply = answers.get(about)
    given = [reply] if isinstance(reply, str) else list(reply) if isinstance(reply, list | tuple) else []
    options = {} if isinstance(question, str) else {o.id: say(o.text, language).text for o in question.options}
    return "; ".join(options.get(each, each) for each in given) or None


# --- how it is written ---


def written_csv(sheet: Sheet) -> bytes:
    """Return the sheet as CSV."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([cell(title) for title in sheet.titles])
    writer.writerows([cell(value) for value in row] for row in sheet.rows)
    return text.getvalue().encode("utf-8-sig")


def cell(value: Value) -> str:
    """Return the value as text that no spreadsheet takes for a formula, nor a terminal for a command."""
    text = printable("" if value is None else str(value))
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text


def printable(text: str) -> str:
    """Return the text with a space in the place of each control character."""
    return UNPRINTABLE.sub(" ", text)


def written_xlsx(sheet: Sheet, zone: ZoneInfo) -> bytes:
    """Return the sheet as an XLSX file: text is text there, whatever it begins with."""
    file = io.BytesIO()
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with Workbook(file, options) as workbook:
        bold, moment = workbook.add_format({"bold": True}), workbook.add_format({"num_format": MOMENT})
        page = workbook.add_worksheet()
        page.freeze_panes(1, 1)
        page.set_column(0, len(sheet.titles) - 1, WIDTH)
        for column, title in enumerate(sheet.titles):
            page.write_string(0, column, printable(title), bold)
        for row, column, value in _filled(sheet.rows):
            match value:
                case datetime():
                    page.write_datetime(row, column, value.astimezone(zone).replace(tzinfo=None), moment)
                case int():
                    page.write_number(row, column, value)
                case str():
                    page.write_string(row, column, printable(value))
    return file.getvalue()


def _filled(rows: Iterable[Sequence[Value]]) -> Iterator[tuple[int, int, Value]]:
    for number, row in enumerate(rows, 1):
        for column, value in enumerate(row):
            if value is not None:
                yield number, column, value


def _operation(suffix: str, handler: Handler, kind: str) -> Operation:
    return Operation(
        web.get(f"/api/registrations/export.{suffix}", handler),
        answers={200: Answer(kind, headers=("Content-Disposition",))},
        callers=("organiser",),
        query=OfSeminar,
        problems={404: ("not-found",)},
    )


OPERATIONS = (
    _operation("csv", export_csv, "text/csv"),
    _operation("xlsx", export_xlsx, XLSX),
)
