"""What programs read to follow along: calendars, the Atom feed, the sitemap, and where crawlers may go."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import datetime
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from aiohttp import web

from services.catalog import store_announced
from services.catalog.calendars import published
from services.catalog.metadata import SITE, alternates, headline, page_of, summary
from services.catalog.page_cache import LIST, STATES
from services.catalog.prose import as_html
from shared.calendar import Subscription
from shared.database import Connection, Database
from shared.messages import Language
from shared.web.keys import CLOCK, DATABASE, SETTINGS
from shared.web.pages import TEMPLATES, language_of
from shared.web.problems import not_found

MOST = 200  # seminars in the calendar of all
NEWEST = 50  # entries in the Atom feed
URLS = 50_000  # in a sitemap (sitemaps.org)
PAGE = 1000  # rows read at once
BEYOND_XML = {0xFFFE: "\ufffd", 0xFFFF: "\ufffd"}  # XML 1.0, 2.2; a document has none of the others
ROBOTS = """\
User-agent: *
Disallow: /api/
Disallow: /my/
Disallow: /organiser/
Disallow: /register/*/received
Disallow: /seminars/*/watch/
Disallow: /unsubscribe/

Sitemap: {}/sitemap.xml
"""


class Kept(NamedTuple):
    """An answer as of a state of all seminars, and when the newest of them changed."""

    state: str | None
    body: bytes
    changed: datetime | None


KEPT = web.AppKey("KEPT", dict[tuple[str, Language], Kept])

Read = Callable[[Connection, int], Awaitable[list[store_announced.Announced]]]


async def seminar_calendar(request: web.Request) -> web.Response:
    """Give the seminar as a calendar file."""
    async with request.app[DATABASE].connection() as connection:
        found = await store_announced.announced(connection, request.match_info["slug"])
    if found is None:
        raise not_found("seminar")
    body = published([found], request.app[SETTINGS].public_url, language_of(request))
    return _calendar(request, body, found.changed, found.seminar.document.slug)


async def all_calendars(request: web.Request) -> web.Response:
    """Give the seminars that start last, as one calendar to subscribe to."""
    language, public_url = language_of(request), request.app[SETTINGS].public_url
    subscription = Subscription(name=SITE, url=f"{public_url}/seminars.ics?lang={language}")
    kept = await _kept(
        request, store_announced.last_to_start, MOST, lambda found: published(found, public_url, language, subscription)
    )
    return _calendar(request, kept.body, kept.changed, "seminars")


async def atom(request: web.Request) -> web.Response:
    """Give the seminars that changed last, as a feed (RFC 4287)."""
    language = language_of(request)
    template = request.app[TEMPLATES][language].get_template("seminars.xml")

    def make(found: list[store_announced.Announced]) -> bytes:
        updated = max((one.changed for one in found), default=request.app[CLOCK].now())
        named = {"headline": headline, "summary": summary, "page_of": page_of, "as_html": as_html}
        return template.render(seminars=found, updated=updated, **named).translate(BEYOND_XML).encode()

    kept = await _kept(request, store_announced.last_changed, NEWEST, make)
    return _answer(request, kept.body, "application/atom+xml", kept.changed)


async def sitemap(request: web.Request) -> web.Response:
    """Give the addresses that are to be found, with their languages (sitemaps.org)."""
    body = _sitemap(request.app[DATABASE], request.app[SETTINGS].public_url)
    return web.Response(body=body, content_type="application/xml", charset="utf-8")


async def robots(request: web.Request) -> web.Response:
    """Keep crawlers (RFC 9309) from what is personal, and from what is no page."""
    return web.Response(text=ROBOTS.format(request.app[SETTINGS].public_url))


async def _kept(
    request: web.Request, read: Read, most: int, make: Callable[[list[store_announced.Announced]], bytes]
) -> Kept:
    """Return what many programs ask for again and again: made anew only when a seminar has changed, on any replica."""
    key = request.path, language_of(request)
    kept = request.app[KEPT].get(key)
    state = await request.app[STATES].of(LIST)  # read first: what changes meanwhile is another state the next time
    if kept is None or kept.state != state:
        async with request.app[DATABASE].connection() as connection:
            found = await read(connection, most)
        kept = Kept(state, make(found), max((one.changed for one in found), default=None))
        request.app[KEPT][key] = kept
    return kept


def _calendar(request: web.Request, body: bytes, changed: datetime | None, name: str) -> web.Response:
    response = _answer(request, body, "text/calendar", changed)
    response.headers["Content-Disposition"] = f'inline; filename="{name}.ics"'
    return response


def _answer(request: web.Request, body: bytes, content_type: str, changed: datetime | None) -> web.Response:
    """Answer with the body, or with 304 to whoever has it (RFC 9110, 13.2.2)."""
    tag = hashlib.sha256(body).hexdigest()[:32]
    headers = {"Content-Language": language_of(request), "Vary": "Accept-Language, Cookie"}
    if _has(request, tag, changed):
        response = web.Response(status=304, headers=headers)
    else:
        response = web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)
    response.etag = tag
    response.last_modified = changed and changed.replace(microsecond=0)
    return response


def _has(request: web.Request, tag: str, changed: datetime | None) -> bool:
    if request.if_none_match is not None:
        return any(given.value in (tag, "*") for given in request.if_none_match)
    since = request.if_modified_since
    return since is not None and changed is not None and changed.replace(microsecond=0) <= since


async def _sitemap(database: Database, public_url: str) -> AsyncIterator[bytes]:
    yield (
        b'<?xml version="1.0" encoding="utf-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
        b' xmlns:xhtml="http://www.w3.org/1999/xhtml">\n'
    )
    yield _url(f"{public_url}/").encode()
    left, last = URLS - 1, None
    while left:
        async with database.connection() as connection:
            found = await store_announced.site_pages(connection, last, min(PAGE, left))
        if not found:
            break
        yield "".join(_url(f"{public_url}/seminars/{page.slug}", page.changed) for page in found).encode()
        left, last = left - len(found), found[-1]
    yield b"</urlset>\n"


def _url(address: str, changed: datetime | None = None) -> str:
    links = "".join(
        f'<xhtml:link rel="alternate" hreflang="{code}" href={quoteattr(other)}/>'
        for code, other in alternates(address)
    )
    modified = f"<lastmod>{changed.isoformat(timespec='seconds')}</lastmod>" if changed else ""
    return f"<url><loc>{escape(address)}</loc>{modified}{links}</url>\n"


ROUTES: Iterable[web.RouteDef] = (
    web.get("/robots.txt", robots),
    web.get("/seminars.atom", atom),
    web.get("/seminars.ics", all_calendars),
    web.get("/seminars/{slug}/calendar.ics", seminar_calendar),
    web.get("/sitemap.xml", sitemap),
)
