"""The list through HTTP: searched, filtered, in pages; and what it costs with ten thousand seminars."""

import html
import json
import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from local.postgres import Postgres
from services.catalog import listing, store_list
from services.catalog.listing import context_of_list
from services.catalog.model import Life
from services.catalog.search import Wanted
from shared import migrations
from shared.database import Connection, open_database
from tests.conftest import SERVICES
from tests.factories import END, NOW, START, begin_anew, make_body, make_document, make_talk
from tests.integration.catalog.site import Site, running

MANY = 10_000
PAST: dict[str, Any] = {"start": "2023-05-02T10:00", "end": "2023-05-02T13:15"}
ONLINE: dict[str, Any] = {"attendance": {"online": {}}, "programme": []}


@pytest.fixture(scope="module")
async def started(postgres: Postgres, templates: dict[str, str]) -> AsyncIterator[Site]:
    async with running(postgres, templates["catalog"], "catalog_list") as site:
        yield site


@pytest.fixture
async def site(started: Site) -> Site:
    """Know no seminar."""
    await begin_anew(started.database, started.bus, started.clock)
    return started


def slugs(page: str) -> list[str]:
    return re.findall(r'<h3[^>]*><a class="ds-link" href="/seminars/([a-z0-9-]+)"', page)


async def found(site: Site, **query: str) -> list[str]:
    """Return what the API finds, and be sure that the page finds it too."""
    answer = await site.client.get("/api/seminars", params=query)
    assert answer.status == 200, await answer.text()
    items = [item["slug"] for item in (await answer.json())["items"]]
    page = await (await site.client.get("/", params=query)).text()
    assert sorted(slugs(page)) == sorted(items)
    return sorted(items)


# --- search and filters ---


async def put_three(site: Site) -> None:
    speaker = {"name": "Åse Ødegård", "affiliation": "Solund kommune"}
    await site.put(slug="by", title={"nb": "Byvekst og ÆRLIGHET", "en": "Growing cities"}, summary="100 % bærekraft")
    await site.put(slug="land", title="Småkommuner", programme=[], audience="Distriktskommuner, fylkeskommuner")
    await site.put(
        slug="vann",
        title="Kyst_sone",
        organisers=["Kystverket"],
        partners=[{"nb": "Høgskolen i Innlandet", "en": "Inland University"}],
        programme=[{"title": "Hav", "start": "10:00", "end": "11:00", "talks": [make_talk(speakers=[speaker])]}],
    )


@pytest.mark.parametrize(
    ("words", "slugs"),
    [
        ("byvekst", ["by"]),
        ("VEKST", ["by"]),  # a part of a longer word, as Norwegian has them
        ("ærlighet", ["by"]),
        ("Ærlighet", ["by"]),
        ("småKOMMUNER", ["land"]),
        ("sma\u030akommuner", ["land"]),  # å in two code points (Unicode Standard Annex 15)
        ("growing cities", ["by"]),
        ("cities growing", ["by"]),  # each word, in whatever order
        ("growing coasts", []),
        ("ødegård", ["vann"]),
        ("solund", ["vann"]),
        ("plankultur", ["by", "vann"]),
        ("bærekraft", ["by"]),
        ("100 %", ["by"]),
        ("t_s", ["vann"]),
        ("k%s", []),
        ("\\", []),
        ("  ", ["by", "land", "vann"]),
    ],
)
async def test_each_word_is_found_in_titles_summaries_programmes_and_speakers(
    site: Site, words: str, slugs: list[str]
) -> None:
    await put_three(site)

    assert await found(site, q=words) == slugs


@pytest.mark.parametrize(
    ("query", "slugs"),
    [
        ({"organiser": "kystverket"}, ["vann"]),
        ({"organiser": "Høgskolen i Innlandet"}, ["vann"]),
        ({"organiser": "inland university"}, ["vann"]),
        ({"audience": "fylkeskommuner"}, ["land"]),
        ({"audience": "distriktskommuner fylkeskommuner"}, ["land"]),
        ({"audience": "statsforvaltere"}, []),
        ({"year": "2023"}, ["by", "land", "vann"]),
        ({"year": "2022"}, []),
        ({"q": "kommune", "organiser": "kyst", "year": "2023", "life": "published"}, ["vann"]),
    ],
)
async def test_filters_are_by_organiser_audience_and_year(site: Site, query: dict[str, str], slugs: list[str]) -> None:
    await put_three(site)

    assert await found(site, **query) == slugs


