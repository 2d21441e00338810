"""Catalog through HTTP: what organisers put there, and what everybody gets to see."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientResponse
from icalendar import Calendar

from local.postgres import Postgres
from services.catalog import api
from services.catalog.app import build
from services.catalog.settings import Settings
from shared.clock import MovableClock
from shared.database import Database
from shared.messages import Message, SeminarSnapshot
from shared.web.keys import DATABASE
from tests.factories import (
    END,
    NOW,
    ORGANISER,
    SLUG,
    START,
    Client,
    RecordingBus,
    begin_anew,
    eventually,
    make_body,
    make_settings,
    make_talk,
    relayed,
    served,
    tables_of,
)

BROWSER = {"Accept": "text/html,*/*;q=0.8"}
HERE = f"/api/seminars/{SLUG}"
PAGE = f"/seminars/{SLUG}"
STREAM = "https://stream.example.org/planstrategi"
FILM = "https://film.example.org/planstrategi"
LISTS = ("/", "/seminars.ics", "/seminars.atom", "/sitemap.xml", "/api/seminars")
CHANGES = [
    ("PUT", HERE, make_body()),
    ("POST", f"{HERE}/cancel", None),
    ("PUT", f"{HERE}/livestream", {"url": STREAM}),
    ("PUT", f"{HERE}/recording", {"url": FILM}),
]


class Service(NamedTuple):
    """Catalog as it runs, with its clock and bus."""

    client: Client
    clock: MovableClock
    bus: RecordingBus

    @property
    def database(self) -> Database:
        return self.client.app[DATABASE]

    async def put(self, if_match: str | None = None, **overrides: Any) -> ClientResponse:
        """Put the seminar of `overrides`, as an organiser, at the address of its slug."""
        body = make_body(**overrides)
        headers = ORGANISER | ({"If-Match": if_match} if if_match else {})
        return await self.client.put(f"/api/seminars/{body['slug']}", json=body, headers=headers)

    async def act(self, method: str, path: str, body: Any = None) -> ClientResponse:
        """Send something below the seminar's address, as an organiser."""
        return await self.client.request(method, f"{HERE}{path}", json=body, headers=ORGANISER)

    async def shown(self, path: str, **headers: str) -> str:
        answer = await self.client.get(path, headers=BROWSER | headers)
        assert answer.status == 200
        return await answer.text()

    async def told(self) -> list[tuple[str, int]]:
        """Return the type and revision of each message that the bus has got."""
        await relayed(self.database)
        return [(message.type, of(message).revision) for message in self.bus.published]


def of(message: Message) -> SeminarSnapshot:
    assert isinstance(message.data, SeminarSnapshot)
    return message.data


async def problem(answer: ClientResponse, status: int) -> dict[str, Any]:
    """Return the problem details, which must be whole (RFC 9457)."""
    body = dict(await answer.json(content_type="application/problem+json"))
    assert (answer.status, body["status"]) == (status, status), body
    assert body["title"]
    return body


def fields(body: dict[str, Any]) -> list[str]:
    assert all(error["detail"] for error in body["errors"])
    return [error["field"] for error in body["errors"]]


@pytest.fixture(scope="module")
async def started(postgres: Postgres, templates: dict[str, str]) -> AsyncIterator[Service]:
    owner = templates["catalog"]
    await postgres.create_database("catalog_api", owner=owner, template=owner)
    settings = make_settings(Settings, postgres.dsn(owner, "catalog_api"))
    clock, bus = MovableClock(NOW - datetime.now(UTC)), RecordingBus()
    async with served(build, settings, clock, bus) as client:
        yield Service(client, clock, bus)
    await postgres.drop_database("catalog_api")


@pytest.fixture
async def service(started: Service) -> Service:
    """Know no seminar."""
    await begin_anew(started.database, started.bus, started.clock)
    return started


# --- putting a seminar there ---


async def test_a_new_seminar_is_201_with_its_document_and_its_first_revision(service: Service) -> None:
    answer = await service.put()

    body = await answer.json(content_type="application/json")
    assert (answer.status, answer.headers["ETag"]) == (201, '"1"')
    assert body["slug"] == SLUG
    assert body["title"] == make_body()["title"]
    assert body["attendance"]["in_person"] == {
        "capacity": 60,
        "deadline": "2023-05-29T23:59:59",
        "promote_until": None,
    }


