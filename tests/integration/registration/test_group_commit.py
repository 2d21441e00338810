"""Many who sign up at once, in few transactions."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from services.registration.group_commit import GroupCommit, OverloadedError
from services.registration.idempotency import Key, KeyInProgressError, KeyReusedError
from services.registration.model import Refusal, RefusedError
from services.registration.questions import UnfitError
from services.registration.signing_up import Answer, Outcome, Submission, UnknownSeminarError, sign_up_all
from shared.clock import MovableClock
from shared.database import Database
from shared.messages import Attendance, RegistrationStatus
from shared.metrics import Metrics
from shared.together import Together
from tests.factories import NOW, SLUG, make_sign_up
from tests.integration.registration.seminar import Seminar, blocked, of, opened

CONFIRMED, WAITLISTED, _ = RegistrationStatus
IN_PERSON, ONLINE = Attendance
QUESTION = {"id": "bus", "text": "Bus?", "kind": "choice", "options": [{"id": "yes", "text": "Yes"}], "required": True}


class Replica:
    """One process's group commit, and how many transactions it has made."""

    def __init__(self, database: Database, **options: Any) -> None:
        self.metrics = Metrics()
        self.group = GroupCommit(database, MovableClock(NOW - datetime.now(UTC)), self.metrics, **options)

    async def sign_up(self, *submissions: Submission) -> list[Answer]:
        """Have all come at once, in their order."""
        answers = await asyncio.gather(*map(self.group.sign_up, submissions), return_exceptions=True)
        assert all(isinstance(answer, Outcome | Exception) for answer in answers)
        return answers  # type: ignore[return-value] # as just seen

    def transactions(self) -> int:
        return int(self.metrics.registry.get_sample_value("fagseminar_sign_up_batch_size_count") or 0)


def submission(name: str, key: Key | None = None, **overrides: Any) -> Submission:
    given = make_sign_up(**{"name": name, "email": f"{name}@example.org"} | overrides)
    return Submission(given, key, f"request-of-{name}")


def statuses(answers: list[Answer]) -> list[Any]:
    """Return what each is told, in short."""
    return [answer.status if isinstance(answer, Outcome) else type(answer) for answer in answers]


@pytest.fixture
def replica(seminar: Seminar) -> Replica:
    return Replica(seminar.database)


@asynccontextmanager
async def held_up(url: str, waiting: int) -> AsyncIterator[None]:
    """Hold the seminar's row, until the block is over and so many transactions wait for it."""
    other = await asyncpg.connect(url)
    async with other.transaction():
        await other.execute("SELECT FROM seminars WHERE slug = $1 FOR UPDATE", SLUG)
        yield
        await blocked(other, waiting)
    await other.close()


# --- all at once ---


async def test_five_hundred_at_once_are_seated_and_queued_as_they_came_in_few_transactions(
    seminar: Seminar, replica: Replica
) -> None:
    await seminar.revise(capacity=60)
    people = [f"p{number}" for number in range(500)]

    answers = await replica.sign_up(*map(submission, people))

    assert statuses(answers) == [CONFIRMED] * 60 + [WAITLISTED] * 440
    assert list(await seminar.standing()) == people
    told = {of(message).name: message for message in await seminar.told()}
    assert [of(told[name]).place for name in people] == [None] * 60 + list(range(1, 441))
    assert [of(told[name]).id for name in people] == [answer.id for answer in answers if isinstance(answer, Outcome)]
    assert [told[name].correlationid for name in people] == [f"request-of-{name}" for name in people]
    assert [await seminar.place(name) for name in ("p59", "p60", "p499")] == [None, 1, 440]
    assert replica.transactions() <= 10


async def test_two_replicas_at_once_never_oversell_and_each_has_its_own_line_in_order(url: str) -> None:
    async with opened(url) as one, opened(url) as other:
        seminar, replicas = Seminar(one), (Replica(one), Replica(other))
        await seminar.revise(capacity=60)

        first, second = await asyncio.gather(
            *(r.sign_up(*(submission(f"{n}-{p}") for p in range(150))) for n, r in enumerate(replicas))
        )

        assert Counter(statuses(first) + statuses(second)) == {CONFIRMED: 60, WAITLISTED: 240}
        assert await seminar.confirmed() == 60
        places = {of(m).name: of(m).place or 0 for m in await seminar.told()}
        assert sorted(places.values()) == [0] * 60 + list(range(1, 241))
        for number in range(2):
            own = [places[f"{number}-{person}"] for person in range(150)]
            assert own == sorted(own)


async def test_who_comes_alone_after_a_crowd_waits_for_no_timer(
    url: str, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Together.__init__, "__kwdefaults__", {"most": 100, "linger": 3600.0, "turns": None})
    async with held_up(url, 1):
        crowd = asyncio.ensure_future(replica.sign_up(*(submission(f"p{number}") for number in range(20))))
        await asyncio.sleep(0.05)
        alone = asyncio.ensure_future(replica.sign_up(submission("kari")))

    async with asyncio.timeout(10):
        assert statuses([*await crowd, *await alone]) == [CONFIRMED] * 2 + [WAITLISTED] * 19
    assert replica.transactions() == 2