async def test_a_year_begins_at_midnight_in_oslo(site: Site) -> None:
    for slug, start in (("last", "2023-12-31T23:30"), ("first", "2024-01-01T00:00")):
        await site.put(slug=slug, start=start, end="2024-01-01T01:00", **ONLINE)

    assert (await found(site, year="2023"), await found(site, year="2024")) == (["last"], ["first"])


async def test_what_a_seminar_says_no_longer_it_is_not_found_by(site: Site) -> None:
    await site.put(title="Byvekst")
    await site.put(1, title="Kystsone")

    assert await found(site, q="byvekst") == []
    assert len(await found(site, q="kystsone")) == 1


async def test_a_draft_is_found_by_nothing(site: Site) -> None:
    await site.put(status="draft")

    assert await found(site, q="planstrategi") == []
    assert "2023</option>" not in await site.shown("/")


@pytest.mark.parametrize(
    ("name", "value"), [("year", "x"), ("year", "99999"), ("year", "²"), ("life", "draft"), ("q", "x" * 101)]
)
@pytest.mark.parametrize("path", ["/", "/api/seminars"])
async def test_what_cannot_be_asked_for_is_422(site: Site, path: str, name: str, value: str) -> None:
    answer = await site.client.get(path, params={name: value})

    assert answer.status == 422
    assert [error["field"] for error in (await answer.json())["errors"]] == [name]


# --- lives ---


async def put_one_of_each_life(site: Site) -> None:
    today: dict[str, Any] = {"start": "2023-05-22T08:00", "end": "2023-05-22T10:00"}
    await site.put(slug="live", **today, **ONLINE)
    await site.put(slug="soon", **ONLINE)
    await site.put(slug="later", start="2023-07-01T10:00", end="2023-07-01T12:00", **ONLINE)
    await site.put(slug="completed", **PAST, **ONLINE)
    await site.put(slug="planstrategi-4-0", **ONLINE)
    await site.act("POST", "/cancel")


@pytest.mark.parametrize(
    ("life", "slugs"),
    [
        ("live", ["live"]),
        ("published", ["soon", "later"]),
        ("completed", ["completed"]),
        ("cancelled", ["planstrategi-4-0"]),
    ],
)
async def test_the_api_lists_one_life_the_next_first_where_it_is_to_come(
    site: Site, life: str, slugs: list[str]
) -> None:
    await put_one_of_each_life(site)

    body = await (await site.client.get("/api/seminars", params={"life": life})).json()

    assert [item["slug"] for item in body["items"]] == slugs


async def test_the_page_has_a_part_for_each_life_and_a_form_that_needs_no_script(site: Site) -> None:
    await put_one_of_each_life(site)

    page = await site.shown("/")

    assert slugs(page) == ["live", "soon", "later", "planstrategi-4-0", "completed"]
    assert re.findall(r'<section aria-labelledby="([a-z]+)">', page) == ["live", "coming", "cancelled", "completed"]
    assert re.search(r'<form class="search" action="/"', page)
    assert "onclick" not in page


async def test_a_seminar_goes_on_to_its_next_part_when_its_moment_comes(site: Site) -> None:
    await put_one_of_each_life(site)
    assert "completed" in await site.shown("/")

    site.clock.move_to(START)
    page = await site.shown("/")

    assert slugs(page.partition('id="coming"')[0]) == ["soon"]
    assert "live" in slugs(page.partition('id="completed"')[2])


async def test_of_the_cancelled_the_first_page_keeps_those_that_somebody_may_still_wait_for(site: Site) -> None:
    await put_one_of_each_life(site)
    site.clock.move_to(END)

    assert "planstrategi-4-0" not in slugs(await site.shown("/"))
    assert slugs(await site.shown("/?life=cancelled")) == ["planstrategi-4-0"]


