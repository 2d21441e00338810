"""Notification's JSON API, for organisers."""

import base64
import binascii
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from aiohttp import web

from services.notification import store
from services.notification.model import State
from services.notification.rendering import message_id
from shared.clock import Clock
from shared.database import Connection
from shared.messages import SeminarSnapshot
from shared.web.health import DATABASE
from shared.web.organiser import SETTINGS, organiser_of
from shared.web.problems import Problem, not_found

CLOCK = web.AppKey("CLOCK", Clock)
PAGE = 100  # e-mails in one answer


async def list_emails(request: web.Request) -> web.Response:
    """Answer with a seminar's e-mails in the order they are due, with what became of each."""
    organiser_of(request)
    after = _cursor(request.query.get("after"))
    async with request.app[DATABASE].connection() as connection:
        seminar = await asked_seminar(request, connection)
        rows = await store.listing(connection, seminar.slug, after, PAGE + 1)
    public_url = request.app[SETTINGS].public_url
    following = _next(rows[PAGE - 1]) if len(rows) > PAGE else None
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
        seminar = await asked_seminar(request, connection)
        rows = await store.reminders(connection, seminar.slug)
    return web.json_response({"items": [_reminder(row) for row in rows], "next": None})


def _email(row: asyncpg.Record, public_url: str) -> dict[str, Any]:
    return _plain(row) | {"message_id": message_id(row["id"], public_url)}


def _reminder(row: asyncpg.Record) -> dict[str, Any]:
    return _plain(row)


def _plain(row: asyncpg.Record) -> dict[str, Any]:
    """Return the row with instants and ids as JSON has them."""
    return {
        key: value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, UUID) else value
        for key, value in row.items()
    }


async def asked_seminar(request: web.Request, connection: Connection) -> SeminarSnapshot:
    """Return the seminar that the query names; raises a Problem: 422 not named, 404 unknown."""
    slug = request.query.get("seminar")
    if not slug:
        error = {"field": "seminar", "detail": "which seminar? give its slug"}
        raise Problem(422, "invalid", "The query does not fit", errors=[error])
    seminar = await store.get_seminar(connection, slug)
    if seminar is None:
        raise not_found("seminar")
    return seminar


def _next(row: asyncpg.Record) -> str:
    return base64.urlsafe_b64encode(f"{row['due_at'].isoformat()} {row['id']}".encode()).decode()


def _cursor(given: str | None) -> tuple[datetime, UUID] | None:
    if given is None:
        return None
    try:
        due, identifier = base64.urlsafe_b64decode(given).decode().split(" ")
        return datetime.fromisoformat(due), UUID(identifier)
    except (binascii.Error, ValueError) as error:
        raise Problem(
            422, "invalid", "The query does not fit", errors=[{"field": "after", "detail": "no cursor"}]
        ) from error


ROUTES: Iterable[web.RouteDef] = (
    web.get("/api/emails", list_emails),
    web.post("/api/emails/{id}/retry", retry_email),
    web.get("/api/reminders", list_reminders),
)
