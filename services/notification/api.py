"""Notification's JSON API, for organisers."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
from aiohttp import web

from services.notification import store
from services.notification.model import State
from services.notification.rendering import message_id
from shared.database import Connection
from shared.messages import SeminarSnapshot
from shared.web.keys import DATABASE, SETTINGS
from shared.web.organiser import organiser_of
from shared.web.problems import Problem, not_found
from shared.web.queries import after, asked, cursor, no_cursor

PAGE = 100  # e-mails in one answer


async def list_emails(request: web.Request) -> web.Response:
    """Answer with a seminar's e-mails in the order they are due, with what became of each."""
    organiser_of(request)
    behind = _after(request)
    async with request.app[DATABASE].connection() as connection:
        seminar = await _asked_seminar(request, connection)
        rows = await store.listing(connection, seminar.slug, behind, PAGE + 1)
    public_url = request.app[SETTINGS].public_url
    following = cursor(rows[PAGE - 1]["due_at"].isoformat(), rows[PAGE - 1]["id"]) if len(rows) > PAGE else None
    return web.json_response({"items": [_email(row, public_url) for row in rows[:PAGE]], "next": following})


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
    return web.json_response({"id": str(identifier), "state": State.PENDING.value}, status=202)


async def list_reminders(request: web.Request) -> web.Response:
    """Answer with a seminar's reminder rules, their moments, and how many people each reaches."""
    organiser_of(request)
    async with request.app[DATABASE].connection() as connection:
        seminar = await _asked_seminar(request, connection)
        rows = await store.reminders(connection, seminar.slug)
    return web.json_response({"items": [_plain(row) for row in rows], "next": None})


def _email(row: asyncpg.Record, public_url: str) -> dict[str, Any]:
    return _plain(row) | {"message_id": message_id(row["id"], public_url)}


def _plain(row: asyncpg.Record) -> dict[str, Any]:
    """Return the row with instants and ids as JSON has them."""
    return {
        key: value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, UUID) else value
        for key, value in row.items()
    }


async def _asked_seminar(request: web.Request, connection: Connection) -> SeminarSnapshot:
    seminar = await store.get_seminar(connection, asked(request, "seminar"))
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


ROUTES: Iterable[web.RouteDef] = (
    web.get("/api/emails", list_emails),
    web.post("/api/emails/{id}/retry", retry_email),
    web.get("/api/reminders", list_reminders),
)
