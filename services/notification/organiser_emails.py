"""What organisers see and do about single e-mails: the list, one person's history, domains, deeds and their log."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import web
from pydantic import BeforeValidator, Field

from services.notification import deeds, store_deeds, store_emails
from services.notification.model import TO_PEOPLE
from services.notification.organiser import back, behind, identifier, page, posted, seminar_of
from services.notification.store_emails import Standing, Wanted
from shared.database import Connection
from shared.messages import RegistrationSnapshot
from shared.web.keys import CLOCK, DATABASE
from shared.web.organiser import organiser_of
from shared.web.problems import Problem, not_found
from shared.web.queries import Listing, asked, cursor, number_behind

PAGE = 50  # lines on a page
LONGEST = 254  # characters of an address (RFC 5321, 4.5.3.1.3)


def _one_of(*known: str) -> BeforeValidator:
    def check(given: object) -> object:
        if given and given not in known:
            raise ValueError(f"must be one of {', '.join(known)}")
        return given

    return BeforeValidator(check)


Part = Annotated[str, Field(max_length=LONGEST), BeforeValidator(lambda given: str(given).strip())]


class Search(Listing):
    """What the list can be asked for; what is left empty is any."""

    kind: Annotated[str, _one_of(*TO_PEOPLE)] = ""
    standing: Annotated[str, _one_of(*Standing)] = ""
    domain: Part = ""
    """The part of the address behind the @."""
    address: Part = ""
    """The address, or a part of it."""


async def list_page(request: web.Request) -> web.Response:
    """Show the seminar's e-mails that are asked for, the last to be due first."""
    organiser_of(request)
    search = asked(request, Search)
    wanted = Wanted(search.kind, search.standing, search.domain, search.address)
    async with request.app[DATABASE].connection() as connection:
        seminar = await seminar_of(request, connection)
        found = await store_emails.search(connection, seminar.slug, wanted, behind(request), PAGE + 1)
        domains = await store_emails.bounced_domains(connection, seminar.slug)
    shown = found[:PAGE]
    further = cursor(shown[-1]["due_at"].isoformat(), shown[-1]["id"]) if len(found) > PAGE else None
    context: dict[str, Any] = {
        "emails": shown,
        "wanted": wanted,
        "kinds": TO_PEOPLE,
        "standings": tuple(Standing),
        "domains": domains,
        "more": further and urlencode(wanted._asdict() | {"after": further}),
    }
    return page(request, "list.html", seminar, context)


async def person_page(request: web.Request) -> web.Response:
    """Show one person's e-mails, what became of each and why, and what can be done."""
    organiser_of(request)
    registration = identifier(request.match_info["registration"], "registration")
    async with request.app[DATABASE].connection() as connection:
        seminar = await seminar_of(request, connection)
        row = await store_emails.person(connection, seminar.slug, registration)
        if row is None:
            raise not_found("registration")
        emails = await store_emails.of_person(connection, seminar.slug, registration)
    context: dict[str, Any] = {
        "person": RegistrationSnapshot.model_validate(row["snapshot"]),
        "unsubscribed": row["unsubscribed"],
        "suppressed": row["suppressed"],
        "emails": emails,
        "retriable": deeds.RETRIABLE,
    }
    return page(request, "person.html", seminar, context)


async def retry(request: web.Request) -> web.Response:
    """Have an e-mail of the person tried again now."""
    too_late = Problem(409, "not-retriable", "Only an e-mail that failed, came back or rests is tried again")
    return await _act(request, deeds.retry, "retry", "retried", too_late)


async def stop(request: web.Request) -> web.Response:
    """Have an e-mail of the person not sent."""
    too_late = Problem(409, "not-stoppable", "The e-mail has left, is leaving, or is closed already")
    return await _act(request, deeds.stop, "stop", "stopped", too_late)


Act = Callable[[Connection, UUID, deeds.Deed], Awaitable[bool]]


async def _act(request: web.Request, act: Act, action: str, done: str, too_late: Problem) -> web.Response:
    """Do something to the e-mail that the form names, and go back to its person; raises `too_late` if it cannot be."""
    by, slug, form = await posted(request)
    registration = identifier(request.match_info["registration"], "registration")
    email = identifier(form.get("email", ""), "e-mail")
    async with request.app[DATABASE].transaction() as connection:
        deed = deeds.Deed(request.app[CLOCK].now(), by, action, slug, registration, str(email))
        acted = await act(connection, email, deed)
    if not acted:
        raise too_late
    return back(slug, f"/people/{registration}", done)


async def retry_domain(request: web.Request) -> web.Response:
    """Have all that failed or came back at a domain tried again."""
    by, slug, form = await posted(request)
    domain = form.get("domain", "").strip().lower()
    async with request.app[DATABASE].transaction() as connection:
        deed = deeds.Deed(request.app[CLOCK].now(), by, "retry_domain", slug, None, domain)
        done = await deeds.retry_domain(connection, domain, deed)
    if not done:
        raise not_found("domain that e-mails failed at")
    return back(slug, "/list", "domain")


async def log_page(request: web.Request) -> web.Response:
    """Show what organisers did to the seminar's e-mails, the last first."""
    organiser_of(request)
    async with request.app[DATABASE].connection() as connection:
        seminar = await seminar_of(request, connection)
        found = await store_deeds.audit_log(connection, seminar.slug, number_behind(request), PAGE + 1)
    further = cursor(found[PAGE - 1].id) if len(found) > PAGE else None
    return page(request, "log.html", seminar, {"lines": found[:PAGE], "next": further})


HERE = "/organiser/emails/{slug}"
ROUTES: Iterable[web.RouteDef] = (
    web.get(f"{HERE}/list", list_page),
    web.post(f"{HERE}/retry-domain", retry_domain),
    web.get(f"{HERE}/people/{{registration}}", person_page),
    web.post(f"{HERE}/people/{{registration}}/retry", retry),
    web.post(f"{HERE}/people/{{registration}}/stop", stop),
    web.get(f"{HERE}/log", log_page),
)
