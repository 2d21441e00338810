"""Suggests organisations to whoever fills in a form."""

from datetime import date
from typing import Annotated

from aiohttp import web
from pydantic import Field

from services.registration.organisations import Entry, Kind, search
from shared.web.bodies import AnswerBody, json_answer
from shared.web.keys import CLOCK
from shared.web.queries import Query, asked

MOST = 10
FRESH = {"Cache-Control": "public, max-age=3600"}


class Wanted(Query):
    """What an organisation is looked for by."""

    q: Annotated[str, Field(min_length=1, max_length=100, json_schema_extra={"example": "karasj"})]
    """The beginnings of words of its name, in Norwegian, Sámi or Kven."""
    on: date | None = None
    """The day on which there is such an organisation; today if left out."""


class Suggestion(AnswerBody):
    """An organisation that may be meant."""

    name: str
    """What to write as organisation: no other is called so on that day."""
    other_names: tuple[str, ...]
    """In Sámi and Kven."""
    kind: Kind
    municipality: str | None
    """Its official number, if it is one."""
    county: str | None
    organisation_number: str | None

    @classmethod
    def of(cls, entry: Entry) -> "Suggestion":
        """Return what is told of an organisation."""
        one = entry.organisation
        return cls(
            name=entry.label,
            other_names=one.other_names,
            kind=one.kind,
            municipality=one.municipality or None,
            county=one.county or None,
            organisation_number=one.organisation_number or None,
        )


class Suggestions(AnswerBody):
    """The closest first."""

    items: tuple[Suggestion, ...]
    next: None = None
    """There is no more: whoever wants another writes more of its name."""


async def suggest(request: web.Request) -> web.Response:
    """Answer with the organisations whose names begin like what is asked for."""
    wanted = asked(request, Wanted)
    on = wanted.on or request.app[CLOCK].now().date()
    found = tuple(Suggestion.of(entry) for entry in search(wanted.q, on, MOST))
    return json_answer(Suggestions(items=found), headers=FRESH)
