"""Signing up, many at once: one seminar, one transaction, its row locked first, and an answer for each."""

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from services.registration import idempotency, store, store_waiting_list
from services.registration.admission import Admitted, admit_all, register
from services.registration.idempotency import Key, Settled
from services.registration.model import SignUp, email_key
from services.registration.telling import News, tell_each
from shared.database import Connection
from shared.messages import RegistrationStatus, SeminarSnapshot

LINKS_A_DAY = 3  # e-mails with the link that one address can be made to get by others


class UnknownSeminarError(LookupError):
    """No seminar with that slug is known here."""


class Outcome(NamedTuple):
    """What whoever signs up is told: the same whether the address was known or not."""

    id: UUID
    status: RegistrationStatus
    replayed: bool = False  # whether it was said before, to the same request


class Submission(NamedTuple):
    """A sign-up, and what it came with."""

    given: SignUp
    key: Key | None = None
    correlation_id: str = ""


Answer = Outcome | Exception


async def sign_up_all(
    connection: Connection, slug: str, submissions: Sequence[Submission], now: datetime
) -> list[Answer]:
    """Register all for the seminar, in their order; an address that stands already is mailed its link instead.

    Return what each is told: an outcome or, as a value, UnknownSeminarError, RefusedError, UnfitError,
    KeyInProgressError or KeyReusedError.
    """
    seminar = await store.lock_seminar(connection, slug)
    settled = await idempotency.settle(connection, [submission.key for submission in submissions])
    new = [submission for submission, before in zip(submissions, settled, strict=True) if before is None]
    answers = (
        await _take(connection, seminar, new, now) if seminar and new else [UnknownSeminarError(slug) for _ in new]
    )
    fresh = iter(answers)
    return [_again(before) if before else next(fresh) for before in settled]


def _again(before: Settled) -> Answer:
    if isinstance(before, Exception):
        return before
    return Outcome(UUID(before["id"]), RegistrationStatus(before["outcome"]), replayed=True)


async def _take(
    connection: Connection, seminar: SeminarSnapshot, submissions: Sequence[Submission], now: datetime
) -> list[Answer]:
    given = [submission.given for submission in submissions]
    known = await store.standing_addresses(connection, seminar.slug, [email_key(one.email) for one in given])
    met = await store.standings(connection, seminar.slug)
    verdicts = admit_all(seminar, given, known, met, now)
    admitted = {uuid4(): (s, v) for s, v in zip(submissions, verdicts, strict=True) if isinstance(v, Admitted)}
    new = [
        News(f"registration.{v.status}", register(reference, s.given, v, now), v.place, correlation_id=s.correlation_id)
        for reference, (s, v) in admitted.items()
        if not v.known
    ]
    added = await store.insert_all(connection, [news.registration for news in new])
    again = [submission for reference, (submission, _) in admitted.items() if reference not in added]
    told = [news for news in new if news.registration.id in added]
    await tell_each(connection, [*told, *await _request_links(connection, seminar, again, now)], now)
    outcomes = iter([Outcome(reference, verdict.status) for reference, (_, verdict) in admitted.items()])
    answers: list[Answer] = [verdict if isinstance(verdict, Exception) else next(outcomes) for verdict in verdicts]
    await _keep(connection, submissions, answers)
    return answers


async def _request_links(
    connection: Connection, seminar: SeminarSnapshot, submissions: Iterable[Submission], now: datetime
) -> list[News]:
    """Return what has the link of what stands mailed to the owner of each address, a few times a day at most."""
    today = now.astimezone(ZoneInfo(seminar.zone)).date()
    asking: dict[str, deque[str]] = {}  # the ids of the requests, by the address that they name
    for submission in submissions:
        asking.setdefault(email_key(submission.given.email), deque()).append(submission.correlation_id)
    links: list[News] = []
    while asking:  # once for each that names the same address, until its owner has enough mail for a day
        rows = await store.request_links(connection, seminar.slug, list(asking), today, LINKS_A_DAY)
        requested = [store.requested(row) for row in rows]
        places = await store_waiting_list.places_in_queue(connection, [standing.id for standing, _ in requested])
        asked_again = {}
        for standing, request in requested:
            key = email_key(standing.details.email)
            name, place = asking[key].popleft(), places.get(standing.id)
            links.append(News("registration.link_requested", standing, place, request, name))
            if asking[key]:
                asked_again[key] = asking[key]
        asking = asked_again
    return links


async def _keep(connection: Connection, submissions: Iterable[Submission], answers: Iterable[Answer]) -> None:
    """Keep what is answered to requests with a key; a refusal is not kept, so that the key serves later."""
    await idempotency.keep(
        connection,
        [
            (submission.key, {"id": str(answer.id), "outcome": answer.status})
            for submission, answer in zip(submissions, answers, strict=True)
            if submission.key and isinstance(answer, Outcome)
        ],
    )
