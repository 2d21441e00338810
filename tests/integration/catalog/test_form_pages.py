"""The organiser's form through HTTP: what it takes, how it says what is wrong, and that nothing typed is lost."""

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import NamedTuple

import pytest
from aiohttp import ClientResponse

from local.importing import read_document
from local.postgres import Postgres
from services.catalog.document import Document
from tests.factories import ORGANISER, SLUG, begin_anew, make_body
from tests.html_form import Form
from tests.integration.catalog.site import BROWSER, Site, running

NEW = "/organiser/seminars/new"
EDIT = f"/organiser/seminars/{SLUG}/edit"
FACTS = {
    "title.nb": "Planstrategi 4.0 – småkommuner",
    "start.date": "2023-06-01",
    "start.time": "10:00",
    "end.time": "13:15",
    "venue.name.nb": "Akersgata 64",
    "venue.address": "Akersgata 64, Oslo",
}
EXAMPLE = Path(__file__).parents[3] / "examples" / "planstrategi-4-0.yaml"


class Desk(NamedTuple):
    """A site, and an organiser who is signed in to it."""

    site: Site
    cookie: dict[str, str]

    async def get(self, path: str, **headers: str) -> ClientResponse:
        return await self.site.client.get(path, headers=BROWSER | self.cookie | headers, allow_redirects=False)

    async def form(self, path: str) -> dict[str, str]:
        """Return the fields of a form as a browser would send them."""
        return Form(await (await self.get(path)).text()).fields

    async def post(self, path: str, fields: dict[str, str], do: str) -> ClientResponse:
        headers = BROWSER | self.cookie
        return await self.site.client.post(path, data=fields | {"do": do}, headers=headers, allow_redirects=False)

    async def again(self, path: str, fields: dict[str, str], do: str, status: int = 200) -> dict[str, str]:
        """Send a form that is shown again, and return its fields then."""
        answer = await self.post(path, fields, do)
        assert answer.status == status, await answer.text()
        return Form(await answer.text()).fields

    async def document(self, slug: str) -> Document:
        answer = await self.site.client.get(f"/api/seminars/{slug}", headers=ORGANISER)
        return Document(**await answer.json())


def summary(page: str) -> dict[str, str]:
    """Return the texts of the error summary, by the input that each leads to."""
    found = re.findall(r'<li><a class="ds-link" href="#([^"]+)">(.*?)</a></li>', page, re.DOTALL)
    return {name: " ".join(unescape(text).split()) for name, text in found}


@pytest.fixture(scope="module")
async def started(postgres: Postgres, templates: dict[str, str]) -> AsyncIterator[Site]:
    async with running(postgres, templates["catalog"], "catalog_form_pages") as site:
        yield site


@pytest.fixture
async def desk(started: Site) -> Desk:
    """Know no seminar."""
    await begin_anew(started.database, started.bus, started.clock)
    return Desk(started, await started.sign_in())


# --- a new seminar ---


async def test_a_few_facts_in_an_empty_form_make_a_published_seminar(desk: Desk) -> None:
    answer = await desk.post(NEW, await desk.form(NEW) | FACTS, "publish")

    assert answer.status == 303
    made = await desk.document("planstrategi-4-0-smakommuner")
    assert answer.headers["Location"].startswith("/organiser/seminars/planstrategi-4-0-smakommuner")
    assert (made.status, made.zone) == ("published", "Europe/Oslo")
    assert sorted(made.attendance) == ["in_person", "online"]
    assert [rule.before_start for rule in made.reminders] == ["P1D", "PT15M"]
    assert (made.programme, made.organisers) == ((), ())


async def test_a_draft_is_seen_by_organisers_only(desk: Desk) -> None:
    answer = await desk.post(NEW, await desk.form(NEW) | FACTS | {"slug": "plan"}, "draft")

    assert answer.status == 303
    assert (await desk.document("plan")).status == "draft"
    assert (await desk.site.get("/seminars/plan")).status == 404


async def test_checking_saves_nothing(desk: Desk) -> None:
    typed = await desk.again(NEW, await desk.form(NEW) | FACTS, "check")

    assert typed["slug"] == "planstrategi-4-0-smakommuner"
    assert (await desk.site.client.get(f"/api/seminars/{typed['slug']}", headers=ORGANISER)).status == 404


