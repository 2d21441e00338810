"""Bringing in a list: what the preview says is what happens, once, and nothing before it is confirmed."""

import asyncio
import csv
import io
from collections import Counter
from collections.abc import Sequence

import pytest

from services.registration import commands
from services.registration.imported import MOST_ROWS
from shared.messages import RegistrationSnapshot
from tests.factories import END, NOW, ORGANISER, SLUG, begin_anew, make_sign_up, tables_of
from tests.html_form import Form
from tests.integration.registration.desk import HERE, Desk

IMPORT = f"{HERE}/import"
WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
BUS = {"id": "bus", "text": "Kommer du med buss?", "kind": "text", "required": True}
TEA = {
    "id": "tea",
    "text": "Hva vil du ha?",
    "kind": "several",
    "options": [{"id": "tea", "text": "Te"}, {"id": "cake", "text": "Kake"}],
}


def listing(*rows: Sequence[str], headings: Sequence[str] = ("navn", "epost")) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([headings, *rows])
    return text.getvalue().encode()


def crowd(size: int, first: int = 0) -> list[tuple[str, str]]:
    return [(f"Person {number}", f"p{number}@example.org") for number in range(first, first + size)]


async def preview(desk: Desk, content: bytes, **fields: str) -> str:
    status, page = await desk.upload(content, **{"attendance": "in_person"} | fields)
    assert status == 200, page
    return page.partition("<h1")[2]


async def test_a_preview_writes_nothing_and_says_of_each_row_what_will_happen(desk: Desk) -> None:
    await desk.learn(2, capacity=2)
    await desk.sign_up("Ada")
    gone = await desk.sign_up("Eva")
    await desk.post(f"{gone}/cancel")
    before = await tables_of(desk.database)
    headings = ("navn", "epost", "deltakelse", "status", "antall")
    rows = (
        ("Ada", "ADA@example.org", "", "", ""),
        ("Bo", "bo@example.org", "fysisk", "", "1"),
        ("Cy", "cy@example.org", "fysisk", "", ""),
        ("Bo igjen", "BO@example.org", "", "", ""),
        ("Dag", "dag@example.org", "på nett", "", "3"),
        ("Eva", "eva@example.org", "på nett", "", ""),
        ("Fra", "fra@example.org", "", "avmeldt", ""),
        ("Geir", "no address", "med tog", "", ""),
        ("Hege", "hege@example.org", "fysisk", "", "4"),
        ("<script>", "", "", "", ""),
    )

    page = await preview(desk, listing(*rows, headings=headings))

    assert await tables_of(desk.database) == before
    said = [
        ("Ada", "Er påmeldt fra før"),
        ("Bo", "Får plass"),
        ("Cy", "Kommer på venteliste"),
        ("Bo igjen", "Står lenger oppe i listen"),
        ("Dag", "Får plass"),
        ("Eva", "Har meldt seg av før og blir påmeldt på nytt."),
        ("Fra", "Utelates: avmeldt i listen"),
        ("Geir", "E-post: Skriv en e-postadresse, for eksempel kari@example.org."),
        ("Geir", "Deltakelse: Velg om deltakelsen er ved oppmøte eller på nett."),
        ("Hege", "Hvor mange som ser sammen: Skriv et tall fra 1 til 500"),
        ("&lt;script&gt;", "E-post: Skriv en e-postadresse"),
    ]
    for name, words in said:
        assert words in page.partition(f'<td class="wraps">{name}<br>')[2].partition("</tr>")[0], (name, words)
    assert "Meld på 4 personer" in page


async def test_what_is_confirmed_is_what_was_shown(desk: Desk) -> None:
    await desk.learn(2, capacity=2, questions=[BUS | {"required": False}, TEA])
    headings = ("navn", "epost", "virksomhet", "kommunenr", "allergier", "språk", "Kommer du med buss?", "tea")
    ase = ("Åse", "ase@example.org", "Plankontoret", "301", "Nøtter", "nynorsk", "Ja, ja", "te; kake")
    page = await preview(desk, listing(ase, *crowd(2), headings=headings))

    status, where = await desk.confirm(page)

    rows, told = await desk.rows(), await desk.told()
    assert (status, where) == (303, f"{IMPORT}?added=3")
    assert "Påmeldt: 3." in await desk.shown(where)
    assert list((await desk.statuses()).values()) == ["confirmed", "confirmed", "waitlisted"]
    assert {f: rows[0][f] for f in ("organisation", "municipality", "dietary_needs", "language", "answers")} == {
        "organisation": "Plankontoret",
        "municipality": "0301",
        "dietary_needs": "Nøtter",
        "language": "nn",
        "answers": {"bus": "Ja, ja", "tea": ["tea", "cake"]},
    }
    assert [m.type for m in told] == 2 * ["registration.confirmed"] + ["registration.waitlisted"]
    assert [m.data.place for m in told if isinstance(m.data, RegistrationSnapshot)] == [None, None, 1]
    log = await desk.log()
    assert [(deed["action"], deed["registration"]) for deed in log] == [("bring_in", row["id"]) for row in rows]
    assert len({deed["request_id"] for deed in log}) == 1


