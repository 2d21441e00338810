"""How every kind of e-mail reads, what the organisers say in it besides, and sending one to oneself."""

import re
import time
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import uuid4

from aiohttp import web

from services.notification import passages, store, store_deeds, store_passages
from services.notification.model import TO_PEOPLE, Kind
from services.notification.organiser import Posted, back, page, posted, seminar_of
from services.notification.passages import Passage
from services.notification.previews import Reader, example
from services.notification.rendering import ascii_address
from services.notification.store_deeds import Deed
from shared.limits import Limit, Meter
from shared.messages import LANGUAGES, Attendance, RegistrationSnapshot
from shared.web.bodies import number_in
from shared.web.keys import CLOCK, DATABASE
from shared.web.limiting import RateLimitedError
from shared.web.organiser import organiser_of
from shared.web.pages import language_of
from shared.web.problems import not_found
from shared.web.queries import asked
from shared.web.texts import worded

METER = web.AppKey("METER", Meter)
MOST_TESTS = Limit(20, 3600)  # that one organiser sends, from one process
ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[^\s@<>,;]{1,189}")


class Sheet(NamedTuple):
    """What stands in the page's forms, and what is wrong with it."""

    reader: Reader
    typed: Mapping[str, str]
    version: int
    to: str = ""
    wrong: Mapping[str, str] = MappingProxyType({})
    stale: bool = False  # whether another organiser has saved meanwhile


async def kinds_page(request: web.Request) -> web.Response:
    """Show every kind of e-mail, and in which the organisers say something besides."""
    organiser_of(request)
    async with request.app[DATABASE].connection() as connection:
        seminar = await seminar_of(request, connection)
        found = await store_passages.of_seminar(connection, seminar.slug)
    spoken_in = {kind for kind, passage in found.items() if passage.texts}
    return page(request, "wording.html", seminar, {"kinds": TO_PEOPLE, "spoken_in": spoken_in})


async def kind_page(request: web.Request) -> web.Response:
    """Show how a kind of e-mail reads for somebody, and the forms to add to it and to send it to oneself."""
    organiser_of(request)
    reader, kind = asked(request, Reader), _kind(request)
    async with request.app[DATABASE].connection() as connection:
        passage = await store_passages.get(connection, request.match_info["slug"], kind)
    return await _sheet(request, Sheet(reader, passage.texts, passage.version))


async def _sheet(request: web.Request, sheet: Sheet, *, status: int = 200) -> web.Response:
    kind, reader = _kind(request), sheet.reader
    async with request.app[DATABASE].connection() as connection:
        seminar = await seminar_of(request, connection)
        rules = await store.get_rules(connection, seminar.slug)
    query = {name: str(value) for name, value in reader.model_dump().items() if value}
    context: dict[str, Any] = {
        "kind": kind,
        **sheet._asdict(),
        "query_of": query,
        "preview": f"/organiser/emails/{seminar.slug}/preview?{urlencode({'kind': kind} | query)}",
        "languages": LANGUAGES,
        "attendances": tuple(Attendance),
        "rules": sorted({rule.rule for rule in rules if rule.attendance is reader.attendance}),
        "placeholders": passages.PLACEHOLDERS,
        "longest": passages.LONGEST,
    }
    return page(request, "wording_of.html", seminar, context, status=status)


async def save(request: web.Request) -> web.Response:
    """Keep what the organisers say besides; what is wrong is said beside what was typed."""
    given, kind = await posted(request), _kind(request)
    typed, read = passages.tidied(given.form), number_in(given.form, "version")
    if faults := passages.faults(typed):
        language = language_of(request)
        wrong = {fault.field: worded(fault, language) for fault in reversed(faults)}
        return await _sheet(request, Sheet(_reader(given), typed, read, wrong=wrong), status=422)
    texts = typed if any(typed.values()) else {}
    async with request.app[DATABASE].transaction() as connection:
        await seminar_of(request, connection)
        saved = await store_passages.save(connection, given.slug, kind, texts, read)
        standing = Passage() if saved else await store_passages.get(connection, given.slug, kind)
        if saved:
            await store_deeds.audit(
                connection, Deed(request.app[CLOCK].now(), given.by, "passage", given.slug, None, kind)
            )
    if not saved:
        return await _sheet(request, Sheet(_reader(given), typed, standing.version, stale=True), status=409)
    return back(given.slug, f"/wording/{kind}", "passage")


async def send_test(request: web.Request) -> web.Response:
    """Send the e-mail to the address that an organiser typed, marked as a test, by the way that all e-mails go."""
    given, kind = await posted(request), _kind(request)
    reader, to, now = _reader(given), given.form.get("to", "").strip(), request.app[CLOCK].now()
    if not _is_address(to):
        return await _again(request, kind, Sheet(reader, {}, 0, to, {"to": "address"}))
    if wait := request.app[METER].take(given.by, time.monotonic()):
        raise RateLimitedError(wait)
    async with request.app[DATABASE].transaction() as connection:
        seminar = await seminar_of(request, connection)
        person = (await example(connection, seminar, kind, reader)).registration
        await store_passages.insert_test(connection, _addressed(person, to), kind, now)
        await store_deeds.audit(connection, Deed(now, given.by, "send_test", given.slug, None, kind))
    return back(given.slug, f"/wording/{kind}", "sent")


async def _again(request: web.Request, kind: Kind, sheet: Sheet) -> web.Response:
    async with request.app[DATABASE].connection() as connection:
        passage = await store_passages.get(connection, request.match_info["slug"], kind)
    return await _sheet(request, sheet._replace(typed=passage.texts, version=passage.version), status=422)


def _addressed(person: RegistrationSnapshot, to: str) -> RegistrationSnapshot:
    """Return a person of version 0, which no calendar entry counts on from."""
    return person.model_copy(update={"id": uuid4(), "email": to, "version": 0})


def _is_address(given: str) -> bool:
    try:
        return ADDRESS.fullmatch(given) is not None and "." in ascii_address(given).rpartition("@")[2]
    except ValueError:
        return False


def _kind(request: web.Request) -> Kind:
    given = request.match_info["kind"]
    if given not in TO_PEOPLE:
        raise not_found("kind of e-mail")
    return Kind(given)


def _reader(given: Posted) -> Reader:
    """Return whose e-mail the form's page showed; whatever else it says is passed over."""
    try:
        return Reader.model_validate({name: given.form[name] for name in Reader.model_fields if given.form.get(name)})
    except ValueError:
        return Reader()


HERE = "/organiser/emails/{slug}"
ROUTES: Iterable[web.RouteDef] = (
    web.get(f"{HERE}/wording", kinds_page),
    web.get(f"{HERE}/wording/{{kind}}", kind_page),
    web.post(f"{HERE}/wording/{{kind}}/passage", save),
    web.post(f"{HERE}/wording/{{kind}}/test", send_test),
)