async def test_what_was_put_is_what_is_got_and_can_be_put_again(service: Service) -> None:
    put = await (await service.put()).json()
    got = await service.client.get(HERE)

    again = await service.client.put(HERE, json=await got.json(), headers=ORGANISER | {"If-Match": got.headers["ETag"]})

    assert await got.json() == put
    assert (again.status, await again.json()) == (200, put)


async def test_a_published_seminar_is_told_to_the_others_under_the_id_of_its_request(service: Service) -> None:
    await service.client.put(HERE, json=make_body(), headers=ORGANISER | {"X-Request-ID": "request-4711"})

    assert await service.told() == [("seminar.published", 1)]
    (message,) = service.bus.published
    assert (message.source, message.subject, message.correlationid) == ("/catalog", SLUG, "request-4711")
    assert of(message).start == START


async def test_who_replaces_a_seminar_must_say_what_was_read(service: Service) -> None:
    await service.put()

    answer = await service.put(title="Planstrategi 5.0")

    assert (await problem(answer, 428))["type"] == "/problems/precondition-required"


async def test_who_read_the_revision_that_stands_replaces_it(service: Service) -> None:
    await service.put()

    answer = await service.put(if_match='"1"', title="Planstrategi 5.0")

    assert (answer.status, answer.headers["ETag"]) == (200, '"2"')
    assert (await answer.json())["title"] == "Planstrategi 5.0"
    assert await service.told() == [("seminar.published", 1), ("seminar.changed", 2)]


@pytest.mark.parametrize("etag", ['"2"', '"0"', "1", "nonsense", '"1", "2"', '"' + "9" * 5000 + '"', "*"])
async def test_who_read_anything_else_is_412_and_changes_nothing(service: Service, etag: str) -> None:
    await service.put()

    answer = await service.put(if_match=etag, title="Planstrategi 5.0")

    assert (await problem(answer, 412))["type"] == "/problems/precondition-failed"
    assert (await service.client.get(HERE)).headers["ETag"] == '"1"'


async def test_a_revision_of_a_seminar_that_there_is_not_is_412(service: Service) -> None:
    await problem(await service.put(if_match='"1"'), 412)

    assert (await service.client.get(HERE)).status == 404


async def test_of_two_who_create_at_once_one_does(service: Service) -> None:
    answers = await asyncio.gather(*(service.put() for _ in range(6)))

    assert sorted(answer.status for answer in answers) == [201] + [428] * 5
    assert await service.told() == [("seminar.published", 1)]


async def test_of_two_who_replace_the_same_revision_at_once_one_does(service: Service) -> None:
    await service.put()

    answers = await asyncio.gather(*(service.put(if_match='"1"', title=f"Title {n}") for n in range(6)))

    assert sorted(answer.status for answer in answers) == [200] + [412] * 5
    assert await service.told() == [("seminar.published", 1), ("seminar.changed", 2)]


async def test_every_revision_is_kept_with_who_made_it(service: Service) -> None:
    await service.put()
    await service.put(if_match='"1"', title="Planstrategi 5.0")
    await service.act("POST", "/cancel")

    async with service.database.connection() as connection:
        kept = await connection.fetch("SELECT revision, made_by, cancelled FROM revisions ORDER BY revision")
    assert [tuple(row) for row in kept] == [(1, "Plan", False), (2, "Plan", False), (3, "Plan", True)]


# --- what does not fit ---


async def test_all_that_does_not_fit_is_named_at_once_and_not_repeated(service: Service) -> None:
    body = {
        "slug": SLUG,
        "start": "soon-4711",
        "attendance": {"online": {"capacity": -4711}},
        "programme": [{"start": "10:00", "end": "late-4711"}],
        "colour": "4711",
    }

    answer = await service.client.put(HERE, json=body, headers=ORGANISER)

    said = await problem(answer, 422)
    assert said["type"] == "/problems/invalid"
    assert set(fields(said)) == {
        "title",
        "start",
        "end",
        "attendance.online.capacity",
        "programme.0.end",
        "colour",
    }
    assert "4711" not in json.dumps(said)


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"end": "2023-06-01T09:00", "programme": []}, "end"),
        ({"start": "2023-03-26T02:30", "programme": []}, "start"),
        ({"venue": None}, "venue"),
        ({"attendance": {"online": {"deadline": "2024-01-01T00:00"}}}, "attendance.online.deadline"),
        ({"programme": [{"title": "x", "start": "08:00", "end": "09:00"}]}, "programme.0.start"),
    ],
)
async def test_a_rule_over_several_fields_is_reported_at_the_field_that_breaks_it(
    service: Service, overrides: dict[str, Any], field: str
) -> None:
    said = await problem(await service.put(**overrides), 422)

    assert fields(said) == [field]


