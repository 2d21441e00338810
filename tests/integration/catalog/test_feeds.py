"""What programs are given to follow along, through HTTP: calendars, the Atom feed, the sitemap, a page's metadata."""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest
from aiohttp import ClientResponse
from icalendar import Calendar

from local.postgres import Postgres
from services.catalog import feeds
from services.catalog.app import build
from services.catalog.settings import Settings
from shared.clock import MovableClock
from tests import rfc5545
from tests.factories import (
    NOW,
    OSLO,
    SLUG,
    START,
    RecordingBus,
    begin_anew,
    make_body,
    make_settings,
    served,
)
from tests.integration.catalog.test_api import PAGE, STREAM, Service

SITE = "https://seminars.example.org"
ICS = f"{PAGE}/calendar.ics"
CALENDARS = (ICS, "/seminars.ics")
FEEDS = (*CALENDARS, "/seminars.atom")
LATER = timedelta(hours=1)
ATOM = "{http://www.w3.org/2005/Atom}"
MAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
XHTML = "{http://www.w3.org/1999/xhtml}"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"
HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!-- <script> --!> <![CDATA[ ]]>",
    '"><img src=x onerror=alert(1)>',
    "' onload='alert(1)",
    'Kaffe, te; kake\\is \\n og \\, mer: "nå" =',
    "Blåbær på Ærøya & ørret 🎉🧑🏽",
    "{{ 7*7 }} {% raw %} %(date)s &amp; &#60;",
    "Lang " * 60 + "æøå🎉" * 30,
]


@pytest.fixture(scope="module")
async def started(postgres: Postgres, templates: dict[str, str]) -> AsyncIterator[Service]:
    owner = templates["catalog"]
    await postgres.create_database("catalog_feeds", owner=owner, template=owner)
    settings = make_settings(Settings, postgres.dsn(owner, "catalog_feeds"))
    clock, bus = MovableClock(NOW - datetime.now(UTC)), RecordingBus()
    async with served(build, settings, clock, bus) as client:
        yield Service(client, clock, bus)
    await postgres.drop_database("catalog_feeds")


@pytest.fixture
async def service(started: Service) -> Service:
    """Know no seminar."""
    await begin_anew(started.database, started.bus, started.clock)
    started.client.app[feeds.KEPT].clear()  # emptied tables are no state that comes in life
    return started


async def put(service: Service, if_match: str | None = None, **overrides: Any) -> None:
    answer = await service.put(if_match, **overrides)
    assert answer.status in (200, 201), await answer.text()


async def on(service: Service, day: str) -> None:
    """Put a seminar there, from 10 to 12 on the day."""
    times: dict[str, Any] = {
        "start": f"{day}T10:00",
        "end": f"{day}T12:00",
        "programme": [],
        "attendance": {"online": {}},
    }
    await put(service, slug=f"den-{day}", **times)


async def got(service: Service, path: str, **headers: str) -> ClientResponse:
    answer = await service.client.get(path, headers=headers)
    assert answer.status == 200
    return answer


class Html(HTMLParser):
    """A page as a browser sees it: its elements, and what is written in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.written: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements:
            self.written.append((self.elements[-1][0], data))

    def all(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        return [found for name, found in self.elements if name == tag and attributes.items() <= found.items()]

    def content(self, **attributes: str) -> str | None:
        (found,) = self.all("meta", **attributes)
        return found["content"]

    def event(self) -> dict[str, Any]:
        """Return the page's JSON-LD, which is all that stands in its scripts."""
        assert [script for script in self.all("script") if "src" not in script] == [{"type": "application/ld+json"}]
        return dict(json.loads("".join(data for tag, data in self.written if tag == "script" and data.strip())))

    def check_harmless(self) -> None:
        scripts = [script for script in self.all("script") if "src" not in script]
        assert all(script == {"type": "application/ld+json"} for script in scripts)
        assert all(not name.startswith("on") for _, attributes in self.elements for name in attributes)
        assert not self.all("img", src="x")


async def page(service: Service, path: str = PAGE, **headers: str) -> Html:
    return Html(await service.shown(path, **headers))


async def feed(service: Service, path: str = "/seminars.atom") -> Element:
    return fromstring(await (await got(service, path)).read())


def said(element: Element, *names: str) -> str:
    (found,) = element.findall("/".join(ATOM + name for name in names))
    assert found.text is not None
    return found.text


# --- calendars, by two readers ---


