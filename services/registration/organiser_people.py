"""The people of a seminar, for its organisers: to find somebody, and what organisers did to whom."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import Field

from services.registration import store_audit, store_people
from services.registration.deeds import Organiser
from services.registration.pages import seminar_of
from services.registration.store_people import Sought
from shared.web.bodies import read_form
from shared.web.keys import CLOCK, DATABASE
from shared.web.organiser import organiser_of, organiser_page
from shared.web.queries import Query, after, asked, cursor, no_cursor
from shared.web.session import confirm_form

PAGE = 50  # people, or deeds, on a page
LARGEST = 32 * 1024  # bytes of a form about one person


class PeopleQuery(Query):
    """Whom to show."""

    q: Annotated[str, Field(max_length=200)] = ""
    """Words of a name, an address or an organisation."""
    attendance: Literal["", "in_person", "online"] = ""
    status: Literal["", "confirmed", "waitlisted", "cancelled", "checked_in"] = ""

    @property
    def sought(self) -> Sought:
        """Whom this asks for."""
        came = self.status == "checked_in"
        return Sought(tuple(self.q.split()), self.attendance or None, None if came else self.status or None, came)


async def people_page(request: web.Request) -> web.Response:
    """Show who is sought, page by page."""
    organiser_of(request)
    query = asked(request, PeopleQuery)
    async with request.app[DATABASE].connection() as connection:
        seminar = await seminar_of(request, connection)
        found = await store_people.people(connection, seminar.slug, query.sought, number_behind(request), PAGE + 1)
    context = {
        "seminar": seminar,
        "found": found[:PAGE],
        "sought": query,
        "next": cursor(found[PAGE - 1].behind) if len(found) > PAGE else None,
    }
    return organiser_page(request, "organiser/people.html", context)


async def log_page(request: web.Request) -> web.Response:
    """Show what organisers did, the last first."""
    organiser_of(request)
    async with request.app[DATABASE].connection() as connection:
        seminar = await seminar_of(request, connection)
        found = await store_audit.audit_log(connection, seminar.slug, number_behind(request), PAGE + 1)
    following = cursor(found[PAGE - 1].id) if len(found) > PAGE else None
    context: dict[str, Any] = {"seminar": seminar, "lines": found[:PAGE], "next": following}
    return organiser_page(request, "organiser/log.html", context)


def number_behind(request: web.Request) -> int | None:
    """Return the number that the list goes on behind: a bigint of at most 18 digits; raises a 422 Problem."""
    match after(request):
        case None:
            return None
        case [number] if number.isascii() and number.removeprefix("-").isdecimal() and len(number) <= 18:  # noqa: PLR2004 - said above
            return int(number)
    raise no_cursor()


async def asked_form(request: web.Request) -> tuple[Organiser, dict[str, str]]:
    """Return who wants something done, and their form; raises a Problem: 401, 403, 413."""
    name, form = organiser_of(request), await read_form(request, most=LARGEST)
    confirm_form(request, form)
    return Organiser(name, request.app[CLOCK].now()), form


ROUTES: Iterable[web.RouteDef] = (
    web.get("/organiser/registrations/{slug}/people", people_page),
    web.get("/organiser/registrations/{slug}/log", log_page),
)