# --- a bad one among good ones ---


async def batch(seminar: Seminar, *submissions: Submission) -> list[Answer]:
    async with seminar.database.transaction() as connection:
        return await sign_up_all(connection, SLUG, submissions, NOW)


async def test_each_gets_the_answer_that_is_theirs_and_only_who_is_taken_has_a_seat(seminar: Seminar) -> None:
    await seminar.revise(questions=[QUESTION], attendance={"in_person": {"capacity": 3}})
    yes: dict[str, Any] = {"answers": {"bus": "yes"}}

    answers = await batch(
        seminar,
        submission("kari", **yes),
        submission("unfit", answers={"bus": "no"}),
        submission("refused", attendance="online"),
        submission("again", email="KARI@example.org", **yes),
        submission("ola", **yes),
        submission("per", **yes),
        submission("siri", **yes),
    )

    assert statuses(answers) == [CONFIRMED, UnfitError, RefusedError, CONFIRMED, CONFIRMED, CONFIRMED, WAITLISTED]
    assert isinstance(answers[2], RefusedError)
    assert answers[2].refusal is Refusal.NOT_OFFERED
    assert await seminar.standing() == {"kari": CONFIRMED, "ola": CONFIRMED, "per": CONFIRMED, "siri": WAITLISTED}
    assert len({answer.id for answer in answers if isinstance(answer, Outcome)}) == 5


async def test_a_known_address_in_a_batch_is_told_what_a_stranger_would_be_and_mailed_its_link(
    seminar: Seminar,
) -> None:
    await seminar.revise(capacity=1)
    await seminar.sign_up("kari")

    answers = await batch(
        seminar, submission("kari"), *(submission(f"{n}", email="kari@example.org") for n in range(4))
    )

    assert statuses(answers) == [WAITLISTED] * 5
    links = [message for message in await seminar.told() if message.type == "registration.link_requested"]
    assert [of(link).link_request for link in links] == [1, 2, 3]
    assert [link.correlationid for link in links] == ["request-of-kari", "request-of-0", "request-of-1"]
    assert list(await seminar.standing()) == ["kari"]


async def test_who_attends_online_meanwhile_takes_the_last_seat_there_for_those_behind(seminar: Seminar) -> None:
    await seminar.revise(attendance={"in_person": {"capacity": 0}, "online": {"capacity": 1}})

    await batch(
        seminar, submission("kari", online_meanwhile=True), submission("ola", online_meanwhile=True),
        submission("per", attendance="online"),
    )  # fmt: skip

    assert await seminar.standing() == {"kari": WAITLISTED, "ola": WAITLISTED, "per": WAITLISTED}
    assert [of(message).online_meanwhile for message in await seminar.told()] == [True, False, False]
    assert [of(message).place for message in await seminar.told()] == [1, 2, 1]


async def test_what_the_database_refuses_fails_alone(seminar: Seminar, replica: Replica) -> None:
    async with seminar.database.connection() as connection:
        await connection.execute("ALTER TABLE registrations ADD CHECK (name <> 'bad')")

    answers = await replica.sign_up(submission("kari"), submission("bad"), submission("ola"), submission("per"))

    assert statuses(answers) == [CONFIRMED, asyncpg.CheckViolationError, CONFIRMED, WAITLISTED]
    assert list(await seminar.standing()) == ["kari", "ola", "per"]
    assert Counter(await seminar.kinds()) == {"confirmed": 2, "waitlisted": 1}


async def test_what_cannot_even_be_sent_fails_alone(seminar: Seminar, replica: Replica) -> None:
    bad = submission("bad", key=Key("a surrogate \udc80", b""))

    answers = await replica.sign_up(submission("kari"), bad, submission("ola"))

    assert statuses(answers) == [CONFIRMED, asyncpg.DataError, CONFIRMED]
    assert list(await seminar.standing()) == ["kari", "ola"]


async def test_when_the_database_goes_away_all_are_told_and_nobody_is_tried_again(
    url: str, seminar: Seminar, replica: Replica
) -> None:
    other = await asyncpg.connect(url)
    async with other.transaction():
        await other.execute("SELECT FROM seminars WHERE slug = $1 FOR UPDATE", SLUG)
        coming = asyncio.ensure_future(replica.sign_up(submission("kari"), submission("ola")))
        for pid in await blocked(other, 1):
            await other.execute("SELECT pg_terminate_backend($1)", pid)
        answers = await coming
    await other.close()

    assert statuses(answers) == [asyncpg.InterfaceError] * 2
    assert await seminar.standing() == {}


async def test_a_seminar_that_is_not_known_is_said_to_each_who_asks_for_it(seminar: Seminar, replica: Replica) -> None:
    nowhere = [submission(name, seminar="nowhere") for name in ("kari", "ola")]

    answers = await replica.sign_up(*nowhere, submission("per"))

    assert statuses(answers) == [UnknownSeminarError, UnknownSeminarError, CONFIRMED]
    assert list(await seminar.standing()) == ["per"]


