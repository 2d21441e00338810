"""The organiser's desk through HTTP: what it shows, what its forms do, and that nothing typed is lost."""

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from aiohttp import ClientResponse, FormData

from local.importing import import_file
from local.postgres import Postgres
from services.catalog import yaml_file
from tests.factories import ORGANISER, SLUG, TOKEN, begin_anew, make_document, relayed
from tests.integration.catalog.site import BROWSER, Site, running

HERE = f"/organiser/seminars/{SLUG}"
STREAM = "https://stream.example.org/another"
FORMS = ("publish", "livestream", "recording", "copies", "cancel", "restore", "yaml")


class Desk(NamedTuple):
    """A site, and an organiser who is signed in to it."""

    site: Site
    cookie: dict[str, str]

    async def get(self, path: str = HERE, **headers: str) -> ClientResponse:
        return await self.site.client.get(path, headers=BROWSER | self.cookie | headers, allow_redirects=False)

    async def shown(self, path: str = HERE, language: str = "nb") -> str:
        answer = await self.get(path, **{"Accept-Language": language})
        assert answer.status == 200, path
        return await answer.text()

    async def form_token(self) -> str:
        return str(re.findall(r'name="form_token" value="(\w+)"', await self.shown("/organiser/audit"))[0])

    async def post(self, what: str, **fields: str) -> ClientResponse:
        """Send a form of the seminar's desk."""
        form = fields | {"form_token": await self.form_token()}
        path = what if what.startswith("/") else f"{HERE}/{what}"
        return await self.site.client.post(path, data=form, headers=BROWSER | self.cookie, allow_redirects=False)

    async def done(self, what: str, **fields: str) -> str:
        """Send a form that is accepted, and return where it leads."""
        answer = await self.post(what, **fields)
        assert answer.status == 303, await answer.text()
        return answer.headers["Location"]

    async def document(self, slug: str = SLUG) -> dict[str, Any]:
        answer = await self.site.client.get(f"/api/seminars/{slug}", headers=ORGANISER)
        return dict(await answer.json())

    async def api(self, method: str, path: str, body: Any = None, **headers: str) -> ClientResponse:
        return await self.site.client.request(method, f"/api/seminars{path}", json=body, headers=ORGANISER | headers)

    async def check(self, document: Any) -> ClientResponse:
        return await self.site.client.post("/api/seminar-checks", json=document, headers=ORGANISER)

    async def told(self) -> list[str]:
        await relayed(self.site.database)
        return [message.type for message in self.site.bus.published]


def text_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def written(page: str) -> str:
    found = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.DOTALL)
    assert found
    return unescape(found[1])


def file_of(**overrides: Any) -> str:
    return yaml_file.write(make_document(**overrides))


@pytest.fixture(scope="module")
async def started(postgres: Postgres, templates: dict[str, str]) -> AsyncIterator[Site]:
    async with running(postgres, templates["catalog"], "catalog_organiser") as site:
        yield site


@pytest.fixture
async def desk(started: Site) -> Desk:
    """Know no seminar."""
    await begin_anew(started.database, started.bus, started.clock)
    return Desk(started, await started.sign_in())


# --- what it shows ---


async def test_the_list_has_drafts_too(desk: Desk) -> None:
    await desk.site.put(slug="a-draft", status="draft", title="Bare et utkast")
    await desk.site.put()

    page = text_of(await desk.shown("/organiser/seminars"))

    assert re.search(r"Bare et utkast .*? Utkast", page)
    assert "Publisert" in page


@pytest.mark.parametrize("language", ["nb", "nn", "en"])
async def test_every_page_of_the_desk_speaks_every_language(desk: Desk, language: str) -> None:
    await desk.site.put()
    await desk.site.put(1, title="Et annet navn")
    pages = ["", "/history", "/preview", "/preview?at=2023-06-01T12:30", "/cancel", "/restore?revision=1", "/yaml"]

    for path in [*(HERE + page for page in pages), "/organiser/seminars", "/organiser/seminars/new/yaml"]:
        assert f'<html lang="{language}">' in await desk.shown(path, language)


async def test_the_desk_warns_of_what_is_worth_a_look(desk: Desk) -> None:
    await desk.site.put(
        status="draft", start="2023-05-17T10:00", end="2023-05-17T13:15", programme=[], attendance={"online": {}}
    )

    assert "Seminaret er på en helligdag" in text_of(await desk.shown())