async def test_the_same_list_brings_in_nobody_twice(desk: Desk) -> None:
    page = await preview(desk, listing(*crowd(3)))

    first, second = await desk.confirm(page), await desk.confirm(page)
    again = await preview(desk, listing(*crowd(3)))

    assert (first[1], second[1]) == (f"{IMPORT}?added=3", f"{IMPORT}?added=0")
    assert len(await desk.rows()) == 3
    assert "Det er ingen i listen å melde på." in again
    assert "Ingen ble lagt til" in await desk.shown(second[1])


async def test_two_organisers_confirm_one_list_at_once(desk: Desk) -> None:
    page = await preview(desk, listing(*crowd(20)))

    done = await asyncio.gather(desk.confirm(page), desk.confirm(page))

    assert sorted(where for _, where in done) == [f"{IMPORT}?added=0", f"{IMPORT}?added=20"]
    assert len(await desk.rows()) == 20


async def test_what_would_happen_otherwise_by_now_is_shown_anew_instead_of_done(desk: Desk) -> None:
    await desk.learn(2, capacity=2)
    page = await preview(desk, listing(*crowd(2)))
    await desk.sign_up("Ada")

    status, anew = await desk.confirm(page)

    assert status == 409
    assert "Påmeldingene er endret i mellomtiden" in anew
    assert list(await desk.statuses()) == ["Ada"]
    assert (await desk.confirm(anew))[0] == 303
    assert list((await desk.statuses()).values()) == ["confirmed", "confirmed", "waitlisted"]


async def test_a_list_waits_for_who_is_just_signing_up(desk: Desk) -> None:
    await desk.learn(2, capacity=2)
    page = await preview(desk, listing(*crowd(2)))
    given = make_sign_up(name="Ada", email="ada@example.org")

    async with desk.database.transaction() as connection:
        await commands.sign_up(connection, given, NOW)
        confirming = asyncio.create_task(desk.confirm(page))
        while not confirming.done() and not await desk.query(WAITING):  # noqa: ASYNC110 - a lock gives no sign
            await asyncio.sleep(0.01)

    assert (await confirming)[0] == 409
    assert list(await desk.statuses()) == ["Ada"]


async def test_a_list_that_overfills_the_room_waits_in_its_order_behind_those_who_wait(desk: Desk) -> None:
    await desk.learn(2, capacity=300)
    await desk.confirm(await preview(desk, listing(*crowd(299))))
    for name in ("Ada", "Bo"):
        await desk.sign_up(name)
    page = await preview(desk, listing(*crowd(500, first=1000)))

    status, _ = await desk.confirm(page)

    statuses = await desk.statuses()
    assert status == 303
    assert Counter(statuses.values()) == {"confirmed": 300, "waitlisted": 501}
    queue = await desk.query("SELECT name FROM registrations WHERE queued_at IS NOT NULL ORDER BY queued_at")
    assert [row["name"] for row in queue] == ["Bo", *(name for name, _ in crowd(500, first=1000))]
    places = [m.data.place for m in (await desk.told())[-500:] if isinstance(m.data, RegistrationSnapshot)]
    assert places == list(range(2, 502))


async def test_a_full_list_of_all_that_fit_is_brought_in(desk: Desk) -> None:
    page = await preview(desk, listing(*crowd(MOST_ROWS)), attendance="online")

    assert (await desk.confirm(page))[1] == f"{IMPORT}?added={MOST_ROWS}"


async def test_whom_the_list_does_not_say_of_attends_as_was_chosen(desk: Desk) -> None:
    content = listing(
        ("A", "a@example.org", ""), ("B", "b@example.org", "Fysisk"), headings=("navn", "epost", "deltakelse")
    )

    await desk.confirm(await preview(desk, content, attendance="online"))

    assert [row["attendance"] for row in await desk.rows()] == ["online", "in_person"]