@pytest.mark.parametrize("path", CALENDARS)
async def test_both_readers_read_the_same_from_a_calendar(service: Service, path: str) -> None:
    await put(service, summary="Kaffe, te; og\nkake")

    content = await (await got(service, path)).read()
    (one,), (other,) = Calendar.from_ical(content).walk("VEVENT"), rfc5545.read(content).all("VEVENT")

    for name in ("SUMMARY", "DESCRIPTION", "LOCATION", "UID", "STATUS"):
        assert str(one[name]) == other.line(name).text
    assert one.decoded("dtstart") == rfc5545.read(content).instant(other.line("DTSTART")) == START
    assert one["SEQUENCE"] == int(other.line("SEQUENCE").value) == 1


async def test_on_both_sides_of_every_change_of_clocks_the_zone_alone_tells_the_instant(service: Service) -> None:
    days = ["2023-03-25", "2023-03-26", "2023-10-28", "2023-10-29", "2024-06-01", "2030-01-01", "1999-07-01"]
    for day in days:
        await on(service, day)

    content = await (await got(service, "/seminars.ics")).read()
    calendar = rfc5545.read(content)

    starts = {event.line("UID").text: calendar.instant(event.line("DTSTART")) for event in calendar.all("VEVENT")}
    ours = {str(event["uid"]): event.decoded("dtstart") for event in Calendar.from_ical(content).walk("VEVENT")}
    meant = {
        f"den-{day}@seminars.example.org": datetime.fromisoformat(f"{day}T10:00").replace(tzinfo=OSLO) for day in days
    }
    assert starts == ours == meant


async def test_a_seminar_elsewhere_stands_in_utc_beside_those_in_oslo(service: Service) -> None:
    await put(service)
    await put(service, slug="london", zone="Europe/London")

    calendar = rfc5545.read(await (await got(service, "/seminars.ics")).read())

    starts = {event.line("UID").text: calendar.instant(event.line("DTSTART")) for event in calendar.all("VEVENT")}
    assert starts["london@seminars.example.org"] - starts[f"{SLUG}@seminars.example.org"] == LATER


async def test_an_entry_says_when_it_was_announced_and_last_changed(service: Service) -> None:
    await put(service, status="draft")
    service.clock.offset += LATER
    await put(service, '"1"')
    service.clock.offset += LATER
    await put(service, '"2"', title="Flyttet")

    (event,) = rfc5545.read(await (await got(service, ICS)).read()).all("VEVENT")

    created, changed = (datetime.fromisoformat(event.line(name).value) for name in ("CREATED", "LAST-MODIFIED"))
    assert NOW + LATER <= created < NOW + LATER * 2 <= changed
    assert event.line("DTSTAMP").value == event.line("LAST-MODIFIED").value
    assert event.line("SEQUENCE").value == "3"


async def test_a_cancelled_seminar_stays_in_the_calendar_as_cancelled(service: Service) -> None:
    await put(service)
    before = rfc5545.read(await (await got(service, "/seminars.ics")).read())
    await service.act("POST", "/cancel")
    after = rfc5545.read(await (await got(service, "/seminars.ics")).read())

    (old,), (new,) = before.all("VEVENT"), after.all("VEVENT")
    assert (old.line("STATUS").value, new.line("STATUS").value) == ("CONFIRMED", "CANCELLED")
    assert old.line("UID") == new.line("UID")
    assert int(old.line("SEQUENCE").value) < int(new.line("SEQUENCE").value)


async def test_what_is_subscribed_to_has_a_name_is_looked_at_hourly_and_does_not_ring(service: Service) -> None:
    await put(service)

    all_of_them = rfc5545.read(await (await got(service, "/seminars.ics?lang=en")).read())
    one = rfc5545.read(await (await got(service, ICS)).read())

    assert all_of_them.line("NAME").text == all_of_them.line("X-WR-CALNAME").text == "Fagseminar"
    assert all_of_them.line("REFRESH-INTERVAL") == ("REFRESH-INTERVAL", {"VALUE": "DURATION"}, "PT1H")
    assert all_of_them.line("X-PUBLISHED-TTL").value == "PT1H"
    assert all_of_them.line("SOURCE") == ("SOURCE", {"VALUE": "URI"}, f"{SITE}/seminars.ics?lang=en")
    assert [len(calendar.all("VEVENT")[0].all("VALARM")) for calendar in (all_of_them, one)] == [0, 1]
    assert not [line for line in one.lines if line.name == "REFRESH-INTERVAL"]


async def test_the_list_leads_to_the_subscription_in_the_readers_language(service: Service) -> None:
    shown = await page(service, "/?lang=nn")

    assert shown.all("a", href="webcal://seminars.example.org/seminars.ics?lang=nn")
    assert shown.all("a", href="/seminars.atom?lang=nn")


# --- Atom (RFC 4287) ---


