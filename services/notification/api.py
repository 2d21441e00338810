"""Notification's JSON API, for organisers."""

from collections.abc import Iterable
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from uuid import UUID

import asyncpg
from aiohttp import web

from services.notification import commands, store, store_passages
from services.notification.answers import Email, Emails, PreviewRequest, Reminder, Reminders, Retried
from services.notification.change import AnnouncedError, CancelledError
from services.notification.model import State
from services.notification.rehearsal import (
    NOBODY,
    Foreseen,
    Outgoing,
    Rehearsal,
    RehearsalOfChange,
    RehearsalRequest,
    Rehearsed,
    RehearsedEmail,
    preview_url,
    sample,
)
from services.notification.rendering import Renderer, message_id
from shared.database import Connection
from shared.messages import SeminarSnapshot
from shared.web.bodies import json_answer, read_json
from shared.web.keys import CLOCK, DATABASE, SETTINGS
from shared.web.middleware import HTML_POLICY
from shared.web.openapi import routes
from shared.web.operations import Answer, Operation
from shared.web.organiser import organiser_of
from shared.web.problems import Problem, not_found
from shared.web.queries import ListingOfSeminar, OfSeminar, after, asked, cursor, no_cursor

PAGE = 100  # e-mails in one answer
RENDERER = web.AppKey("RENDERER", Renderer)


async def list_emails(request: web.Request) -> web.Response:
    """Answer with a seminar's e-mails in the order they are due, with what became of each."""
    organiser_of(request)
    behind = _after(request)
    async with request.app[DATABASE].connection() as connection:
        seminar = await _asked_seminar(request, connection)
        rows = await store.listing(connection, seminar.slug, behind, PAGE + 1)
    items = tuple(_email(row, request.app[SETTINGS].public_url) for row in rows[:PAGE])
    following = cursor(rows[PAGE - 1]["due_at"].isoformat(), rows[PAGE - 1]["id"]) if len(rows) > PAGE else None
    return json_answer(Emails(items=items, next=following))


async def retry_email(request: web.Request) -> web.Response:
    """Have an e-mail that was refused, or that rests, tried again now."""
    organiser_of(request)
    try:
        identifier = UUID(request.match_info["id"])
    except ValueError:
        raise not_found("e-mail") from None
    async with request.app[DATABASE].transaction() as connection:
        state = await store.retry(connection, identifier)
    if state is None:
        raise not_found("e-mail")
    if state not in (State.FAILED, State.BOUNCED, State.PENDING):
        detail = f"The e-mail is {state}; only one that failed, came back or rests is tried again"
        raise Problem(409, "not-retriable", detail)
    return json_answer(Retried(id=identifier), status=202)


async def list_reminders(request: web.Request) -> web.Response:
    """Answer with a seminar's reminder rules, their moments, and how many people each reaches."""
    organiser_of(request)
    async with request.app[DATABASE].connection() as connection:
        seminar = await _asked_seminar(request, connection)
        rows = await store.reminders(connection, seminar.slug)
    return json_answer(Reminders(items=tuple(Reminder(**row) for row in rows)))


async def rehearse(request: web.Request) -> web.Response:
    """Answer with what would go out from now on, as it stands or after a change; nothing is sent or kept."""
    organiser_of(request)
    given = await read_json(request, RehearsalRequest)
    try:
        async with request.app[DATABASE].snapshot() as connection:
            foreseen = await commands.rehearse(connection, given.seminar, given.change, request.app[CLOCK].now())
    except CancelledError:
        raise Problem(409, "seminar-cancelled", "The seminar is cancelled") from None
    except AnnouncedError:
        raise Problem(409, "seminar-announced", "People know of the seminar: cancel it instead") from None
    if foreseen is None:
        detail = "Notification has never heard of it: it does not exist, or it is a draft, of which nobody is told"
        raise Problem(404, "not-found", "There is no such seminar", detail=detail)
    return json_answer(rehearsed(foreseen, request.app[RENDERER]))


