"""An e-mail as a person would get it, who exists or not, for an organiser to look at."""

from typing import Annotated
from uuid import UUID

from aiohttp import web
from pydantic import BeforeValidator

from services.notification import store, store_passages
from services.notification.answers import PreviewRequest
from services.notification.api import RENDERER, shown
from services.notification.model import Claimed, Kind
from services.notification.organiser import seminar_of
from services.notification.rehearsal import NOBODY, sample
from shared.database import Connection
from shared.messages import Attendance, Language, SeminarSnapshot
from shared.web.keys import CLOCK, DATABASE
from shared.web.organiser import organiser_of
from shared.web.problems import not_found
from shared.web.queries import Query, asked

_empty_is_none = BeforeValidator(lambda given: given or None)


class Reader(Query):
    """Whose e-mail to show: somebody's who attends so and reads this language, or one person's who has signed up."""

    attendance: Attendance = Attendance.IN_PERSON
    language: Language = "nb"
    rule: Annotated[str | None, _empty_is_none] = None
    """Of a reminder, which rule."""
    registration: Annotated[UUID | None, _empty_is_none] = None


class PreviewOf(Reader, PreviewRequest):
    """The same, and which e-mail."""

    seminar: str = ""


async def preview(request: web.Request) -> web.Response:
    """Show the e-mail as a document that may do nothing; its personal links lead nowhere."""
    organiser_of(request)
    given = asked(request, PreviewOf)
    async with request.app[DATABASE].snapshot() as connection:
        seminar = await seminar_of(request, connection)
        email = await example(connection, seminar, given.kind, given)
        rules = await store.get_rules(connection, seminar.slug)
    moments = [rule.due_at for rule in rules if rule.rule == given.rule]
    return shown(request, request.app[RENDERER].render(NOBODY, email, max([request.app[CLOCK].now(), *moments])))


async def example(connection: Connection, seminar: SeminarSnapshot, kind: Kind, reader: Reader) -> Claimed:
    """Return the e-mail to nobody; of a person it has name, language and how they stand, and no link of theirs."""
    email = sample(seminar, kind, reader.attendance, reader.language)
    person = await store.get_registration(connection, reader.registration) if reader.registration else None
    if reader.registration and (person is None or person.seminar != seminar.slug):
        raise not_found("registration")
    if person:
        known = {"name": person.name, "attendance": person.attendance, "language": person.language}
        email = email._replace(registration=email.registration.model_copy(update=known))
    passage = await store_passages.get(connection, seminar.slug, kind)
    return email._replace(passage=passage.texts.get(email.registration.language, ""))


ROUTES = (web.get("/organiser/emails/{slug}/preview", preview),)