async def test_the_feed_is_whole(service: Service) -> None:
    """As 4.1.1 and 4.1.2 of the RFC want it."""
    await put(service, summary="Om plan", description="Vi *planlegger*.", organisers=["Departementet"])
    await put(service, slug="another")

    answer = await got(service, "/seminars.atom")
    root = fromstring(await answer.read())

    assert answer.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    assert root.tag == f"{ATOM}feed"
    assert said(root, "author", "name")
    links = [link.attrib for link in root.findall(f"{ATOM}link")]
    assert {link["rel"]: link["href"] for link in links} == {
        "self": f"{SITE}/seminars.atom?lang=nb",
        "alternate": f"{SITE}/?lang=nb",
    }
    for one in [root, *root.findall(f"{ATOM}entry")]:
        assert said(one, "id").startswith(SITE)
        assert said(one, "title")
        assert datetime.fromisoformat(said(one, "updated")).tzinfo is not None
    entries = root.findall(f"{ATOM}entry")
    assert len({said(entry, "id") for entry in entries}) == 2
    assert all(entry.findall(f"{ATOM}summary") and entry.findall(f"{ATOM}content") for entry in entries)


async def test_an_entry_holds_the_seminar(service: Service) -> None:
    await put(service, summary="Om plan", description="Vi *planlegger*.", organisers=["Departementet"])

    (entry,) = (await feed(service)).findall(f"{ATOM}entry")

    (content,) = entry.findall(f"{ATOM}content")
    assert content.attrib == {"type": "html"}
    assert "<em>planlegger</em>" in (content.text or "")
    assert "Torsdag 1. juni 2023 kl.\xa010.00–13.15" in (content.text or "")
    assert said(entry, "summary") == "Om plan"
    assert said(entry, "author", "name") == "Departementet"
    links = {link.get("type"): link.get("href") for link in entry.findall(f"{ATOM}link[@rel='alternate']")}
    assert links == {"text/html": SITE + PAGE, "text/calendar": SITE + ICS}


async def test_an_entry_keeps_its_name_and_rises_when_it_changes(service: Service) -> None:
    await put(service)
    service.clock.offset += LATER
    await put(service, slug="another")
    service.clock.offset += LATER
    before = await feed(service)
    await put(service, '"1"', title="Et annet navn")
    after = await feed(service)

    names = [[said(entry, "id") for entry in root.findall(f"{ATOM}entry")] for root in (before, after)]
    assert names == [[f"{SITE}/seminars/another", SITE + PAGE], [SITE + PAGE, f"{SITE}/seminars/another"]]
    first = after.findall(f"{ATOM}entry")[0]
    assert datetime.fromisoformat(said(first, "updated")) - datetime.fromisoformat(said(first, "published")) >= LATER
    assert said(after, "updated") == said(first, "updated")


@pytest.mark.parametrize(("language", "word"), [("nb", "Avlyst"), ("nn", "Avlyst"), ("en", "Cancelled")])
async def test_the_feed_says_in_the_title_that_a_seminar_is_cancelled(
    service: Service, language: str, word: str
) -> None:
    await put(service, title="Plan")
    await service.act("POST", "/cancel")

    root = await feed(service, f"/seminars.atom?lang={language}")

    assert root.get(LANG) == language
    assert said(root, "entry", "title") == f"{word}: Plan"


async def test_the_feed_holds_the_newest_only(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "NEWEST", 2)
    for number in range(3):
        await put(service, slug=f"nummer-{number}")

    entries = (await feed(service)).findall(f"{ATOM}entry")

    assert [said(entry, "id") for entry in entries] == [f"{SITE}/seminars/nummer-{number}" for number in (2, 1)]


async def test_feeds_of_nothing_are_sound_all_the_same(service: Service) -> None:
    assert said(await feed(service), "updated")
    assert rfc5545.read(await (await got(service, "/seminars.ics")).read()).all("VEVENT") == []
    assert (await got(service, "/sitemap.xml")).content_type == "application/xml"


async def test_what_xml_has_no_place_for_breaks_no_feed(service: Service) -> None:
    await put(service, description="Før \ufffe \uffff \u2028 \U0001ffff etter")

    assert "etter" in said(await feed(service), "entry", "content")


# --- asked again ---


