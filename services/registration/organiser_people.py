"""The people of a seminar, for its organisers: to find somebody, and what organisers did to whom."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import Field

from services.registration import store_audit, store_people
from services.registration.deeds import Organiser
from services.registration.pages import seminar_of
from services.registration.store_people import Sought
from shared.web.keys import CLOCK, DATABASE
from shared.web.organiser import organiser_of, organiser_page, posted
from shared.web.queries import BIGINT, Query, asked, cursor, number_behind

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
        found = await store_people.people(connection, seminar.slug, query.sought, _behind(request), PAGE + 1)
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
        found = await store_audit.audit_log(connection, seminar.slug, _behind(request), PAGE + 1)
    following = cursor(found[PAGE - 1].id) if len(found) > PAGE else None
    context: dict[str, Any] = {"seminar": seminar, "lines": found[:PAGE], "next": following}
    return organiser_page(request, "organiser/log.html", context)


def _behind(request: web.Request) -> int | None:
    """Return the place or line that the list goes on behind; whoever was moved up may have a place below zero."""
    return number_behind(request, most=BIGINT, signed=True)


async def asked_form(request: web.Request) -> tuple[Organiser, dict[str, str]]:
    """Return who wants something done, and their form; raises a Problem: 401, 403, 413."""
    name, form = await posted(request, most=LARGEST)
    return Organiser(name, request.app[CLOCK].now()), form


ROUTES: Iterable[web.RouteDef] = (
    web.get("/organiser/registrations/{slug}/people", people_page),
    web.get("/organiser/registrations/{slug}/log", log_page),
)
