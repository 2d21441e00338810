"""What a rehearsal says is what comes to be: each change is rehearsed, then really made, and time runs to the end."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.catalog.document import Document
from services.catalog.model import Seminar, snapshot
from services.notification import commands, store, store_claims
from services.notification.change import Change
from services.notification.model import close, schedule
from services.notification.rehearsal import Foreseen, Outgoing, ReminderDifference
from shared.database import Connection, Database, open_database
from shared.messages import LANGUAGES, Attendance, RegistrationSnapshot, RegistrationStatus, SeminarSnapshot
from tests.conftest import NewDatabase
from tests.snapshots import BEGINNING, make_registration

SLUG = "planstrategi-4-0"
STARTS = ("2023-06-01T10:00", "2023-06-01T10:30", "2023-06-08T10:00", "2023-05-24T09:30", "2023-05-22T09:20")
RULES: tuple[dict[str, Any], ...] = (
    {"before_start": "P1D"},
    {"before_start": "PT24H", "attendance": ["online"]},
    {"before_start": "PT15M", "attendance": ["online"]},
    {"before_start": "P1D", "attendance": ["in_person"]},
    {"after_end": "PT2H"},
    {"at": "2023-05-25T12:00"},
)


def make_document(start: str, rules: list[dict[str, Any]], address: str, title: str) -> dict[str, Any]:
    end = datetime.fromisoformat(start) + timedelta(hours=3)
    return {
        "slug": SLUG,
        "title": title,
        "start": start,
        "end": end.isoformat(),
        "attendance": {"online": {}, "in_person": {"capacity": 60}},
        "venue": {"name": "Akersgata 64", "address": address},
        "reminders": rules,
    }


documents = st.builds(
    make_document,
    st.sampled_from(STARTS[:2]) | st.sampled_from(STARTS),
    st.lists(st.sampled_from(RULES), max_size=4),
    st.sampled_from(["Akersgata 64, Oslo", "Storgata 1, Oslo"]),
    st.sampled_from(["Planstrategi 4.0", "Planstrategi 5.0"]),
)
changes = st.builds(
    lambda document, cancelled: document | cancelled, documents, st.sampled_from([{}, {}, {"cancelled": True}])
)
people = st.fixed_dictionaries(
    {
        "attendance": st.sampled_from(Attendance),
        "status": st.sampled_from([RegistrationStatus.CONFIRMED, *RegistrationStatus]),
        "language": st.sampled_from(LANGUAGES),
        "confirmed": st.integers(0, 40),  # hours before the message is learnt of
        "unsubscribed": st.sampled_from([False, False, True]),
        "suppressed": st.sampled_from([False, False, True]),
    }
)
histories = st.lists(
    st.tuples(st.just("document"), documents)
    | st.tuples(st.just("sign up"), people)
    | st.tuples(st.just("change one's mind"), st.sampled_from(Attendance))
    | st.tuples(st.just("wait"), st.sampled_from([1, 23, 25, 60]))  # hours
    | st.tuples(st.sampled_from(["write", "deliver"]), st.none()),
    max_size=12,
)


# What hypothesis would rarely come upon: a reminder due on 23 May at 9.30, and what has happened until 10.
SOON, LATER = (
    make_document(start, [{"before_start": "P1D"}], "Oslo", "Planstrategi") for start in (STARTS[3], STARTS[0])
)
KARI = {
    "attendance": Attendance.ONLINE,
    "status": RegistrationStatus.CONFIRMED,
    "language": "nb",
    "confirmed": 1,
    "unsubscribed": False,
    "suppressed": False,
}
LATE: list[tuple[str, Any]] = [("wait", 25), ("sign up", KARI | {"confirmed": 0})]
WRITTEN: list[tuple[str, Any]] = [("sign up", KARI), ("wait", 25), ("write", None)]
FICKLE = [*WRITTEN, ("change one's mind", Attendance.IN_PERSON), ("change one's mind", Attendance.ONLINE)]


@pytest.fixture
async def database(new_database: NewDatabase) -> AsyncIterator[Database]:
    async with open_database(await new_database("notification")) as database:
        yield database


class World:
    """A database in which nothing happens but what the test lets happen."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.now = BEGINNING
        self.revision = 0
        self.people: list[RegistrationSnapshot] = []

    async def learn(self, change: dict[str, Any]) -> SeminarSnapshot:
        self.revision += 1
        document = Document(**{field: value for field, value in change.items() if field != "cancelled"})
        cancelled = change.get("cancelled", False)
        seminar = snapshot(Seminar(document=document, revision=self.revision, cancelled=cancelled))
        told = SeminarSnapshot.model_validate_json(seminar.model_dump_json())
        await commands.learn_of_seminar(self.connection, told, self.now, "")
        return told

    async def go_through(self, history: list[tuple[str, Any]]) -> None:
        for act, what in history:
            match act:
                case "document":
                    await self.learn(what)
                case "sign up":
                    await self.sign_up(**what)
                case "change one's mind":
                    await self.switch(what)
                case "wait":
                    self.now += timedelta(hours=what)
                case "write":
                    await self.write()
                case "deliver":
                    await self.deliver()

    async def sign_up(self, confirmed: int, *, unsubscribed: bool, suppressed: bool, **fields: Any) -> None:
        moment = self.now - timedelta(hours=confirmed)
        is_confirmed = fields["status"] is RegistrationStatus.CONFIRMED
        person = make_registration(**fields, registered_at=moment, confirmed_at=moment if is_confirmed else None)
        self.people.append(person)
        await commands.learn_of_registration(self.connection, person, self.now, "")
        await store.set_unsubscribed(self.connection, person.id, unsubscribed=unsubscribed)
        if suppressed:
            await store_claims.suppress(self.connection, person.id)

    async def switch(self, attendance: Attendance) -> None:
        """Let the first to come attend in that way, from now on."""
        if self.people:
            first = self.people[0]
            news = {"version": first.version + 1, "attendance": attendance, "confirmed_at": self.now}
            self.people[0] = first.model_copy(update=news | {"status": RegistrationStatus.CONFIRMED})
            await commands.learn_of_registration(self.connection, self.people[0], self.now, "")

    async def rehearse(self, change: dict[str, Any] | None = None) -> Foreseen:
        given = Change(**change) if change else None
        foreseen = await commands.rehearse(self.connection, SLUG, given, self.now)
        assert foreseen
        return foreseen

    async def rules(self) -> dict[tuple[str, str], asyncpg.Record]:
        rows = await self.connection.fetch("SELECT * FROM reminder_rules")
        return {(row["rule"], row["attendance"]): row for row in rows}

    async def live_to_the_end(self) -> Counter[Outgoing]:
        """Let every moment come that something is due at, and return what left."""
        left: Counter[Outgoing] = Counter()
        moment: datetime | None = self.now
        while moment:
            self.now = moment
            left += await self.deliver()
            moment = await self.connection.fetchval(
                "SELECT min(due_at) FROM (SELECT due_at FROM reminder_rules WHERE state = 'scheduled'"
                " UNION SELECT due_at FROM emails WHERE state = 'pending') AS coming WHERE due_at > $1",
                self.now,
            )
        return left

    async def write(self) -> None:
        """Write what is due now, as one loop does."""
        while await commands.materialise_due(self.connection, self.now):
            pass

    async def deliver(self) -> Counter[Outgoing]:
        """Write and send what is due now, as both loops do."""
        left: Counter[Outgoing] = Counter()
        await self.write()
        for claim in await store_claims.claim(self.connection, self.now, 60, 1000, "a-replica"):
            email = (await store_claims.look_at(self.connection, [claim.id]))[claim.id]
            if verdict := close(email, self.now):
                await store_claims.close(self.connection, claim, verdict)
                continue
            await self.connection.execute("UPDATE emails SET state = 'sent' WHERE id = $1", claim.id)
            rule = await self.connection.fetchval("SELECT rule FROM emails WHERE id = $1", claim.id)
            person = email.registration
            left[Outgoing(self.now, email.kind, rule, person.attendance, person.language)] += 1
        return left


