"""Signing up, many at once: one seminar, one transaction, its row locked first, and an answer for each."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from services.registration import store, store_sign_ups, store_waiting_list
from services.registration.admission import Admitted, admit_all, register
from services.registration.idempotency import Kept, Key, Settled, settle
from services.registration.model import SignUp, email_key
from services.registration.store_sign_ups import Met
from services.registration.telling import News, messages_of
from shared import outbox
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
    keys = [submission.key for submission in submissions]
    names = list({key.name for key in keys if key})
    seminar, ours = await store_sign_ups.lock(connection, slug, names)
    met = await store_sign_ups.meet(connection, slug, [email_key(s.given.email) for s in submissions], names)
    settled = settle(keys, ours, met.kept)
    new = [submission for submission, before in zip(submissions, settled, strict=True) if before is None]
    if seminar:
        fresh = iter(await _take(connection, seminar, met, new, now))
    else:
        fresh = iter([UnknownSeminarError(slug) for _ in new])
    return [next(fresh) if before is None else _again(before) for before in settled]


def _again(before: Settled) -> Answer:
    if isinstance(before, Exception):
        return before
    return Outcome(UUID(before.answer["id"]), RegistrationStatus(before.answer["outcome"]), replayed=True)


async def _take(
    connection: Connection, seminar: SeminarSnapshot, met: Met, submissions: Sequence[Submission], now: datetime
) -> list[Answer]:
    verdicts = admit_all(seminar, [s.given for s in submissions], met.known, met.standings, now)
    admitted = {uuid4(): (s, v) for s, v in zip(submissions, verdicts, strict=True) if isinstance(v, Admitted)}
    added = await _register(connection, seminar, admitted, now)
    again = [(s.given.email, s.correlation_id) for reference, (s, _) in admitted.items() if reference not in added]
    await mail_links(connection, seminar, again, now)
    outcomes = iter([Outcome(reference, verdict.status) for reference, (_, verdict) in admitted.items()])
    answers: list[Answer] = [verdict if isinstance(verdict, Exception) else next(outcomes) for verdict in verdicts]
    await _keep(connection, submissions, answers)
    return answers


async def _register(
    connection: Connection,
    seminar: SeminarSnapshot,
    admitted: Mapping[UUID, tuple[Submission, Admitted]],
    now: datetime,
) -> set[UUID]:
    """Register those whose address is new, tell of them, and return who they are."""
    new = [
        News(
            f"registration.{v.status}",
            register(reference, seminar, s.given, v, now),
            v.place,
            correlation_id=s.correlation_id,
        )
        for reference, (s, v) in admitted.items()
        if not v.known
    ]
    if not new:
        return set()
    return await store_sign_ups.insert(connection, [news.registration for news in new], messages_of(new, now))


async def mail_links(
    connection: Connection, seminar: SeminarSnapshot, asked_for: Iterable[tuple[str, str]], now: datetime
) -> None:
    """Have the link of what stands mailed to the owner of each address, a few times a day at most.

    `asked_for` is an address and the id of the request that names it.
    """
    today = now.astimezone(ZoneInfo(seminar.zone)).date()
    asking: dict[str, deque[str]] = {}
    for email, correlation_id in asked_for:
        asking.setdefault(email_key(email), deque()).append(correlation_id)
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
    await outbox.record_all(connection, messages_of(links, now))


async def _keep(connection: Connection, submissions: Iterable[Submission], answers: Iterable[Answer]) -> None:
    """Keep what is answered to requests with a key; a refusal is not kept, so that the key serves later."""
    kept = [
        Kept(submission.key, {"id": str(answer.id), "outcome": answer.status})
        for submission, answer in zip(submissions, answers, strict=True)
        if submission.key and isinstance(answer, Outcome)
    ]
    if kept:
        await store_sign_ups.keep_answers(connection, kept)