@pytest.mark.parametrize(
    "overrides",
    [
        {"title": "a\x00b"},
        {"summary": "a\x00b"},
        {"audience": {"nb": "\x00"}},
        {"venue": {"name": "x", "address": "a\x00b"}},
        {"start": "0001-01-01T00:00", "programme": [], "attendance": {"online": {}}},
        {
            "start": "9999-12-31T22:00",
            "end": "9999-12-31T23:59",
            "zone": "America/Los_Angeles",
            "programme": [],
            "attendance": {"online": {}},
        },
        {"programme": [{"title": "x", "start": "10:00Z", "end": "11:00Z"}]},
        {"programme": [{"title": "x", "start": "10:00", "end": "11:00Z"}]},
        {"reminders": [{"before_start": "P9999D"}]},
        {"livestream": {"url": "https://" + "x" * 10_000}},
        {"zone": "a\x00b"},
    ],
    ids=str,
)
async def test_what_can_be_neither_stored_nor_meant_is_refused_and_nothing_worse(
    service: Service, overrides: dict[str, Any]
) -> None:
    answer = await service.put(**overrides)

    assert answer.status in (201, 422)
    if answer.status == 201:
        assert "<h1" in await service.shown(PAGE)
        assert "BEGIN:VEVENT" in await service.shown(f"{PAGE}/calendar.ics")


async def test_the_slug_in_the_body_must_be_the_one_in_the_address(service: Service) -> None:
    answer = await service.client.put("/api/seminars/another", json=make_body(), headers=ORGANISER)

    assert fields(await problem(answer, 422)) == ["slug"]


@pytest.mark.parametrize("body", [b"", b"{", b"slug: x", b"\xff\xfe", b"[" * 100_000])
async def test_what_is_not_json_is_400(service: Service, body: bytes) -> None:
    for path in (HERE, f"{HERE}/livestream", f"{HERE}/recording"):
        answer = await service.client.put(path, data=body, headers=ORGANISER)

        assert (await problem(answer, 400))["type"] == "/problems/not-json"


async def test_a_body_beyond_the_limit_is_413(service: Service) -> None:
    answer = await service.put(description="x" * 300_000)

    assert (await problem(answer, 413))["type"] == "/problems/too-large"


async def test_a_document_with_every_talk_in_three_languages_is_well_below_the_limit(service: Service) -> None:
    text = {"nb": "x" * 2000, "nn": "y" * 2000, "en": "z" * 2000}
    talks = [make_talk(title={language: words[:200] for language, words in text.items()}) for _ in range(40)]

    answer = await service.put(
        description=text, programme=[{"title": "x", "start": "10:00", "end": "11:00", "talks": talks}]
    )

    assert answer.status == 201


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", HERE, {"GET", "HEAD", "PUT"}),
        ("POST", "/api/seminars", {"GET", "HEAD"}),
        ("GET", f"{HERE}/cancel", {"POST"}),
        ("POST", f"{HERE}/recording", {"PUT"}),
    ],
)
async def test_another_method_is_405_with_those_that_there_are(
    service: Service, method: str, path: str, allowed: set[str]
) -> None:
    answer = await service.client.request(method, path, headers=ORGANISER)

    assert (await problem(answer, 405))["type"] == "/problems/method-not-allowed"
    assert set(re.split(r",\s*", answer.headers["Allow"])) == allowed


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer Plan"},
        {"Authorization": "Basic dG9rZW4="},
        {"Authorization": ORGANISER["Authorization"].removeprefix("Bearer ")},
        {"Authorization": "Bearer tøken"},
    ],
)
@pytest.mark.parametrize(("method", "path", "body"), CHANGES, ids=["put", "cancel", "livestream", "recording"])
async def test_each_call_of_organisers_needs_a_token_of_theirs(
    service: Service, method: str, path: str, body: Any, headers: dict[str, str]
) -> None:
    await service.put()

    answer = await service.client.request(method, path, json=body, headers=headers)

    assert (await problem(answer, 401))["type"] == "/problems/unauthorised"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert (await service.client.get(HERE)).headers["ETag"] == '"1"'