def told_apart(
    before: dict[tuple[str, str], asyncpg.Record],
    after: dict[tuple[str, str], asyncpg.Record],
    seminar: SeminarSnapshot,
) -> ReminderDifference:
    """Return what has become of the rules, by nothing but the rows before and after."""
    wanted = {(rule.rule, rule.attendance) for rule in schedule(seminar)}
    fates = set()
    for key, row in after.items():
        was = before.get(key)
        if was and (was["generation"], was["state"]) == (row["generation"], row["state"]):
            continue
        if key not in wanted:
            fates.add(("removed", row["rule"]))
        elif row["state"] == "closed":
            fates.add(("closed", row["rule"]))
        else:
            fates.add(("moved" if was and was["due_at"] != row["due_at"] else "added", row["rule"]))
    return ReminderDifference(**Counter(fate for fate, _ in fates))


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(first=documents, history=histories, change=changes)
@example(first=SOON, history=WRITTEN, change=LATER)
@example(first=SOON, history=LATE, change=SOON)
async def test_what_was_rehearsed_is_what_comes_to_be(
    database: Database, first: dict[str, Any], history: list[tuple[str, Any]], change: dict[str, Any]
) -> None:
    async with database.connection() as connection:
        trial = connection.transaction()
        await trial.start()
        try:
            world = World(connection)
            await world.learn(first)
            await world.go_through(history)
            begun = world.now

            rehearsed = await world.rehearse(change)
            before = await world.rules()
            seminar = await world.learn(change)
            after = await world.rules()
            notices = [
                row
                for row in await connection.fetch("SELECT kind, generation FROM emails")
                if row["kind"].startswith("seminar_") and row["generation"] == world.revision
            ]
            left = await world.live_to_the_end()

            assert left == rehearsed.emails
            assert rehearsed.difference
            assert rehearsed.difference.reminders == told_apart(before, after, seminar)
            assert rehearsed.difference.items_after == len(left)
            told = rehearsed.difference.notices
            assert not notices or {row["kind"] for row in notices} == {told.kind}
            assert told.recipients == sum(count for email, count in left.items() if email.kind is told.kind)
            assert min([email.due_at for email in left], default=begun) >= begun
        finally:
            await trial.rollback()


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(first=documents, history=histories)
@example(first=SOON, history=LATE)
@example(first=SOON, history=FICKLE)
async def test_what_is_said_to_go_out_as_things_stand_does(
    database: Database, first: dict[str, Any], history: list[tuple[str, Any]]
) -> None:
    async with database.connection() as connection:
        trial = connection.transaction()
        await trial.start()
        try:
            world = World(connection)
            await world.learn(first)
            await world.go_through(history)

            rehearsed = await world.rehearse()

            assert rehearsed.difference is None
            assert await world.live_to_the_end() == rehearsed.emails
        finally:
            await trial.rollback()
