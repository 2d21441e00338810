"""The registrations as spreadsheets, read again by other libraries than those that wrote them."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from python_calamine import CalamineWorkbook

from services.registration import commands
from services.registration.app import build
from services.registration.exports import FIELDS, Sheet, sheet_of, written_csv, written_xlsx
from services.registration.settings import Settings
from shared.clock import MovableClock
from shared.web.keys import DATABASE
from tests.conftest import NewDatabase
from tests.factories import (
    END,
    NOW,
    ORGANISER,
    OSLO,
    SLUG,
    Client,
    RecordingBus,
    make_settings,
    make_sign_up,
    make_snapshot,
    served,
)

LUNCH = {
    "id": "lunch",
    "text": {"nb": "Spiser du lunsj?", "en": "Do you have lunch?"},
    "kind": "choice",
    "options": [{"id": "a", "text": {"nb": "Ja, gjerne", "en": "Yes, please"}}, {"id": "b", "text": "Nei"}],
}
DAYS = {
    "id": "days",
    "text": "Hvilke dager?",
    "kind": "several",
    "options": [{"id": "mon", "text": "mandag"}, {"id": "tue", "text": "tirsdag"}],
}
HOSTILE = '=HYPERLINK("https://example.org")'


class Exports(NamedTuple):
    client: Client
    clock: MovableClock

    async def sign_up(self, **fields: Any) -> None:
        async with self.client.app[DATABASE].transaction() as connection:
            await commands.sign_up(connection, make_sign_up(**fields), self.clock.now())

    async def learn(self, **overrides: Any) -> None:
        async with self.client.app[DATABASE].transaction() as connection:
            await commands.learn_of_seminar(connection, make_snapshot(**overrides), self.clock.now())

    async def file(self, suffix: str, language: str = "nb") -> bytes:
        headers = ORGANISER | {"Accept-Language": language}
        answer = await self.client.get(f"/api/registrations/export.{suffix}?seminar={SLUG}", headers=headers)
        assert answer.status == 200
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{SLUG}.{suffix}"'
        assert answer.headers["Cache-Control"] == "no-store"
        return await answer.read()

    async def xlsx(self, language: str = "nb") -> list[dict[str, Any]]:
        return read_xlsx(await self.file("xlsx", language))

    async def csv(self, language: str = "nb") -> list[dict[str, Any]]:
        return [*csv.DictReader(io.StringIO((await self.file("csv", language)).decode("utf-8-sig"), newline=""))]


def read_xlsx(content: bytes) -> list[dict[str, Any]]:
    titles, *rows = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    return [dict(zip(map(str, titles), row, strict=True)) for row in rows]


@pytest.fixture
async def exports(new_database: NewDatabase) -> AsyncIterator[Exports]:
    clock = MovableClock(NOW - datetime.now(UTC))
    settings = make_settings(Settings, await new_database("registration"))
    async with served(build, settings, clock, RecordingBus()) as client:
        exports = Exports(client, clock)
        await exports.learn(questions=[LUNCH, DAYS])
        yield exports


async def test_both_spreadsheets_hold_the_same_people_and_what_they_answered_in_words(exports: Exports) -> None:
    answers = {"lunch": "a", "days": ["mon", "tue"]}
    await exports.sign_up(name="Áile Đoŋŋá", role="Rådgiver", accessibility_needs="Teleslynge", answers=answers)
    await exports.sign_up(email="b@example.org", attendance="online", headcount=3)

    for rows, three in ((await exports.xlsx(), 3), (await exports.csv(), "3")):
        one, other = rows
        assert [*one] == [*FIELDS, "came", "Spiser du lunsj?", "Hvilke dager?"]
        assert (one["name"], one["role"], one["accessibility_needs"]) == ("Áile Đoŋŋá", "Rådgiver", "Teleslynge")
        assert (one["Spiser du lunsj?"], one["Hvilke dager?"]) == ("Ja, gjerne", "mandag; tirsdag")
        assert (other["headcount"], other["Spiser du lunsj?"], other["came"]) == (three, "", "")


async def test_questions_and_options_stand_in_the_readers_language(exports: Exports) -> None:
    await exports.sign_up(answers={"lunch": "a"})

    (one,) = await exports.xlsx("en")

    assert one["Do you have lunch?"] == "Yes, please"


async def test_answers_to_a_question_that_is_asked_no_more_are_not_lost(exports: Exports) -> None:
    await exports.sign_up(answers={"lunch": "a"})
    await exports.learn(revision=2, questions=[DAYS])

    (one,) = await exports.xlsx()

    assert one["lunch"] == "a"


async def test_moments_are_dates_in_the_seminars_zone(exports: Exports) -> None:
    await exports.sign_up()

    (one,) = await exports.xlsx()

    assert abs(one["registered_at"] - NOW.astimezone(OSLO).replace(tzinfo=None)) < timedelta(minutes=5)


async def test_formulas_are_text_in_both_spreadsheets(exports: Exports) -> None:
    await exports.sign_up(name=HOSTILE, organisation="+47 Solund", dietary_needs="@nuts")

    (one,), (other,) = await exports.xlsx(), await exports.csv()

    assert (one["name"], one["organisation"], one["dietary_needs"]) == (HOSTILE, "+47 Solund", "@nuts")
    assert (other["name"], other["organisation"], other["dietary_needs"]) == (f"'{HOSTILE}", "'+47 Solund", "'@nuts")


@pytest.mark.parametrize(
    "text", ["a\x00b", "a\x1b[2Jb", "a\r\nb", "\t=1+1", "a\ufffeb", "a\uffffb", "_x0041_", " =1+1"]
)
def test_control_characters_reach_no_spreadsheet_and_leave_it_readable(text: str) -> None:
    titles = (text, "b")

    (row,) = read_xlsx(written_xlsx(Sheet(titles, [(text, 1)]), OSLO))
    written = written_csv(Sheet(titles, [(text, 1)])).decode("utf-8-sig")

    assert [*row.values()][1] == 1
    for cell in (next(iter(row)), str(row[next(iter(row))]), written.replace("\r\n", "")):
        assert not any(character < " " or character in "\ufffe\uffff" for character in cell)
    assert not written.lstrip().startswith("=")
    assert "1+1" not in text or written.startswith("'")


def test_a_question_titled_as_a_field_or_another_has_a_column_of_its_own() -> None:
    questions = [
        {"id": about, "text": text, "kind": "text"} for about, text in (("x", "name"), ("y", "Buss?"), ("z", "Buss?"))
    ]

    sheet = sheet_of(make_snapshot(questions=questions), [], NOW, "nb")

    assert sheet.titles[-3:] == ("name (x)", "Buss?", "Buss? (z)")


async def test_after_the_end_it_says_who_came_and_who_did_not_if_anybody_was_seen(exports: Exports) -> None:
    for name in ("kari", "ola"):
        await exports.sign_up(name=name, email=f"{name}@example.org")
    await exports.sign_up(name="per", email="per@example.org", attendance="online")
    exports.clock.move_to(END)
    unseen = {row["name"]: row["came"] for row in await exports.xlsx()}
    async with exports.client.app[DATABASE].transaction() as connection:
        await connection.execute("UPDATE registrations SET checked_in_at = $1 WHERE name = 'kari'", END)

    seen = {row["name"]: row["came"] for row in await exports.xlsx()}

    assert unseen == {"kari": "", "ola": "", "per": ""}
    assert seen == {"kari": "yes", "ola": "no", "per": ""}