@pytest.mark.parametrize("site", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://mallory.example"}])
async def test_nothing_is_changed_from_another_site(service: Service, site: dict[str, str]) -> None:
    await service.put()

    for method, path, body in CHANGES:
        answer = await service.client.request(method, path, json=body, headers=ORGANISER | site)

        assert (await problem(answer, 403))["type"] == "/problems/cross-site"
    assert (await service.client.get(HERE)).headers["ETag"] == '"1"'


# --- reading ---


async def test_who_has_the_revision_that_stands_is_not_sent_it_again(service: Service) -> None:
    await service.put()

    answer = await service.client.get(HERE, headers={"If-None-Match": '"1"'})
    other = await service.client.get(HERE, headers={"If-None-Match": '"11"'})

    assert (answer.status, answer.headers["ETag"], await answer.read()) == (304, '"1"', b"")
    assert other.status == 200


@pytest.mark.parametrize("path", [HERE, PAGE, f"{PAGE}/watch", f"{PAGE}/calendar.ics"])
async def test_a_seminar_that_there_is_not_is_404(service: Service, path: str) -> None:
    assert (await service.client.get(path)).status == 404


@pytest.mark.parametrize("path", ["/cancel", "/livestream", "/recording"])
async def test_what_there_is_not_cannot_be_changed(service: Service, path: str) -> None:
    method, body = ("POST", None) if path == "/cancel" else ("PUT", {"url": STREAM})

    assert (await problem(await service.act(method, path, body), 404))["type"] == "/problems/not-found"


@pytest.mark.parametrize(
    "path", ["/api/seminars/a%00b", "/seminars/a%00b", "/seminars/%F0%9F%98%80", "/seminars/a%2Fb"]
)
async def test_an_address_that_cannot_be_is_the_senders_fault(service: Service, path: str) -> None:
    assert (await service.client.get(path)).status in (400, 404, 422)


async def test_the_list_says_of_each_seminar_what_a_list_needs(service: Service) -> None:
    await service.put(livestream={"url": STREAM})
    await service.act("POST", "/cancel")

    body = await (await service.client.get("/api/seminars")).json()

    assert body["next"] is None
    (item,) = body["items"]
    assert (item["slug"], item["cancelled"], item["start"]) == (SLUG, True, "2023-06-01T10:00:00")
    assert STREAM not in json.dumps(body)


async def test_a_long_list_comes_in_pages_the_latest_first_that_miss_nothing_and_repeat_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "PAGE", 3)
    slugs = [f"seminar-{number}" for number in range(6)]
    for number, slug in enumerate(slugs):
        day = f"2023-06-0{1 + number // 2}"  # two at the same moment each
        await service.put(slug=slug, start=f"{day}T10:00", end=f"{day}T13:15", attendance={"online": {}})

    pages: list[list[str]] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = await service.client.get("/api/seminars", params={"after": cursor} if cursor else {})
        body = await answer.json()
        pages.append([item["slug"] for item in body["items"]])
        cursor = body["next"]

    latest_first = [*reversed(slugs)]
    assert pages == [latest_first[:3], latest_first[3:]]


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "å",
        "",
        "eCB5",  # x y
        "MjAyMy0wNi0wMVQxMDowMCswMDowMCBhAGI=",  # a slug with U+0000
        "MDAwMS0wMS0wMVQwMDowMCswMjowMCBh",  # before the year 1
        "MjAyMy0wNi0wMVQxMDowMCswMDowMCBhIGI=",  # three parts
    ],
)
async def test_what_is_no_cursor_is_422(service: Service, cursor: str) -> None:
    answer = await service.client.get("/api/seminars", params={"after": cursor})

    assert (await problem(answer, 422))["type"] == "/problems/invalid"


# --- drafts ---