@pytest.mark.parametrize(
    ("at", "status"),
    [("2023-05-31T10:00", "Begynner om"), ("2023-06-01T10:30", "Direkte nå"), ("2023-06-02T10:00", "Gjennomført")],
)
async def test_a_draft_can_be_seen_as_it_will_look_at_any_moment(desk: Desk, at: str, status: str) -> None:
    await desk.site.put(status="draft")

    page = text_of(await desk.shown(f"{HERE}/preview?at={at}"))

    assert "Forhåndsvisning" in page
    assert status in page
    assert (await desk.site.get(f"/seminars/{SLUG}")).status == 404


async def test_a_preview_at_no_moment_shows_the_page_as_it_is_now(desk: Desk) -> None:
    await desk.site.put()

    assert "Begynner om" in text_of(await desk.shown(f"{HERE}/preview?at=tomorrow"))


# --- what its forms do ---


@pytest.mark.parametrize("what", FORMS)
async def test_a_form_without_the_sessions_token_changes_nothing(desk: Desk, what: str) -> None:
    await desk.site.put(status="draft")
    fields = {"url": STREAM, "access": "public", "slug": "x", "start": "2024-05-30", "revision": "1", "read": "1"}

    answer = await desk.site.client.post(
        f"{HERE}/{what}", data=fields | {"do": "save", "text": file_of()}, headers=desk.cookie, allow_redirects=False
    )

    assert answer.status == 403
    made = await (await desk.api("GET", f"/{SLUG}/history")).json()
    assert [item["revision"] for item in made["items"]] == [1]


@pytest.mark.parametrize("what", FORMS)
async def test_a_form_of_nobodys_leads_to_sign_in(desk: Desk, what: str) -> None:
    answer = await desk.site.client.post(f"{HERE}/{what}", headers=BROWSER, allow_redirects=False)

    assert answer.headers["Location"].startswith("/organiser/sign-in")


async def test_a_draft_is_published_and_everybody_told(desk: Desk) -> None:
    await desk.site.put(status="draft")

    assert await desk.done("publish") == f"{HERE}?done=published"

    assert await desk.told() == ["seminar.published"]
    assert (await desk.document())["status"] == "published"


async def test_the_livestream_is_set_and_the_recording_published(desk: Desk) -> None:
    await desk.site.put()

    await desk.done("livestream", url=STREAM, access="registered")
    await desk.done("recording", url=STREAM, starts="09:58")

    document = await desk.document()
    assert document["livestream"] == {"url": STREAM, "access": "registered"}
    assert (document["recording"]["url"], document["recording"]["starts"]) == (STREAM, "09:58:00")
    assert await desk.told() == ["seminar.published", "seminar.changed", "seminar.recording_published"]


@pytest.mark.parametrize(
    ("what", "fields", "place"),
    [
        ("livestream", {"url": "no address", "access": "public"}, "livestream.url"),
        ("recording", {"url": STREAM, "starts": "two to ten"}, "recording.starts"),
        ("copies", {"slug": "No Slug", "start": "2024-05-30"}, "copy.slug"),
        ("copies", {"slug": SLUG, "start": "2024-05-30"}, "copy.slug"),
    ],
)
async def test_what_does_not_fit_is_said_at_its_field_and_stays_typed(
    desk: Desk, what: str, fields: dict[str, str], place: str
) -> None:
    await desk.site.put()

    answer = await desk.post(what, **fields)

    page = await answer.text()
    assert answer.status == 422
    assert re.search(rf'id="{place}-error">[^<]+<', page)
    typed = fields[place.partition(".")[2]]
    assert re.search(rf'id="{place}" [^>]*value="{typed}"[^>]*aria-invalid', page)


async def test_cancelling_asks_once_more_and_says_what_it_causes(desk: Desk) -> None:
    await desk.site.put()

    page = await desk.shown(f"{HERE}/cancel")
    assert "får e-post om at det er avlyst" in page
    assert "&#34;cancelled&#34;: true" in page
    await desk.done("cancel")

    assert await desk.told() == ["seminar.published", "seminar.cancelled"]
    assert "Avlyst" in text_of(await desk.shown())


async def test_a_copy_is_a_draft_that_tells_nobody_anything(desk: Desk) -> None:
    await desk.site.put()

    assert (
        await desk.done("copies", slug="next-year", start="2024-05-30") == "/organiser/seminars/next-year?done=copied"
    )

    copy = await desk.document("next-year")
    assert (copy["start"], copy["status"]) == ("2024-05-30T10:00:00", "draft")
    assert copy["attendance"]["in_person"]["deadline"] == "2024-05-27T23:59:59"
    assert await desk.told() == ["seminar.published"]


# --- history and log ---