@pytest.mark.parametrize("path", FEEDS)
async def test_who_has_it_already_is_told_so_until_something_changes(service: Service, path: str) -> None:
    await put(service)
    first = await got(service, path)
    has = {"If-None-Match": first.headers["ETag"]}
    again = await service.client.get(path, headers=has)
    service.clock.offset += LATER
    later = await service.client.get(path, headers=has)
    await put(service, '"1"', title="Et annet navn")
    changed = await service.client.get(path, headers=has)

    assert (again.status, later.status, changed.status) == (304, 304, 200)
    assert await again.read() == b""
    assert again.headers["ETag"] == first.headers["ETag"] != changed.headers["ETag"]
    assert again.headers["Vary"] == first.headers["Vary"] == "Accept-Language, Cookie"
    assert "Et annet navn" in await changed.text()


@pytest.mark.parametrize("path", FEEDS)
async def test_who_knows_only_when_it_changed_is_served_as_well(service: Service, path: str) -> None:
    await put(service)
    has = {"If-Modified-Since": (await got(service, path)).headers["Last-Modified"]}
    again = await service.client.get(path, headers=has)
    service.clock.offset += LATER
    await put(service, '"1"', title="Et annet navn")
    changed = await service.client.get(path, headers=has)

    assert (again.status, changed.status) == (304, 200)
    assert (await service.client.get(path, headers=has | {"If-None-Match": '"another"'})).status == 200


@pytest.mark.parametrize("path", FEEDS)
async def test_a_feed_is_in_the_readers_language_and_each_language_is_another(service: Service, path: str) -> None:
    await put(service, title={"nb": "På bokmål", "nn": "På nynorsk", "en": "In English"})

    english = await got(service, path, **{"Accept-Language": "en-GB"})
    nynorsk = await got(service, f"{path}?lang=nn", **{"Accept-Language": "en-GB"})

    assert "In English" in await english.text()
    assert "På nynorsk" in await nynorsk.text()
    assert [answer.headers["Content-Language"] for answer in (english, nynorsk)] == ["en", "nn"]
    assert english.headers["ETag"] != nynorsk.headers["ETag"]
    assert "Set-Cookie" not in nynorsk.headers


async def test_a_feed_is_made_once_for_all_who_ask(service: Service) -> None:
    await put(service)
    kept, asked = service.client.app[feeds.KEPT], []

    for _ in range(2):
        await got(service, "/seminars.ics")
        asked.append(kept["/seminars.ics", "nb"])
    await service.act("POST", "/cancel")
    await got(service, "/seminars.ics")

    assert asked[0] is asked[1] is not kept["/seminars.ics", "nb"]


# --- the sitemap and robots ---


async def addresses(service: Service) -> list[Element]:
    return fromstring(await (await got(service, "/sitemap.xml")).read()).findall(f"{MAP}url")


def location(url: Element) -> str | None:
    return url.findtext(f"{MAP}loc")


async def test_the_sitemap_holds_the_list_and_the_seminars_with_their_languages(service: Service) -> None:
    await put(service)
    await put(service, slug="a-draft", status="draft")

    front, seminar = await addresses(service)

    assert [location(url) for url in (front, seminar)] == [f"{SITE}/", SITE + PAGE]
    links = {link.get("hreflang"): link.get("href") for link in seminar.findall(f"{XHTML}link[@rel='alternate']")}
    assert links == {
        "nb": f"{SITE}{PAGE}?lang=nb",
        "nn": f"{SITE}{PAGE}?lang=nn",
        "en": f"{SITE}{PAGE}?lang=en",
        "x-default": SITE + PAGE,
    }
    modified = datetime.fromisoformat(seminar.findtext(f"{MAP}lastmod") or "")
    assert NOW <= modified < NOW + LATER


async def test_the_sitemap_is_read_in_pages_and_misses_none(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "PAGE", 2)
    for number in range(5):  # of which all start at once, as far as the order knows
        await put(service, slug=f"nummer-{number}")

    found = [location(url) for url in await addresses(service)]

    assert sorted(map(str, found)) == [f"{SITE}/", *(f"{SITE}/seminars/nummer-{number}" for number in range(5))]


async def test_the_sitemap_grows_no_longer_than_a_sitemap_may(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "URLS", 4)
    monkeypatch.setattr(feeds, "PAGE", 2)
    for number in range(5):
        await put(service, slug=f"nummer-{number}")

    assert len(await addresses(service)) == 4


async def test_crawlers_are_kept_from_what_is_personal_and_shown_the_sitemap(service: Service) -> None:
    answer = await got(service, "/robots.txt")

    lines = (await answer.text()).splitlines()
    assert answer.content_type == "text/plain"
    assert lines[0] == "User-agent: *"
    for kept in ("/my/", "/unsubscribe/", "/organiser/", "/register/*/received", "/api/", "/seminars/*/watch/"):
        assert f"Disallow: {kept}" in lines
    assert not [line for line in lines if line in ("Disallow: /", "Disallow: /seminars/", "Disallow: /register/")]
    assert lines[-1] == f"Sitemap: {SITE}/sitemap.xml"