async def test_a_draft_is_seen_by_organisers_only(service: Service) -> None:
    await service.put(status="draft", title="Not to be known yet")

    said = {
        path: await service.client.get(path) for path in (HERE, PAGE, f"{PAGE}/watch", f"{PAGE}/calendar.ics", *LISTS)
    }

    assert not any(["Not to be known yet" in await answer.text() for answer in said.values()])
    assert {path: answer.status for path, answer in said.items() if answer.status != 404} == dict.fromkeys(LISTS, 200)
    assert (await (await service.act("GET", "")).json())["title"] == "Not to be known yet"


async def test_a_draft_is_told_to_nobody_until_it_is_published(service: Service) -> None:
    await service.put(status="draft")
    await service.put(if_match='"1"', status="draft", title="Better")
    quiet = await service.told()

    await service.put(if_match='"2"', title="Best")

    assert quiet == []
    assert await service.told() == [("seminar.published", 3)]


async def test_a_draft_that_is_cancelled_is_told_to_nobody(service: Service) -> None:
    await service.put(status="draft")

    answer = await service.act("POST", "/cancel")

    assert answer.status == 200
    assert await service.told() == []
    assert (await service.client.get(PAGE)).status == 404


async def test_what_people_know_of_cannot_be_a_draft_again(service: Service) -> None:
    await service.put()

    answer = await service.put(if_match='"1"', status="draft")

    assert (await problem(answer, 409))["type"] == "/problems/seminar-announced"
    assert await service.told() == [("seminar.published", 1)]


# --- cancelling ---


async def test_a_seminar_is_cancelled_once_and_then_changed_no_more(service: Service) -> None:
    await service.put()

    once, twice = [await service.act("POST", "/cancel") for _ in range(2)]

    assert (once.status, twice.status) == (200, 200)
    assert once.headers["ETag"] == twice.headers["ETag"] == '"2"'
    later = [
        await service.put(if_match='"2"'),
        await service.act("PUT", "/livestream", {"url": STREAM}),
        await service.act("PUT", "/recording", {"url": FILM}),
    ]
    assert [(await problem(answer, 409))["type"] for answer in later] == ["/problems/seminar-cancelled"] * 3
    assert await service.told() == [("seminar.published", 1), ("seminar.cancelled", 2)]
    assert of(service.bus.published[-1]).status == "cancelled"


# --- the stream and the recording ---


async def test_the_stream_gets_an_address_and_another_without_a_precondition(service: Service) -> None:
    await service.put(livestream={"access": "registered"})

    first = await service.act("PUT", "/livestream", {"url": STREAM})
    other = await service.act("PUT", "/livestream", {"url": f"{STREAM}-2"})

    assert (first.status, first.headers["ETag"], other.headers["ETag"]) == (200, '"2"', '"3"')
    assert (await other.json())["livestream"] == {"url": f"{STREAM}-2", "access": "registered"}
    assert await service.told() == [("seminar.published", 1), ("seminar.changed", 2), ("seminar.changed", 3)]
    assert not any(STREAM in message.model_dump_json() for message in service.bus.published)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/livestream", {"url": "stream.example.org"}, "url"),
        ("/livestream", {"url": "javascript:alert(1)"}, "url"),
        ("/livestream", {"access": "secret"}, "access"),
        ("/livestream", {"link": STREAM}, "link"),
        ("/recording", {"url": "film.example.org"}, "url"),
        ("/recording", {}, "url"),
        ("/recording", {"url": None}, "url"),
    ],
)
async def test_an_address_that_does_not_fit_is_422(
    service: Service, path: str, body: dict[str, Any], field: str
) -> None:
    await service.put()

    assert fields(await problem(await service.act("PUT", path, body), 422)) == [field]


async def test_the_recording_is_told_and_takes_the_streams_place(service: Service) -> None:
    await service.put(livestream={"url": STREAM})
    service.clock.move_to(END)

    answer = await service.act("PUT", "/recording", {"url": FILM})

    assert (answer.status, answer.headers["ETag"]) == (200, '"2"')
    assert await service.told() == [("seminar.published", 1), ("seminar.recording_published", 2)]
    watch = await service.shown(f"{PAGE}/watch")
    assert FILM in watch
    assert STREAM not in watch