async def test_a_change_at_another_replica_is_in_the_list_at_once(site: Site) -> None:
    await site.put()
    await site.shown("/")

    await site.act("POST", "/cancel")

    assert "Avlyst" in await site.shown("/")


# --- pages ---


def further(page: str) -> str | None:
    link = re.search(r'<p class="more"><a[^>]* href="([^"]+)"', page)
    return html.unescape(link[1]) if link else None


@pytest.mark.parametrize(("life", "month", "backwards"), [("completed", 4, True), ("published", 9, False)])
async def test_pages_follow_each_other_miss_nothing_repeat_nothing_and_keep_the_filter(
    site: Site, monkeypatch: pytest.MonkeyPatch, life: str, month: int, *, backwards: bool
) -> None:
    monkeypatch.setattr(listing, "PAGE", 3)
    monkeypatch.setattr(listing, "FIRST", 2)
    names = [f"seminar-{number}" for number in range(7)]
    for number, slug in enumerate(names):
        day = f"2023-{month:02}-0{1 + number // 2}"  # two at the same moment each
        await site.put(slug=slug, start=f"{day}T10:00", end=f"{day}T12:00", **ONLINE, audience="Kommuner & fylker")
    await site.put(slug="another", **PAST, **ONLINE, audience="alle")

    first = await site.shown("/?audience=kommuner+%26")
    pages, address = [slugs(first)], further(first)
    assert "Treff: 7" in first
    assert "Vis alle 7" in first
    while address:
        assert parse_qs(urlsplit(address).query)["audience"] == ["kommuner &"]
        page = await site.shown(address)
        pages.append(slugs(page))
        address = further(page)

    in_order = names[::-1] if backwards else names
    assert pages == [in_order[:2], in_order[:3], in_order[3:6], in_order[6:]]
    assert life in "completed published"


async def test_the_languages_links_keep_the_filter(site: Site) -> None:
    await site.put()

    page = await site.shown("/?q=plan&year=2023")

    assert 'href="?q=plan&amp;year=2023&amp;lang=nn"' in page


# --- ten thousand ---


class Watched:
    """A connection that can say afterwards what its queries cost."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.queries: list[tuple[str, tuple[Any, ...]]] = []

    async def fetch(self, query: str, *values: Any) -> Any:
        self.queries.append((query, values))
        return await self._connection.fetch(query, *values)

    async def fetchrow(self, query: str, *values: Any) -> Any:
        self.queries.append((query, values))
        return await self._connection.fetchrow(query, *values)

    async def fetchval(self, query: str, *values: Any) -> Any:
        self.queries.append((query, values))
        return await self._connection.fetchval(query, *values)

    async def nodes(self) -> list[dict[str, Any]]:
        """Return the parts of every query's plan, with what they did."""
        found = []
        for query, values in self.queries:
            plan = await self._connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", *values)
            found += [*_nodes(json.loads(plan)[0]["Plan"])]
        return found


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


def rows_read(nodes: list[dict[str, Any]]) -> int:
    """Return how many rows were looked at in the table itself."""
    looked = [node for node in nodes if node["Node Type"] in ("Index Scan", "Bitmap Heap Scan", "Seq Scan")]
    lost = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    return sum(
        int((node["Actual Rows"] + sum(node.get(name, 0) for name in lost)) * node["Actual Loops"]) for node in looked
    )