async def test_an_address_that_is_taken_is_said_at_its_input(desk: Desk) -> None:
    await desk.site.put()
    answer = await desk.post(NEW, await desk.form(NEW) | FACTS | {"slug": SLUG}, "publish")

    assert answer.status == 422
    assert "slug" in summary(await answer.text())
    assert (await desk.document(SLUG)).title != FACTS["title.nb"]


# --- what is wrong ---


async def test_every_fault_is_in_the_summary_leads_to_its_input_and_stands_beside_it(desk: Desk) -> None:
    wrong = {
        "title.nb": "",
        "end.time": "09:00",
        "attendance.in_person.capacity": "seksti",
        "attendance.in_person.deadline.date": "i morgen",
        "programme.0.title.nb": "Hva vet vi",
        "programme.0.start": "halv elleve",
        "livestream.url": "www.example.org",
        "reminders.0.amount": "en",
        "contact.email": "kari@",
    }
    answer = await desk.post(NEW, await desk.form(NEW) | FACTS | wrong, "publish")

    page = await answer.text()
    form, said = Form(page), summary(page)
    assert answer.status == 422
    assert said.keys() == {*wrong, "programme.0.end", "contact.name.nb"} - {"programme.0.title.nb"}
    assert said["title.nb"] == "Tittel: må fylles ut"
    assert said["reminders.0.amount"] == "Påminnelse 1, Hvor lenge: må være et helt tall"
    for name in said:
        assert name in form.ids
        assert f"{name}-error" in form.ids
    assert {name: form.fields[name] for name in wrong} == wrong


async def test_a_fault_of_the_programme_leads_to_it(desk: Desk) -> None:
    part = {"programme.0.title.nb": "A", "programme.0.start": "10:00", "programme.0.end": "11:00"}
    page = await (
        await desk.post(NEW, await desk.form(NEW) | FACTS | part | {"end.date": "2023-06-02"}, "check")
    ).text()

    assert summary(page).keys() == {"programme"}
    assert "programme" in Form(page).ids


async def test_a_warning_leads_to_its_input_too(desk: Desk) -> None:
    page = await (await desk.post(NEW, await desk.form(NEW) | FACTS | {"start.date": "2023-05-29"}, "check")).text()

    assert summary(page)["start.date"] == "Start: Seminaret er på en helligdag eller offentlig høytidsdag: 2. pinsedag."


async def test_an_input_in_a_language_that_is_not_shown_is_shown_when_it_is_wrong(desk: Desk) -> None:
    typed = await desk.again(NEW, await desk.form(NEW) | FACTS | {"title.nn": "=?"}, "check", status=422)

    assert typed["languages.nn"] == "on"


@pytest.mark.parametrize("text", ['"><script>alert(1)</script>', "</textarea><b>", "{{ 7 * 7 }}", "&amp; <", "\n\nto"])
async def test_hostile_text_comes_back_as_it_was_typed(desk: Desk, text: str) -> None:
    typed = {"description.nb": text, "contact.email": text.strip(), "start.date": text.strip(), "slug": text.strip()}
    shown = await desk.again(NEW, await desk.form(NEW) | FACTS | typed, "check", status=422)

    assert {name: shown[name] for name in typed} == typed


@pytest.mark.parametrize(
    "name", ["programme", "title", "start", "programme.0", "a.b.c.d", "programme.99999999999.x", "."]
)
async def test_fields_that_the_form_does_not_have_are_passed_over(desk: Desk, name: str) -> None:
    assert (await desk.post(NEW, await desk.form(NEW) | FACTS | {name: "x"}, "check")).status in (200, 422)


# --- parts that repeat ---


async def test_another_talk_is_added_where_it_was_asked_for_and_nothing_typed_is_lost(desk: Desk) -> None:
    typed = await desk.form(NEW) | FACTS | {"programme.0.title.nb": "Hva vet vi"}
    longer = await desk.again(NEW, typed, "add:programme.0.talks")

    assert longer.keys() - typed.keys() >= {"programme.0.talks.1.title.nb", "programme.0.talks.1.speakers.0.name"}
    assert typed.items() <= longer.items()
    assert await desk.again(NEW, longer, "remove:programme.0.talks.1") == typed


