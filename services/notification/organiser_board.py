"""The board that says before a reminder is due whether it will go out, and afterwards whether it did."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
from aiohttp import web

from services.notification import store_board, store_emails
from services.notification.confidence import Moment, Verdict, judge, moments, outcome
from services.notification.model import TO_PEOPLE, Kind
from services.notification.organiser import page, seminar_of
from services.notification.store_emails import Standing
from shared.web.keys import CLOCK, DATABASE
from shared.web.organiser import organiser_of

UNRESOLVED = (Standing.WAITING, Standing.RETRYING, Standing.FAILED, Standing.AMBIGUOUS)


class Shown(NamedTuple):
    """A moment, what will come of it or has, and why some have nothing."""

    moment: Moment
    verdict: Verdict
    missed: list[asyncpg.Record]


async def board(request: web.Request) -> web.Response:
    """Show in one sentence whether all is well, and the numbers behind it."""
    organiser_of(request)
    now = request.app[CLOCK].now()
    async with request.app[DATABASE].snapshot() as connection:
        seminar = await seminar_of(request, connection)
        found = moments(await store_board.reminded(connection, seminar.slug))
        health = await store_board.health(connection, seminar.slug, now)
        missed = await store_board.missed(connection, seminar.slug)
        counted = await store_emails.count(connection, seminar.slug)
        people = await store_board.signed_up(connection, seminar.slug)
    context: dict[str, Any] = {
        "verdict": judge(health, found, now, cancelled=seminar.status == "cancelled", over=now >= seminar.end),
        "health": health,
        "moments": _shown(found, missed, now),
        "people": people,
        "kinds": _by_kind(counted),
        "standings": tuple(Standing),
        "unresolved": UNRESOLVED,
        "now": now,
    }
    return page(request, "board.html", seminar, context)


def _shown(found: list[Moment], missed: list[asyncpg.Record], now: datetime) -> list[Shown]:
    return [
        Shown(moment, outcome(moment, now), [row for row in missed if row["due_at"] == moment.due_at])
        for moment in found
    ]


def _by_kind(counted: list[asyncpg.Record]) -> dict[Kind, Counter[Standing]]:
    """Return how many e-mails of each kind stand how; an ambiguous one is counted among the others too."""
    found: defaultdict[str, Counter[Standing]] = defaultdict(Counter)
    for row in counted:
        found[row["kind"]][Standing(row["standing"])] += row["number"]
        found[row["kind"]][Standing.AMBIGUOUS] += row["ambiguous"]
    return {kind: found[kind] for kind in TO_PEOPLE if kind in found}


ROUTES: Iterable[web.RouteDef] = (web.get("/organiser/emails/{slug}", board),)