# --- a page's head ---


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}?lang=en", f"{PAGE}/watch", f"{PAGE}/watch?x=1"])
async def test_whichever_page_of_a_seminar_is_shared_its_first_one_is_meant(service: Service, path: str) -> None:
    await put(service)

    shown = await page(service, path)

    assert [link["href"] for link in shown.all("link", rel="canonical")] == [SITE + PAGE]
    assert shown.content(property="og:url") == SITE + PAGE
    assert shown.event()["url"] == SITE + PAGE
    assert {link["hreflang"] for link in shown.all("link", rel="alternate") if "hreflang" in link} == {
        "nb",
        "nn",
        "en",
        "x-default",
    }


async def test_every_page_of_the_list_leads_to_the_feeds(service: Service) -> None:
    shown = await page(service, "/")

    assert shown.all("link", rel="alternate", type="application/atom+xml", href="/seminars.atom")
    assert shown.all("link", rel="alternate", type="text/calendar", href="/seminars.ics")
    assert shown.content(property="og:url") == f"{SITE}/"
    assert shown.content(name="description")


async def test_a_moved_seminars_page_says_so_to_search_engines_and_a_moved_drafts_does_not(service: Service) -> None:
    await put(service, status="draft", start="2023-05-31T10:00", end="2023-05-31T13:15")
    await put(service, '"1"')
    announced = (await page(service)).event()
    await put(service, '"2"', start="2023-06-02T10:00", end="2023-06-02T13:15")
    moved = (await page(service)).event()

    assert announced["eventStatus"] == "https://schema.org/EventScheduled"
    assert moved["eventStatus"] == "https://schema.org/EventRescheduled"
    assert datetime.fromisoformat(moved["previousStartDate"]) == START


async def test_a_recording_was_uploaded_when_it_was_published_not_when_something_else_changed(service: Service) -> None:
    await put(service)
    service.clock.offset += LATER
    await service.act("PUT", "/recording", {"url": "https://film.example.org/1"})
    service.clock.offset += LATER
    await put(service, '"2"', title="Et annet navn", recording={"url": "https://film.example.org/1"})

    uploaded = datetime.fromisoformat((await page(service)).event()["recordedIn"]["uploadDate"])

    assert NOW + LATER <= uploaded < NOW + LATER * 2


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}/watch", *FEEDS, "/sitemap.xml", "/"])
async def test_a_stream_for_those_who_signed_up_is_nowhere_while_it_is_on(service: Service, path: str) -> None:
    await put(service, livestream={"url": STREAM, "access": "registered"}, recording={"url": STREAM})
    service.clock.offset = START + timedelta(minutes=1) - datetime.now(UTC)

    text = await (await got(service, path)).text()

    head = text.partition("</head>")[0] if "</head>" in text else text
    assert STREAM not in head


# --- hostile texts ---


@pytest.mark.parametrize("title", HOSTILE)
async def test_a_title_is_a_title_wherever_it_is_shown(service: Service, title: str) -> None:
    title = title.strip()
    await put(service, title=title, summary=title, organisers=[title])

    shown = await page(service)
    shown.check_harmless()
    assert shown.content(property="og:title") == title
    assert shown.event()["name"] == title
    assert shown.event()["organizer"][0]["name"] == title
    assert said(await feed(service), "entry", "title") == title
    for path in CALENDARS:
        content = await (await got(service, path)).read()
        assert rfc5545.read(content).all("VEVENT")[0].line("SUMMARY").text == title
        assert str(Calendar.from_ical(content).walk("VEVENT")[0]["summary"]) == title


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_description_is_harmless_in_pages_and_feeds(service: Service, text: str) -> None:
    await put(service, description=f"{text}\n\n[lenke](javascript:alert(1))\u2028<iframe src=x>")

    shown, content = await page(service), Html(said(await feed(service), "entry", "content"))

    for html in (shown, content):
        html.check_harmless()
        assert not html.all("iframe")
        assert not [link for link in html.all("a") if (link["href"] or "").startswith("javascript:")]
    assert "\u2028" not in re.findall(r"ld\+json\">(.*?)</script>", await service.shown(PAGE))[0]


@pytest.mark.parametrize("title", ["to\nlinjer", "null\x00", "vogn\rretur", "\u2028", "\x1b[31m"])
async def test_a_title_of_several_lines_is_refused(service: Service, title: str) -> None:
    answer = await service.client.put(
        f"/api/seminars/{SLUG}", json=make_body(title=title), headers={"Authorization": "Bearer token-for-tests"}
    )

    assert answer.status == 422