async def test_adding_a_row_puts_the_cursor_there(desk: Desk) -> None:
    page = await (await desk.post(NEW, await desk.form(NEW), "add:organisers")).text()

    assert re.search(r'id="organisers\.1\.nb"[^>]* autofocus', page)


async def test_a_row_moves_up_with_all_that_was_typed_in_it_and_the_cursor_goes_with_it(desk: Desk) -> None:
    typed = await desk.form(NEW) | FACTS | {"organisers.0.nb": "KDD"}
    typed = await desk.again(NEW, typed, "add:organisers")
    answer = await desk.post(NEW, typed | {"organisers.1.nb": "KS"}, "up:programme.0.talks.0")

    assert Form(await answer.text()).fields == typed | {"organisers.1.nb": "KS"}
    longer = await desk.again(NEW, typed | {"programme.0.title.nb": "A"}, "add:programme")
    page = await (await desk.post(NEW, longer | {"programme.1.title.nb": "B"}, "up:programme.1")).text()
    assert [Form(page).fields[f"programme.{number}.title.nb"] for number in (0, 1)] == ["B", "A"]
    assert re.search(r'<button[^>]* value="remove:programme\.0"', page)


async def test_a_question_is_asked_with_its_answers_and_comes_back_to_the_form(desk: Desk) -> None:
    typed = await desk.again(NEW, await desk.form(NEW) | FACTS, "add:questions")
    typed = await desk.again(NEW, typed | {"questions.0.kind": "choice"}, "add:questions.0.options")
    answers = {"questions.0.text.nb": "Kommer du med buss?", "questions.0.options.0.text.nb": "Ja"}
    missing = await desk.post(NEW, typed | answers, "draft")
    saved = await desk.post(NEW, typed | answers | {"questions.0.options.1.text.nb": "Nei"}, "draft")

    assert summary(await missing.text()) == {
        "questions.0.options.0.text.nb": "Spørsmål 1, Svar 1: må ha to svaralternativer eller flere"
    }
    assert saved.status == 303, await saved.text()
    slug = "planstrategi-4-0-smakommuner"
    asked = (await desk.document(slug)).questions
    assert [(question.kind, [option.text for option in question.options]) for question in asked] == [
        ("choice", ["Ja", "Nei"])
    ]
    shown = await desk.form(f"/organiser/seminars/{slug}/edit")
    assert shown["questions.0.options.1.text.nb"] == "Nei"


async def test_the_address_of_the_empty_form_is_no_seminars(desk: Desk) -> None:
    answer = await desk.post(NEW, await desk.form(NEW) | FACTS | {"slug": "new"}, "draft")

    assert summary(await answer.text()).keys() == {"slug"}


async def test_a_break_is_a_part_without_talks(desk: Desk) -> None:
    part = {"programme.0.title.nb": "A", "programme.0.start": "10:00", "programme.0.end": "11:00"}
    typed = await desk.again(NEW, await desk.form(NEW) | FACTS | part, "pause:programme")
    answer = await desk.post(NEW, typed | {"programme.1.start": "11:00", "programme.1.end": "11:15"}, "draft")

    assert answer.status == 303, await answer.text()
    assert [block.pause for block in (await desk.document("planstrategi-4-0-smakommuner")).programme] == [False, True]


@pytest.mark.parametrize(
    "do", ["add:", "add:title", "remove:programme.7", "remove:", "pause:organisers", "what", "save"]
)
async def test_a_button_that_there_is_not_saves_nothing(desk: Desk, do: str) -> None:
    await desk.post(NEW, await desk.form(NEW), do)

    answer = await desk.site.client.get("/api/seminars", headers=ORGANISER)
    assert (await answer.json())["items"] == []


# --- a seminar that stands ---


