"""Notification's JSON API, for organisers."""

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
from aiohttp import web

from services.notification import store
from services.notification.answers import Email, Emails, Reminder, Reminders, Retried
from services.notification.model import State
from services.notification.rendering import message_id
from shared.database import Connection
from shared.messages import SeminarSnapshot
from shared.web.bodies import json_answer
from shared.web.keys import DATABASE, SETTINGS
from shared.web.openapi import routes
from shared.web.operations import Answer, Operation
from shared.web.organiser import organiser_of
from shared.web.problems import Problem, not_found
from shared.web.queries import ListingOfSeminar, OfSeminar, after, asked, cursor, no_cursor

PAGE = 100  # e-mails in one answer


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
    if state not in (State.FAILED, State.PENDING):
        raise Problem(409, "not-retriable", f"The e-mail is {state}; only one that failed or rests is tried again")
    return json_answer(Retried(id=identifier), status=202)


async def list_reminders(request: web.Request) -> web.Response:
    """Answer with a seminar's reminder rules, their moments, and how many people each reaches."""
    organiser_of(request)
    async with request.app[DATABASE].connection() as connection:
        seminar = await _asked_seminar(request, connection)
        rows = await store.reminders(connection, seminar.slug)
    return json_answer(Reminders(items=tuple(Reminder(**row) for row in rows)))


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
)
ROUTES: Iterable[web.RouteDef] = routes("notification", ABOUT, OPERATIONS)
