"""What the organisers' pages about e-mails have in common: of which seminar they are, and what stood in a form."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from aiohttp import web

from services.notification import store
from services.notification.spoken import spoken
from shared.database import Connection
from shared.messages import SeminarSnapshot
from shared.web import organiser
from shared.web.organiser import organiser_page
from shared.web.pages import redirect
from shared.web.problems import Problem, not_found
from shared.web.queries import after, no_cursor

LARGEST = 64 * 1024  # bytes of a form: three passages at their longest


class Posted(NamedTuple):
    """A form that an organiser has sent about a seminar."""

    by: str
    slug: str
    form: Mapping[str, str]


async def posted(request: web.Request) -> Posted:
    """Return the form that an organiser has sent; raises a Problem: 401, 403, 413."""
    by, form = await organiser.posted(request, most=LARGEST)
    return Posted(by, request.match_info["slug"], form)


async def seminar_of(request: web.Request, connection: Connection) -> SeminarSnapshot:
    """Return the seminar that the page is about; raises a 404 Problem for one that nobody was told of."""
    seminar = await store.get_seminar(connection, request.match_info["slug"])
    if seminar is None:
        raise Problem(404, "not-announced", "Nobody has been told of the seminar: it is a draft, or does not exist")
    return seminar


def page(
    request: web.Request, template: str, seminar: SeminarSnapshot, context: Mapping[str, Any], *, status: int = 200
) -> web.Response:
    """Return one of the seminar's pages about e-mails."""
    known = {"seminar": seminar, "slug": seminar.slug, "spoken": spoken, "done": request.query.get("done", "")}
    return organiser_page(request, f"organiser/{template}", known | dict(context), status=status)


def back(slug: str, path: str, done: str) -> web.Response:
    """Return the answer to a form that leads to a page of the seminar, which says what was done."""
    return redirect(f"/organiser/emails/{slug}{path}?done={done}")


def identifier(given: str, what: str) -> UUID:
    """Return the id that a path or a form names; raises a 404 Problem."""
    try:
        return UUID(given)
    except ValueError:
        raise not_found(what) from None


def behind(request: web.Request) -> tuple[datetime, UUID] | None:
    """Return the e-mail from which on to list, by moment and id; None for the first page. Raises a 422 Problem."""
    try:
        match after(request):
            case None:
                return None
            case [due, email]:
                return datetime.fromisoformat(due).astimezone(UTC), UUID(email)
    except (ValueError, OverflowError):
        pass
    raise no_cursor()