async def test_the_history_says_who_changed_what_and_an_earlier_revision_comes_back(desk: Desk) -> None:
    await desk.site.put(title="Før")
    await desk.site.put(1, title="Etter")

    page = text_of(await desk.shown(f"{HERE}/history"))
    assert re.search(r"Versjon 2 .*, Plan Tittel Før: Før Etter: Etter Versjon 1", page)
    await desk.done("restore", revision="1", read="2")

    assert (await desk.document())["title"] == "Før"
    made = await (await desk.api("GET", f"/{SLUG}/history")).json()
    assert [(item["revision"], item["by"]) for item in made["items"]] == [(3, "Plan"), (2, "Plan"), (1, "Plan")]
    assert made["items"][0]["differences"] == [{"field": "title", "before": "Etter", "after": "Før"}]
    assert made["next"] is None


async def test_nothing_is_restored_over_what_somebody_else_has_saved_meanwhile(desk: Desk) -> None:
    await desk.site.put(title="Før")
    await desk.site.put(1, title="Etter")
    await desk.site.put(2, title="Meanwhile")

    answer = await desk.post("restore", revision="1", read="2")

    assert answer.status == 412
    assert (await desk.document())["title"] == "Meanwhile"


async def test_every_write_and_every_sign_in_stands_in_the_log(desk: Desk) -> None:
    await desk.site.client.post("/organiser/sign-in", data={"token": "wrong-token-4711"})
    await desk.site.client.put(
        f"/api/seminars/{SLUG}",
        json=make_document().model_dump(mode="json"),
        headers=ORGANISER | {"X-Request-ID": "request-4711"},
    )
    await desk.site.act("PUT", "/livestream", {"url": STREAM})

    page = await desk.shown("/organiser/audit")

    assert re.search(
        r"Plan Ga direktesendingen en adresse planstrategi-4-0 , versjon 2 \w+ .*"
        r" Plan Opprettet planstrategi-4-0 , versjon 1 request-4711 .*"
        r" – Prøvde å logge inn med feil kode .* Plan Logget inn",
        text_of(page),
    )
    assert "wrong-token" not in page


async def test_what_is_refused_does_not_stand_in_the_log(desk: Desk) -> None:
    await desk.site.put()
    answer = await desk.api("PUT", f"/{SLUG}", make_document().model_dump(mode="json"), **{"If-Match": '"7"'})
    assert answer.status == 412

    assert text_of(await desk.shown("/organiser/audit")).count(f"{SLUG} , versjon") == 1


# --- the file ---


async def test_a_seminar_is_created_from_a_file_that_is_pasted(desk: Desk) -> None:
    where = await desk.done("/organiser/seminars/new/yaml", text=file_of(slug="pasted"), do="save")

    assert where == "/organiser/seminars/pasted?done=saved"
    assert (await desk.document("pasted"))["venue"]["name"] == "Akersgata 64"


async def test_an_uploaded_file_takes_the_place_of_the_text(desk: Desk) -> None:
    form = FormData({"form_token": await desk.form_token(), "text": "anything", "do": "save"})
    form.add_field("file", file_of(slug="uploaded").encode(), filename="seminar.yaml")

    answer = await desk.site.client.post(
        "/organiser/seminars/new/yaml", data=form, headers=BROWSER | desk.cookie, allow_redirects=False
    )

    assert answer.headers["Location"] == "/organiser/seminars/uploaded?done=saved"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title: [", "er ikke YAML"),
        (file_of().replace("13:15", "09:15"), "end må være etter starten"),
        (file_of(slug="another"), "slug kan ikke endres: det må være planstrategi-4-0"),
        (file_of(status="draft"), "status må være published"),
    ],
)
async def test_a_file_that_does_not_fit_is_shown_again_with_why(desk: Desk, text: str, said: str) -> None:
    await desk.site.put()

    answer = await desk.post("yaml", text=text, read="1", do="save")

    page = await answer.text()
    assert answer.status == 422
    assert said in text_of(page)
    assert written(page) == text


async def test_a_slug_that_is_taken_is_said_and_nothing_lost(desk: Desk) -> None:
    await desk.site.put()

    answer = await desk.post("/organiser/seminars/new/yaml", text=file_of(title="Another"), do="save")

    page = await answer.text()
    assert (answer.status, "slug er allerede adressen" in text_of(page)) == (422, True)
    assert written(page) == file_of(title="Another")
    assert (await desk.document())["title"] != "Another"


async def test_a_change_of_what_people_know_is_looked_at_before_it_is_saved(desk: Desk) -> None:
    await desk.site.put()
    assert 'value="save"' not in await desk.shown(f"{HERE}/yaml")
    moved = file_of(start="2023-06-01T09:30")

    answer = await desk.post("yaml", text=moved, read="1", do="check")

    page = await answer.text()
    assert 'value="save"' in page
    assert "Start Før: 2023-06-01 10:00 Etter: 2023-06-01 09:30" in text_of(page)
    assert 'data-rehearsal="{&#34;change&#34;: {&#34;attendance' in page
    assert (await desk.document())["start"] == "2023-06-01T10:00:00"
    await desk.done("yaml", text=moved, read="1", do="save")
    assert (await desk.document())["start"] == "2023-06-01T09:30:00"