async def test_the_stream_is_linked_while_the_seminar_is_live_and_not_before_or_after(service: Service) -> None:
    await service.put(livestream={"url": STREAM})
    linked = {}

    for moment in (NOW + timedelta(hours=1), START - timedelta(minutes=1), START, END):
        service.clock.move_to(moment)
        linked[moment] = STREAM in await service.shown(f"{PAGE}/watch")

    assert list(linked.values()) == [False, False, True, False]


async def test_the_stream_of_a_cancelled_seminar_is_not_linked(service: Service) -> None:
    await service.put(livestream={"url": STREAM})
    await service.act("POST", "/cancel")
    service.clock.move_to(START)

    assert STREAM not in await service.shown(f"{PAGE}/watch")


@pytest.mark.parametrize("path", [HERE, "/api/seminars", PAGE, f"{PAGE}/watch", f"{PAGE}/calendar.ics"])
async def test_the_address_of_a_stream_for_those_who_signed_up_is_shown_to_no_stranger(
    service: Service, path: str
) -> None:
    await service.put(livestream={"url": STREAM, "access": "registered"})
    service.clock.move_to(START)

    assert STREAM not in await service.shown(path)
    assert STREAM in await (await service.act("GET", "")).text()


# --- the pages ---


async def test_the_page_speaks_the_language_that_was_asked_for_and_says_which(service: Service) -> None:
    await service.put()

    norwegian = await service.client.get(PAGE)
    english = await service.client.get(PAGE, headers={"Accept-Language": "en-GB,en;q=0.9"})
    chosen = await service.client.get(f"{PAGE}?lang=nn", headers={"Accept-Language": "en"})

    assert "Planstrategi 4.0 på norsk" in await norwegian.text()
    assert "Planning strategy 4.0 in English" in await english.text()
    assert [answer.headers["Content-Language"] for answer in (norwegian, english, chosen)] == ["nb", "en", "nn"]
    assert "Planstrategi 4.0 på norsk" in await chosen.text()  # the nearest to what there is not
    assert chosen.cookies["language"].value == "nn"


async def test_the_page_shows_what_the_document_says(service: Service) -> None:
    talk = make_talk(
        title="Hva trenger vi",
        speakers=[{"name": "Marit Meløy", "role": "prosjektleder", "affiliation": "Karasjok kommune"}],
    )
    programme = [{"title": "Hva kan gjøres", "start": "10:00", "end": "13:15", "talks": [talk]}]
    await service.put(
        programme=programme,
        organisers=["Distriktssenteret"],
        audience="fylkeskommuner",
        serving="kaffe",
        description="Et *fagseminar*",
    )

    text = await service.shown(PAGE)

    for fact in (
        "Hva kan gjøres",
        "Hva trenger vi",
        "Marit Meløy",
        "prosjektleder",
        "Karasjok kommune",
        "Distriktssenteret",
        "fylkeskommuner",
        "kaffe",
        "<em>fagseminar</em>",
        "Akersgata 64, Oslo",
        "plan@example.org",
        "10.00",
        "13.15",
        "1. juni 2023",
    ):
        assert fact in text, fact


@pytest.mark.parametrize("field", ["title", "summary", "description", "audience", "serving"])
async def test_what_an_organiser_writes_is_shown_and_never_obeyed(service: Service, field: str) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)> [x](javascript:alert(3))"
    await service.put(**{field: evil}, organisers=[evil], programme=[{"title": evil, "start": "10:00", "end": "11:00"}])

    for path in (PAGE, f"{PAGE}/watch", "/"):
        text = await service.shown(path)

        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path
        assert 'href="javascript:' not in text, path


async def test_the_list_moves_a_seminar_along_its_lives(service: Service) -> None:
    await service.put()
    headings = []

    for moment in (NOW + timedelta(hours=1), START, END):
        service.clock.move_to(moment)
        (section,) = re.findall(r'<section aria-labelledby="([a-z]+)">', await service.shown("/"))
        headings.append(section)

    assert headings == ["coming", "live", "completed"]


async def test_the_page_leads_to_sign_up_as_long_as_there_is_something_to_sign_up_for(service: Service) -> None:
    await service.put()
    led = []

    for moment in (NOW + timedelta(hours=1), END - timedelta(minutes=1), END):
        service.clock.move_to(moment)
        led.append(f'href="/register/{SLUG}' in await service.shown(PAGE))

    assert led == [True, True, False]


