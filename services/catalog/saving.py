"""Saving a whole document from a page, and what to show where that cannot be done."""

from typing import NamedTuple

from aiohttp import web

from services.catalog import commands, store
from services.catalog.api import find
from services.catalog.differences import Difference, differences
from services.catalog.document import Document
from services.catalog.model import Seminar
from shared.faults import Fault
from shared.web.keys import CLOCK, DATABASE
from shared.web.organiser import organiser_of


class Conflict(NamedTuple):
    """The seminar as others have made it meanwhile, and what they changed."""

    standing: Seminar
    meanwhile: list[Difference]


async def save(request: web.Request, document: Document, read: int | None) -> Fault | Conflict | None:
    """Create the seminar or make its next revision; return what stands against it, None once it is saved."""
    by, now = organiser_of(request), request.app[CLOCK].now()
    try:
        async with request.app[DATABASE].transaction() as connection:
            await commands.put(connection, document, read, by, now)
    except commands.RevisionMissingError:
        return Fault(("slug",), "is the address of another seminar already")
    except commands.AnnouncedError:
        return Fault(("status",), "must be published: people know of the seminar. Cancel it instead.")
    except commands.CancelledError:
        return Fault((), "is of a seminar that is cancelled, and cannot be changed any more")
    except commands.RevisionConflictError:
        return await _conflict(request, read or 0)
    return None


async def _conflict(request: web.Request, read: int) -> Conflict:
    standing = await find(request)
    async with request.app[DATABASE].connection() as connection:
        known = await store.past(connection, standing.document.slug, read)
    return Conflict(standing, differences(known.document, standing.document) if known else [])
