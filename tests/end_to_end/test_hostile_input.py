"""Whatever people write of themselves is refused by its field, or shown harmlessly wherever it comes to stand."""

import csv
import email
import email.policy
import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from icalendar import Calendar, Event
from python_calamine import CalamineWorkbook

from tests.end_to_end.conftest import SEMINAR, Site, forget, site

FIELDS = ("name", "organisation", "role", "dietary_needs", "accessibility_needs")
REFUSED = {
    "a line break": "a\r\nBcc: evil@example.org",
    "an encoded word": "=?utf-8?q?a=0D=0ABcc:_evil@example.org?=",
    "a null": "a\x00b",
    "an escape": "a\x1b[2Jb",
    "a line separator": "a\u2028b",
    "a direction of writing": "a\u202eb",
    "too much": "a" * 5000,
    "nothing": "   ",
}
TAKEN = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "an attribute": "\" onmouseover='alert(1)' x=\"",
    "a formula": '=HYPERLINK("https://evil.example","x")',
    "a plus": "+cmd|' /C calc'!A0",
    "an at sign": "@SUM(1+1)",
    "a calendar": "x;X-EVIL=1:BEGIN:VEVENT,END:VEVENT\\nX-EVIL:1",
    "a template": "{{ 7 * 7 }} {% raw %} %(name)s {name} <mj-raw>",
    "SQL": "'); DROP TABLE registrations; --",
    "other scripts": "Zoë 李 مرحبا 👩‍👧 đŋŧ",
}
R, E = f"/organiser/registrations/{SEMINAR}", f"/organiser/emails/{SEMINAR}"


@pytest.fixture
async def up(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as started:
        yield started
    forget(tmp_path)


async def page(up: Site, path: str) -> str:
    headers = {"Authorization": f"Bearer {up.token}", "Accept": "text/html"}
    async with up.client.get(up.url + path, headers=headers) as answer:
        assert answer.status == 200, (path, await answer.text())
        return await answer.text()


async def file(up: Site, name: str) -> bytes:
    headers = {"Authorization": f"Bearer {up.token}"}
    async with up.client.get(f"{up.url}/api/registrations/{name}?seminar={SEMINAR}", headers=headers) as answer:
        assert answer.status == 200
        return await answer.read()


def body(number: int, field: str | None, value: str) -> dict[str, Any]:
    fields = dict.fromkeys(FIELDS, value) if field is None else {"name": "Kari", field: value}
    return {"seminar": SEMINAR, "email": f"h{number}@example.org", "attendance": "in_person", **fields}


async def test_what_cannot_be_shown_is_refused_by_its_field(up: Site) -> None:
    for what, value in REFUSED.items():
        for field in FIELDS:
            status, problem = await up.send("POST", "/api/registrations", body(0, field, value))
            assert (status, [error["field"] for error in problem["errors"]]) == (422, [field]), (what, problem)


async def test_what_is_taken_is_harmless_wherever_it_stands(up: Site, capfd: pytest.CaptureFixture[str]) -> None:
    for number, (what, value) in enumerate(TAKEN.items()):
        status, answer = await up.send("POST", "/api/registrations", body(number, None, value))
        assert status == 202, (what, answer)
    messages = await up.mail(**{f"h{number}": 1 for number in range(len(TAKEN))})
    people = (await up.get("/api/registrations", organiser=True, seminar=SEMINAR))["items"]
    assert [person["role"] for person in people] == list(TAKEN.values())

    for number, value in enumerate(TAKEN.values()):
        token = _mail_is_sound(await up.raw(messages[f"h{number}"][0]), value)
        for path in (f"/my/{token}", f"/my/{token}/details", f"/my/{token}/ticket", f"/my/{token}/erase"):
            _page_is_sound(await page(up, path))
    persons = [f"{place}/people/{person['id']}" for person in people for place in (R, E)]
    for path in (R, f"{R}/people", f"{R}/check-in", f"{R}/print", f"{R}/log", E, f"{E}/list", *persons, "/mailbox"):
        _page_is_sound(await page(up, path))

    rows = list(csv.DictReader(io.StringIO((await file(up, "export.csv")).decode("utf-8-sig"))))
    for row, value in zip(rows, TAKEN.values(), strict=True):
        assert row["name"] in (value, f"'{value}")
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(await file(up, "export.xlsx"))).get_sheet_by_index(0)
    assert [row[0] for row in sheet.to_python()[1:]] == list(TAKEN.values())
    said = "".join(capfd.readouterr())
    assert "evil" not in said
    assert "DROP TABLE" not in said


def _page_is_sound(html: str) -> None:
    """Fail if what somebody wrote has become a part of the page's structure."""
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert not re.search(r"<[^>]*\sonmouseover='alert", html)
    assert "49" not in re.findall(r"(?<![\d#&;])49(?= \{% raw)", html)
    for quoted in re.findall(r'value="([^"]*)"', html):
        assert "<" not in quoted


def _mail_is_sound(raw: bytes, name: str) -> str:
    """Fail if what somebody wrote has become a header, an element or a property; return the link's token."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert message["Bcc"] is None
    assert len(message["To"].addresses) == 1
    parts = {part.get_content_type(): part.get_content() for part in message.walk() if not part.is_multipart()}
    assert " ".join(name.split()) in " ".join(parts["text/plain"].split())
    _page_is_sound(parts["text/html"])
    calendar = Calendar.from_ical(parts["text/calendar"])
    (event,) = calendar.walk("VEVENT")
    assert isinstance(event, Event)
    assert "X-EVIL" not in event
    assert json.dumps(str(event["ATTENDEE"]))
    found = re.search(r"/my/([\w-]+)", parts["text/plain"])
    assert found
    return found[1]