async def preview(request: web.Request) -> web.Response:
    """Show an e-mail as somebody who does not exist would get it: as HTML, or as text for whoever wants only that."""
    organiser_of(request)
    given = asked(request, PreviewRequest)
    async with request.app[DATABASE].snapshot() as connection:
        seminar = await _asked_seminar(request, connection)
        rules = await store.get_rules(connection, seminar.slug)
        passage = await store_passages.get(connection, seminar.slug, given.kind)
    moments = [rule.due_at for rule in rules if rule.rule == given.rule and rule.attendance is given.attendance]
    if given.rule and not moments:
        raise not_found("reminder")
    email = sample(seminar, given.kind, given.attendance, given.language)._replace(
        passage=passage.texts.get(given.language, "")
    )
    return shown(request, request.app[RENDERER].render(NOBODY, email, max([request.app[CLOCK].now(), *moments])))


def shown(request: web.Request, content: bytes) -> web.Response:
    """Return the part of the e-mail that is asked for, as a document that may do nothing."""
    accepted = request.headers.get("Accept", "")
    form = "plain" if "text/plain" in accepted and "text/html" not in accepted else "html"
    message = message_from_bytes(content, policy=default)
    part = message.get_body((form,))
    headers = {**HTML_POLICY, "Content-Language": message["Content-Language"], "Vary": "Accept"}
    return web.Response(text=part.get_content() if part else "", content_type=f"text/{form}", headers=headers)


def rehearsed(foreseen: Foreseen, renderer: Renderer) -> Rehearsal:
    """Return what is foreseen as it is answered, with the subject of each e-mail and a link to its preview."""
    items = tuple(
        _rehearsed(foreseen, email, recipients, renderer) for email, recipients in sorted(foreseen.emails.items())
    )
    if foreseen.difference is None:
        return Rehearsal(items=items)
    return RehearsalOfChange(items=items, difference=foreseen.difference)


def _rehearsed(foreseen: Foreseen, email: Outgoing, recipients: int, renderer: Renderer) -> RehearsedEmail:
    seminar = foreseen.outlook.seminar
    example = sample(seminar, email.kind, email.attendance, email.language)
    return RehearsedEmail(
        **email._asdict() | {"rule": email.rule or None},
        recipients=recipients,
        subject=renderer.subject(example, email.due_at),
        preview_url=None if foreseen.difference else preview_url(seminar.slug, email),
    )


def _email(row: asyncpg.Record, public_url: str) -> Email:
    return Email(**row, message_id=message_id(row["id"], public_url))


async def _asked_seminar(request: web.Request, connection: Connection) -> SeminarSnapshot:
    seminar = await store.get_seminar(connection, asked(request, OfSeminar).seminar)
    if seminar is None:
        raise not_found("seminar")
    return seminar


def _after(request: web.Request) -> tuple[datetime, UUID] | None:
    try:
        match after(request):
            case None:
                return None
            case [due, identifier]:
                return datetime.fromisoformat(due).astimezone(UTC), UUID(identifier)
    except (ValueError, OverflowError):
        pass
    raise no_cursor()


ABOUT = "What is said to those who come to a seminar: its e-mails and what became of them, its reminders and when."

OPERATIONS = (
    Operation(
        web.get("/api/emails", list_emails),
        answers={200: Answer(Emails)},
        callers=("organiser",),
        query=ListingOfSeminar,
        problems={404: ("not-found",)},
    ),
    Operation(
        web.post("/api/emails/{id}/retry", retry_email),
        answers={202: Answer(Retried)},
        callers=("organiser",),
        problems={409: ("not-retriable",)},
    ),
    Operation(
        web.get("/api/reminders", list_reminders),
        answers={200: Answer(Reminders)},
        callers=("organiser",),
        query=OfSeminar,
        problems={404: ("not-found",)},
    ),
    Operation(
        web.post("/api/rehearsals", rehearse),
        answers={200: Answer(Rehearsed)},
        callers=("organiser",),
        body=RehearsalRequest,
        example={"seminar": "planstrategi-4-0"},
        problems={404: ("not-found",), 409: ("seminar-cancelled", "seminar-announced")},
    ),
    Operation(
        web.get("/api/rehearsals/preview", preview),
        answers={200: Answer("text/html")},
        callers=("organiser",),
        query=PreviewRequest,
        problems={404: ("not-found",)},
    ),
)
ROUTES: Iterable[web.RouteDef] = routes("notification", ABOUT, OPERATIONS)
