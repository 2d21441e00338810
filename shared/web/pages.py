"""Server-rendered pages: templates, the reader's language, the base layout's needs."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, cast, get_args
from urllib.parse import urlencode

import jinja2
from aiohttp import web
from babel.core import negotiate_locale
from jinja2.bccache import Bucket

from shared.messages import LANGUAGES, Language, Venue
from shared.web.texts import DEFAULT, catalogue, date_text, day_text, say, time_text

SHARED = Path(__file__).parent
VENDOR = SHARED / "static" / "vendor"
LANGUAGE_COOKIE = "language"
A_YEAR = 365 * 24 * 3600  # seconds

LANGUAGE: web.RequestKey[Language] = web.RequestKey("LANGUAGE")
TEMPLATES = web.AppKey("TEMPLATES", dict[Language, jinja2.Environment])


class _Compiled(jinja2.BytecodeCache):
    """Compiled templates: the same for every language and application of a process, and slow to make."""

    def __init__(self) -> None:
        self._codes: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill the bucket with what was compiled from the same source."""
        if bucket.key in self._codes:
            bucket.bytecode_from_string(self._codes[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled."""
        self._codes[bucket.key] = bucket.bytecode_to_string()


_compiled = _Compiled()


def environment(folder: Path, language: Language) -> jinja2.Environment:
    """Return the templates of `folder` and the shared ones, speaking `language`."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, SHARED / "templates"]),
        autoescape=jinja2.select_autoescape(["html", "mjml", "xml"]),
        undefined=jinja2.StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        bytecode_cache=_compiled,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.install_gettext_translations(catalogue(language), newstyle=True)  # type: ignore[attr-defined] # by the extension
    env.globals |= {
        "language": language,
        "language_query": _language_query,
        "accessibility_statement_url": None,
        "styles": [path.name for path in sorted(VENDOR.glob("*.css"))],
        "say": lambda text: say(text, language),
        "place_text": lambda venue: place_text(venue, language),
        "date_text": lambda moment, zone: date_text(moment, zone, language),
        "day_text": lambda moment, zone: day_text(moment, zone, language),
        "time_text": lambda moment, zone: time_text(moment, zone, language),
    }
    return env


def place_text(venue: Venue | None, language: Language) -> str:
    """Return a venue's name and address, without the name where the address holds it."""
    if venue is None:
        return ""
    name = say(venue.name, language).text
    return venue.address if name in venue.address else f"{name}, {venue.address}"


def _language_query(query: Mapping[str, str], language: Language) -> str:
    """Return the query that asks for the same page in `language`."""
    return urlencode({**query, "lang": language})


def install(app: web.Application, folder: Path, **site: str | None) -> None:
    """Give the application its templates, an environment a language; `site` is what the base layout says of it."""
    app[TEMPLATES] = {language: environment(folder, language) for language in get_args(Language)}
    for env in app[TEMPLATES].values():
        env.globals |= site


def language_of(request: web.Request) -> Language:
    """Return the reader's language: `?lang=`, else their cookie, else Accept-Language, else bokmål."""
    chosen: Language | None = request.get(LANGUAGE)
    if chosen is None:
        request[LANGUAGE] = chosen = _language_of(request)
    return chosen


def _language_of(request: web.Request) -> Language:
    for chosen in (request.query.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if chosen in LANGUAGES:
            return chosen
    return _accepted(request.headers.get("Accept-Language", ""))


@lru_cache(maxsize=512)  # browsers send a few, and to choose costs as much as half a page
def _accepted(header: str) -> Language:
    """Return the first of the languages that are wanted (RFC 9110, 12.5.4) that there is."""
    wanted = [part.partition(";")[0].strip().partition("-")[0] for part in header.split(",")]
    found = negotiate_locale([{"no": "nb"}.get(language, language) for language in wanted], LANGUAGES)
    return cast("Language", found) if found else DEFAULT


def render(
    request: web.Request, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
) -> web.Response:
    """Return the page, in the reader's language."""
    return answer(request, rendered(request, template, context or {}).encode(), status=status)


def rendered(request: web.Request, template: str, context: Mapping[str, Any]) -> str:
    """Return the page's text; `path` and `query`, by which it names itself, are the request's unless given."""
    page = request.config_dict[TEMPLATES][language_of(request)].get_template(template)
    return page.render({"path": request.path, "query": request.query} | dict(context))


def answer(
    request: web.Request, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return the page with this body; a language chosen by `?lang=` is remembered in a cookie."""
    language = language_of(request)
    response = web.Response(
        body=body,
        status=status,
        headers={
            "Content-Type": "text/html; charset=utf-8",
            "Content-Language": language,
            "Vary": "Accept-Language, Cookie",
            **(headers or {}),
        },
    )
    if request.query.get("lang") == language:
        response.set_cookie(LANGUAGE_COOKIE, language, max_age=A_YEAR, samesite="Lax", path="/")
    return response


def redirect(location: str) -> web.Response:
    """Return 303: the answer to a POST is to be got from `location`."""
    return web.Response(status=303, headers={"Location": location})