async def test_who_comes_second_sees_what_the_first_has_changed_and_loses_nothing(desk: Desk) -> None:
    await desk.site.put(serving="Kaffe")
    await desk.site.put(1, serving="Te")
    mine = file_of(title="Mitt")

    answer = await desk.post("yaml", text=mine, read="1", do="save")

    page = await answer.text()
    assert answer.status == 409
    assert "Pris og servering Før: Kaffe Etter: Te" in text_of(page)
    assert written(page) == mine
    assert 'name="read" value="2"' in page
    assert (await desk.document())["serving"] == "Te"


# --- the API ---


async def test_a_document_is_checked_and_nothing_kept_of_it(desk: Desk) -> None:
    sound = make_document(slug="checked", start="2024-05-17T10:00", end="2024-05-17T13:15").model_dump(mode="json")

    whole = await (await desk.check(sound)).json()
    broken = await (await desk.check(sound | {"end": "2023-05-01T10:00"})).json()

    assert (whole["errors"], broken["warnings"]) == ([], [])
    assert {"field": "start", "kind": "holiday"}.items() <= whole["warnings"][0].items()
    assert {"field": "end", "detail": "must be after the start"} in broken["errors"]
    assert (await desk.api("GET", "/checked")).status == 404


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ({"revision": 1}, {}, 200),
        ({"revision": 1}, {"If-Match": '"2"'}, 200),
        ({"revision": 1}, {"If-Match": '"1"'}, 412),
        ({"revision": 9}, {}, 404),
        ({"revision": 0}, {}, 422),
        ({}, {}, 422),
    ],
)
async def test_a_revision_is_restored_through_the_api(
    desk: Desk, body: dict[str, int], headers: dict[str, str], status: int
) -> None:
    await desk.site.put(title="Før")
    await desk.site.put(1, title="Etter")

    answer = await desk.api("POST", f"/{SLUG}/restore", body, **headers)

    assert answer.status == status
    assert (await desk.document())["title"] == ("Før" if status == 200 else "Etter")


async def test_what_people_know_of_does_not_become_a_draft_by_restoring_one(desk: Desk) -> None:
    await desk.site.put(status="draft")
    await desk.site.put(1)

    assert (await desk.api("POST", f"/{SLUG}/restore", {"revision": 1})).status == 409


async def test_a_copy_through_the_api_is_201_and_a_slug_that_is_taken_409(desk: Desk) -> None:
    await desk.site.put()

    made = await desk.api("POST", f"/{SLUG}/copies", {"slug": "copy", "start": "2024-05-30"})
    again = await desk.api("POST", f"/{SLUG}/copies", {"slug": "copy", "start": "2024-05-30"})
    skipped = await desk.api("POST", f"/{SLUG}/copies", {"slug": "night", "start": "31 March"})

    assert (made.status, (await made.json())["slug"]) == (201, "copy")
    assert (again.status, (await again.json())["type"]) == (409, "/problems/slug-taken")
    assert skipped.status == 422


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/seminar-checks"),
        ("GET", f"/api/seminars/{SLUG}/history"),
        ("POST", f"/api/seminars/{SLUG}/restore"),
        ("POST", f"/api/seminars/{SLUG}/copies"),
    ],
)
async def test_what_organisers_do_through_the_api_needs_their_token(desk: Desk, method: str, path: str) -> None:
    await desk.site.put()

    assert (await desk.site.client.request(method, path, json={})).status == 401


async def test_whoever_imports_a_file_hears_what_to_mind(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "seminar.yaml"
    path.write_text(file_of(slug="imported", start="2024-05-17T10:00", end="2024-05-17T13:15"), encoding="utf-8")

    async with aiohttp.ClientSession() as session:
        imported = await import_file(session, str(desk.site.client.make_url("")).rstrip("/"), TOKEN, path)

    assert imported.revision == 1
    assert imported.warnings[0].startswith("start: The seminar is on a public holiday")


async def test_a_long_history_is_read_in_pages(desk: Desk) -> None:
    await desk.site.put()
    for number in range(1, 54):
        await desk.site.put(number, title=f"Title {number}")

    first = await (await desk.api("GET", f"/{SLUG}/history")).json()
    rest = await (await desk.api("GET", f"/{SLUG}/history?after={first['next']}")).json()

    assert [item["revision"] for item in first["items"] + rest["items"]] == list(range(54, 0, -1))
    assert first["items"][-1]["differences"] != []
    assert rest["next"] is None