@pytest.fixture(scope="module")
async def many(postgres: Postgres, templates: dict[str, str]) -> AsyncIterator[Connection]:
    """Ten thousand seminars, one a day and a half, of which a tenth is to come."""
    owner = templates["catalog"]
    await postgres.create_database("catalog_many", owner=owner, template=owner)
    async with open_database(postgres.dsn(owner, "catalog_many")) as database, database.connection() as connection:
        await connection.execute("SET synchronous_commit TO on")  # else VACUUM comes too early
        await connection.execute(
            "INSERT INTO seminars"
            " (slug, revision, cancelled, announced, document, starts_at, ends_at, words, organisers, audience)"
            " SELECT 'seminar-' || n, 1, n % 50 = 0, true, $1, at, at + '3 hours',"
            " 'planstrategi ' || md5(n::text) || CASE n % 1000 WHEN 7 THEN ' småkommuner' ELSE '' END,"
            " 'departementet ' || n % 20, CASE n % 100 WHEN 3 THEN 'fylkeskommuner' ELSE 'kommuner' END"
            " FROM generate_series(1, $3) n, "
            " LATERAL (SELECT $2::timestamptz + (n - 9000) * interval '36 hours' AS at) t",
            make_document().model_dump(mode="json"),
            NOW,
            MANY,
        )
        await connection.execute("VACUUM ANALYZE seminars")
        yield connection
    await postgres.drop_database("catalog_many")


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(),
        Wanted(life=Life.COMPLETED),
        Wanted(life=Life.PUBLISHED),
        Wanted(words="planstrategi"),
        Wanted(words="småkommuner"),
        Wanted(words="kommuner små planstrategi"),
        Wanted(organiser="departementet 7"),
        Wanted(audience="fylkeskommuner"),
        Wanted(year=2019),
        Wanted(words="småkommuner", year=2019, life=Life.COMPLETED),
    ],
    ids=str,
)
async def test_of_ten_thousand_seminars_no_more_are_looked_at_than_a_page_needs(
    many: Connection, wanted: Wanted
) -> None:
    watched = Watched(many)

    found = await store_list.search(watched, wanted, None, listing.PAGE + 1, NOW)  # type: ignore[arg-type] # as it is used

    nodes = await watched.nodes()
    assert found
    assert "Seq Scan" not in {node["Node Type"] for node in nodes}
    assert rows_read(nodes) <= 600


async def test_the_last_page_costs_no_more_than_the_first(many: Connection) -> None:
    watched, wanted = Watched(many), Wanted(life=Life.COMPLETED)
    deep = (NOW - timedelta(days=13_000), "seminar-400")

    found = await store_list.search(watched, wanted, deep, listing.PAGE + 1, NOW)  # type: ignore[arg-type] # as it is used

    assert len(found) == listing.PAGE + 1
    assert rows_read(await watched.nodes()) <= 2 * listing.PAGE


async def test_the_first_page_of_ten_thousand_reads_only_the_documents_that_it_shows(many: Connection) -> None:
    watched = Watched(many)

    context = await context_of_list(watched, Wanted(), None, NOW)  # type: ignore[arg-type] # as it is used
    await store_list.next_start_or_end(watched, NOW)  # type: ignore[arg-type]
    await store_list.list_state(watched)  # type: ignore[arg-type]

    nodes = [node for node in await watched.nodes() if node.get("Relation Name") == "seminars"]
    assert context["total"] == MANY
    assert "Seq Scan" not in {node["Node Type"] for node in nodes}
    assert rows_read(nodes) <= 10 * listing.FIRST


# --- seminars from before there was a search ---


async def test_what_was_there_before_is_found_too(postgres: Postgres, templates: dict[str, str]) -> None:
    owner, name = templates["catalog"], "catalog_before"
    await postgres.create_database(name, owner=owner)
    url = postgres.dsn(owner, name)
    every = migrations.read("catalog", SERVICES / "catalog" / "migrations")
    before = [migration for migration in every if migration.name < "catalog/0002" or "shared" in migration.name]
    await migrations.migrate(url, before)
    body = make_body(title={"nb": "ÆRLIG småkommune"}, partners=["Høgskolen i Innlandet"], audience={"nn": "Fylke"})
    async with open_database(url) as database, database.connection() as connection:
        await connection.execute(
            "INSERT INTO seminars VALUES ('before', 1, false, true, $1, $2)",
            make_document(**body).model_dump(mode="json"),
            START,
        )

        await migrations.migrate(url, every)

        for wanted in (Wanted("ærlig"), Wanted("Plankultur"), Wanted(organiser="høgskolen"), Wanted(audience="fylke")):
            assert len(await store_list.search(connection, wanted._replace(life=Life.PUBLISHED), None, 9, NOW)) == 1, (
                wanted
            )
        assert await connection.fetchval("SELECT ends_at FROM seminars") == END
        with pytest.raises(asyncpg.NotNullViolationError):
            await connection.execute("UPDATE seminars SET ends_at = NULL")
    await postgres.drop_database(name)