async def test_what_the_seminar_must_know_is_asked_of_the_list_too(desk: Desk) -> None:
    await desk.learn(2, questions=[BUS, TEA])
    headings = ("navn", "epost", "bus", "tea")
    rows = (("A", "a@example.org", "", "Te"), ("B", "b@example.org", "Ja", "Øl"), ("C", "c@example.org", "Ja", ""))

    page = await preview(desk, listing(*rows, headings=headings))

    assert "Kommer du med buss?</span>: Svar på dette spørsmålet." in page
    assert "Hva vil du ha?</span>: Svar på én linje m" in page
    await desk.confirm(page)
    assert list(await desk.statuses()) == ["C"]


async def test_nobody_is_brought_in_where_nobody_can_come(desk: Desk) -> None:
    page = await preview(desk, listing(*crowd(1)))
    desk.at(END)

    over = await preview(desk, listing(*crowd(1)))
    status, where = await desk.confirm(page)

    assert "Seminaret er over." in over
    assert (status, where) == (303, f"{IMPORT}?added=0")
    assert await desk.rows() == []


@pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)", "+47 22", "-x"])
async def test_a_formula_comes_back_as_the_text_that_it_was(desk: Desk, name: str) -> None:
    await desk.confirm(await preview(desk, listing((name, "a@example.org"))))
    export = await desk.client.get(f"/api/registrations/export.csv?seminar={SLUG}", headers=ORGANISER)
    content = await export.read()
    await begin_anew(desk.database, desk.bus, desk.clock)
    await desk.learn()

    await desk.confirm(await preview(desk, content))

    assert [(row["name"], row["status"]) for row in await desk.rows()] == [(name, "confirmed")]
    assert f"'{name}".encode() in content


@pytest.mark.parametrize("name", ["a\x07b", "x =?utf-8?q?=0d=0a?=", "a\nb", "\u202eevil", "x" * 201])
async def test_what_could_break_out_of_an_e_mail_is_left_out(desk: Desk, name: str) -> None:
    page = await preview(desk, listing((name, "a@example.org"), *crowd(1)))

    assert "Navn: Skriv et navn på én linje." in page
    await desk.confirm(page)
    assert list(await desk.statuses()) == ["Person 0"]


# --- what is refused ---


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 422, "Velg en fil med minst én person i."),
        (b"navn\nAda\n", 422, "Det er ingen rad med overskrifter"),
        (b"PK\x03\x04", 422, "Filen kan ikke leses."),
        (b"navn,epost\n" + b"x,y\n" * (MOST_ROWS + 1), 422, "Det er flere enn 2000 personer i listen."),
        (b"x" * (1024 * 1024 + 1), 413, "Filen er for stor."),
    ],
)
async def test_a_file_that_is_no_list_is_refused_in_words(desk: Desk, content: bytes, status: int, words: str) -> None:
    answered, page = await desk.upload(content)

    assert (answered, words in page, "file-error" in page) == (status, True, True)


async def test_more_than_any_list_needs_is_not_read_at_all(desk: Desk) -> None:
    assert (await desk.upload(b"x" * (5 * 1024 * 1024)))[0] == 413


@pytest.mark.parametrize(
    "rows", ["", "x", "{}", "[[1]]", '[[1, {"name": 2}]]', '[["x", {}]]', f"[{'[1, {}],' * MOST_ROWS}[1, {{}}]]"]
)
async def test_a_confirmation_of_what_no_preview_had_is_refused(desk: Desk, rows: str) -> None:
    assert (await desk.post(IMPORT, {"rows": rows, "foreseen": "x"}))[0] == 422
    assert await desk.rows() == []


async def test_rows_that_were_tampered_with_are_judged_anew(desk: Desk) -> None:
    fields = Form(await preview(desk, listing(*crowd(1)))).fields
    rows = '[[2, {"name": "A\\nBcc: x", "email": "a@example.org", "attendance": "in_person", "evil": "x"}]]'

    status, where = await desk.post(IMPORT, fields | {"rows": rows})

    assert (status, where) == (303, f"{IMPORT}?added=0")
    assert await desk.rows() == []


async def test_a_confirmation_that_foresees_nothing_is_shown_what_will_happen(desk: Desk) -> None:
    fields = Form(await preview(desk, listing(*crowd(1)))).fields

    assert (await desk.post(IMPORT, fields | {"foreseen": ""}))[0] == 409
    assert await desk.rows() == []


async def test_a_confirmation_that_is_not_of_the_session_does_nothing(desk: Desk) -> None:
    fields = Form(await preview(desk, listing(*crowd(1)))).fields

    assert (await desk.post(IMPORT, fields | {"form_token": "forged"}))[0] == 403
    assert await desk.rows() == []