# --- keys ---


async def test_of_two_with_one_key_in_a_batch_the_second_is_in_progress_and_later_replayed(seminar: Seminar) -> None:
    key = Key("k1", b"body")

    first, second, other = await batch(
        seminar, submission("kari", key), submission("kari", key), submission("ola", Key("k2", b"body"))
    )
    again, reused = await batch(seminar, submission("kari", key), submission("per", Key("k2", b"another body")))

    assert isinstance(first, Outcome)
    assert again == first._replace(replayed=True)
    assert [type(answer) for answer in (second, other, reused)] == [KeyInProgressError, Outcome, KeyReusedError]
    assert Counter(await seminar.kinds()) == {"confirmed": 2}


async def test_a_key_whose_sign_up_was_refused_in_a_batch_serves_later(seminar: Seminar) -> None:
    await seminar.revise(opens=NOW + timedelta(hours=1))
    key = Key("k1", b"body")
    refused = await batch(seminar, submission("kari", key))
    await seminar.revise()

    taken = await batch(seminar, submission("kari", key))

    assert statuses([*refused, *taken]) == [RefusedError, CONFIRMED]


async def test_a_key_that_another_transaction_holds_spoils_nobody_elses(url: str, seminar: Seminar) -> None:
    other = await asyncpg.connect(url)
    async with other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock(hashtextextended('k1', 1))")
        answers = await batch(seminar, submission("kari", Key("k1", b"")), submission("ola", Key("k2", b"")))
    await other.close()

    assert statuses(answers) == [KeyInProgressError, CONFIRMED]


# --- those who do not wait, and too many ---


async def test_who_gives_up_waiting_takes_nobody_along(url: str, seminar: Seminar, replica: Replica) -> None:
    async with held_up(url, 1):
        impatient, *patient = (
            asyncio.ensure_future(replica.group.sign_up(submission(name))) for name in ("kari", "ola", "per")
        )
        await asyncio.sleep(0)
        impatient.cancel()

    outcomes = await asyncio.gather(*patient)

    assert all(isinstance(outcome, Outcome) for outcome in outcomes)
    assert {"ola", "per"} <= set(await seminar.standing())


async def test_draining_writes_all_who_wait_although_nobody_waits_for_the_answer(
    url: str, seminar: Seminar, replica: Replica
) -> None:
    async with held_up(url, 1):
        first = asyncio.ensure_future(replica.group.sign_up(submission("kari")))
        async with seminar.database.connection() as connection:
            await blocked(connection, 1)
        second = asyncio.ensure_future(replica.group.sign_up(submission("ola")))
        await asyncio.sleep(0)
        for waiting in (first, second):
            waiting.cancel()

    await replica.group.drain()

    assert list(await seminar.standing()) == ["kari", "ola"]


async def test_who_finds_too_many_waiting_is_sent_away_at_once_and_the_others_are_done(
    url: str, seminar: Seminar
) -> None:
    replica = Replica(seminar.database, room=2)
    async with held_up(url, 1):
        early = [asyncio.ensure_future(replica.group.sign_up(submission(name))) for name in ("kari", "ola")]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await replica.group.sign_up(submission("late"))

    await asyncio.gather(*early)
    await replica.group.sign_up(submission("later"))

    assert list(await seminar.standing()) == ["kari", "ola", "later"]


# --- how many there are ---


async def test_the_counts_are_what_a_recount_gives_whatever_changes(seminar: Seminar) -> None:
    await seminar.revise(attendance={"in_person": {"capacity": 1}, "online": {"capacity": 5}})
    await batch(seminar, *(submission(f"p{n}", online_meanwhile=n % 2 == 0) for n in range(5)))
    await seminar.attend("p1", ONLINE)
    await seminar.cancel("p0")
    await seminar.change("p3", lambda details: details.model_copy(update={"online_meanwhile": True}))
    await seminar.change("p4", lambda details: details.model_copy(update={"name": "Another"}))
    async with seminar.database.transaction() as connection:
        await connection.execute("DELETE FROM registrations WHERE name = 'p1'")
        kept = await connection.fetch("SELECT * FROM standings WHERE confirmed + waitlisted > 0 ORDER BY attendance")
        counted = await connection.fetch(
            "SELECT seminar, attendance, count(*) FILTER (WHERE status = 'confirmed') AS confirmed,"
            " count(*) FILTER (WHERE status = 'waitlisted') AS waitlisted,"
            " count(*) FILTER (WHERE status = 'waitlisted' AND online_meanwhile) AS meanwhile"
            " FROM registrations WHERE status <> 'cancelled' GROUP BY seminar, attendance ORDER BY attendance"
        )

    assert list(map(tuple, kept)) == list(map(tuple, counted)) == [(SLUG, "in_person", 1, 2, 2)]