# --- calendars ---


async def test_the_calendar_of_a_seminar_is_one_entry_that_follows_its_revisions(service: Service) -> None:
    await service.put()
    before = await service.client.get(f"{PAGE}/calendar.ics")
    await service.put(if_match='"1"', start="2023-06-02T10:00", end="2023-06-02T13:15")
    after = await service.client.get(f"{PAGE}/calendar.ics")

    (old,), (new,) = [Calendar.from_ical(await answer.read()).walk("VEVENT") for answer in (before, after)]
    assert before.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert old.decoded("dtstart") == START
    assert new.decoded("dtstart") == START + timedelta(days=1)
    assert str(old["uid"]) == str(new["uid"]) == f"{SLUG}@seminars.example.org"
    assert int(str(new["sequence"])) > int(str(old["sequence"]))


async def test_the_calendar_of_a_cancelled_seminar_says_so(service: Service) -> None:
    await service.put()
    await service.act("POST", "/cancel")

    assert "STATUS:CANCELLED" in await service.shown(f"{PAGE}/calendar.ics")


async def test_the_calendar_of_all_holds_every_seminar_that_was_announced(service: Service) -> None:
    await service.put()
    await service.put(slug="another")
    await service.put(slug="a-draft", status="draft")

    events = Calendar.from_ical(await (await service.client.get("/seminars.ics")).read()).walk("VEVENT")

    uids = sorted(str(event["uid"]) for event in events)
    assert uids == ["another@seminars.example.org", f"{SLUG}@seminars.example.org"]


# --- what holds for every answer ---

EVERY_GET = [
    "/",
    "/robots.txt",
    "/seminars.atom",
    "/sitemap.xml",
    PAGE,
    f"{PAGE}/watch",
    f"{PAGE}/calendar.ics",
    "/seminars.ics",
    "/api/seminars",
    HERE,
    "/health/live",
    "/health/ready",
    "/static/fagseminar.css",
    "/static/nowhere.css",
    "/static/",
    "/static",
    "/nowhere",
    "/seminars/nowhere",
]


async def test_a_get_changes_nothing(service: Service) -> None:
    await service.put()
    await relayed(service.database)
    before = await tables_of(service.database)

    for path in EVERY_GET:
        for headers in ({}, ORGANISER, BROWSER):
            for method in ("GET", "HEAD"):
                await service.client.request(method, path, headers=headers)

    assert await tables_of(service.database) == before


@pytest.mark.parametrize("path", EVERY_GET)
async def test_every_answer_tells_the_browser_what_it_must_not_do_and_bears_an_id(service: Service, path: str) -> None:
    await service.put()

    answer = await service.client.get(path, headers=BROWSER)

    assert answer.status < 500
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"])


async def test_no_page_holds_a_script_of_its_own_or_fetches_from_elsewhere(service: Service) -> None:
    await service.put()

    for path in ("/", PAGE, f"{PAGE}/watch"):
        text = await service.shown(path)

        assert not re.search(r'<script(?![^>]* src=)(?! type="application/ld\+json">)', text), path  # data is not run
        assert not re.search(r"\son[a-z]+=", text), path
        fetched = r'(?:src|<link (?!rel="(?:canonical|alternate)")[^>]*href)="(?:https?:)?//'
        assert not re.findall(fetched, text), path


async def test_errors_are_pages_for_people_and_problems_for_programs(service: Service) -> None:
    page = await service.client.get("/seminars/nowhere", headers=BROWSER)
    answer = await service.client.get("/api/seminars/nowhere", headers=BROWSER)

    assert (page.status, page.content_type) == (404, "text/html")
    assert (answer.status, answer.content_type) == (404, "application/problem+json")


async def test_a_seminar_is_put_there_also_while_the_broker_is_away(service: Service) -> None:
    service.bus.refusing = True
    try:
        answer = await service.put()
        await eventually(lambda: service.bus.refused > 0)
        ready = await service.client.get("/health/ready")
    finally:
        service.bus.refusing = False

    assert (answer.status, ready.status) == (201, 200)
    assert await service.told() == [("seminar.published", 1)]