async def test_the_whole_example_comes_through_the_form_unchanged(desk: Desk) -> None:
    body = read_document(EXAMPLE)
    await desk.site.put_body(body)
    answer = await desk.post(EDIT, await desk.form(EDIT), "save")

    assert answer.status == 303, await answer.text()
    assert await desk.document(SLUG) == Document(**body)


async def test_what_changes_is_shown_before_it_is_saved(desk: Desk) -> None:
    await desk.site.put()
    typed = await desk.form(EDIT)
    first = await (await desk.get(EDIT)).text()
    page = await (await desk.post(EDIT, typed | {"start.time": "10:30", "programme.0.start": "10:30"}, "check")).text()

    assert 'value="save"' not in first
    assert 'value="save"' in page
    assert re.search(r"<dt>Start</dt>.*?2023-06-01 10:00<.*?2023-06-01 10:30<", page, re.DOTALL)
    assert "data-rehearsal" in page
    assert (await desk.document(SLUG)).start.hour == 10


async def test_of_two_who_edit_the_second_sees_what_the_first_changed_and_loses_nothing(desk: Desk) -> None:
    await desk.site.put()
    typed = await desk.form(EDIT) | {"venue.address": "Et annet sted"}
    await desk.site.put(1, title="Noe helt annet")
    answer = await desk.post(EDIT, typed, "save")

    page = await answer.text()
    again = Form(page).fields
    assert answer.status == 409
    assert "Noe helt annet" in page
    assert again["venue.address"] == "Et annet sted"
    assert again["revision"] == "2"
    assert (await desk.post(EDIT, again, "save")).status == 303
    assert (await desk.document(SLUG)).title == make_body()["title"]


async def test_the_address_of_a_seminar_cannot_be_changed(desk: Desk) -> None:
    await desk.site.put()
    await desk.post(EDIT, await desk.form(EDIT) | {"slug": "another"}, "save")

    assert (await desk.site.client.get("/api/seminars/another", headers=ORGANISER)).status == 404


async def test_a_cancelled_seminar_is_not_changed(desk: Desk) -> None:
    await desk.site.put()
    typed = await desk.form(EDIT)
    await desk.site.act("POST", "/cancel")
    answer = await desk.post(EDIT, typed, "save")
    again = await desk.post(EDIT, Form(await answer.text()).fields, "save")

    assert (answer.status, again.status) == (409, 422)
    assert "body" in summary(await again.text())


# --- who may ---


async def test_who_is_not_signed_in_is_led_to_where_one_does(desk: Desk) -> None:
    for path in (NEW, EDIT):
        answer = await desk.site.client.get(path, headers=BROWSER, allow_redirects=False)

        assert answer.status == 303
        assert answer.headers["Location"].startswith("/organiser/sign-in?next=")


async def test_who_is_signed_out_while_typing_loses_nothing_and_saves_nothing(desk: Desk) -> None:
    typed = await desk.form(NEW) | FACTS
    answer = await desk.site.client.post(NEW, data=typed | {"do": "publish"}, headers=BROWSER, allow_redirects=False)

    shown = Form(await answer.text()).fields
    assert answer.status == 403
    assert {name: shown[name] for name in FACTS} == FACTS
    assert shown["form_token"] == ""
    again = await desk.again(NEW, shown, "check", status=403)  # signed in again, in another tab
    assert (await desk.post(NEW, again, "publish")).status == 303


async def test_a_form_without_its_token_saves_nothing(desk: Desk) -> None:
    typed = await desk.form(NEW) | FACTS
    await desk.again(NEW, typed | {"form_token": "x"}, "publish", status=403)

    assert (await (await desk.site.client.get("/api/seminars", headers=ORGANISER)).json())["items"] == []


@pytest.mark.parametrize("language", ["nb", "nn", "en"])
async def test_the_form_speaks_every_language(desk: Desk, language: str) -> None:
    await desk.site.put()
    for path in (NEW, EDIT):
        page = await (await desk.get(path, **{"Accept-Language": language})).text()

        assert f'<html lang="{language}">' in page


async def test_no_id_stands_twice(desk: Desk) -> None:
    await desk.site.put_body(read_document(EXAMPLE))
    ids = Form(await (await desk.get(EDIT)).text()).ids

    assert len(ids) == len(set(ids))
