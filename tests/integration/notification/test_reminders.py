import asyncio
import random
from collections import Counter
from datetime import timedelta
from functools import partial

from services.notification import commands
from shared.database import Connection, Database, open_database
from shared.messages import Attendance, RegistrationSnapshot, RegistrationStatus, SeminarSnapshot
from tests.conftest import NewDatabase
from tests.eventually import eventually
from tests.integration.notification.conftest import Notification, StartNotification
from tests.snapshots import BEGINNING, START, make_registration, make_seminar

DAY_BEFORE = START - timedelta(days=1)
QUARTER_BEFORE = START - timedelta(minutes=15)


def kinds(rows: list, state: str) -> Counter[str]:  # type: ignore[type-arg] # records have no types
    return Counter(row["rule"] or row["kind"] for row in rows if row["state"] == state)


async def test_the_day_before_and_a_quarter_before_everyone_is_reminded_by_how_they_attend(
    notification: Notification,
) -> None:
    online, in_person = make_registration(), make_registration(attendance=Attendance.IN_PERSON)
    await notification.learn(make_seminar(), online, in_person)
    await notification.settled()

    notification.clock.move_to(DAY_BEFORE)
    await eventually_sent(notification, 4)
    notification.clock.move_to(QUARTER_BEFORE)
    await eventually_sent(notification, 5)

    assert [len(notification.to(person)) for person in (online, in_person)] == [3, 2]


async def test_a_jump_over_both_moments_sends_online_attendees_one_reminder_and_shows_the_other_as_superseded(
    notification: Notification,
) -> None:
    online, in_person = make_registration(), make_registration(attendance=Attendance.IN_PERSON)
    await notification.learn(make_seminar(), online, in_person)
    await notification.settled()

    notification.clock.move_to(QUARTER_BEFORE)
    await eventually_sent(notification, 4)

    rows = await notification.settled()
    assert kinds(rows, "superseded") == {"before_start P1D": 1}
    assert kinds(rows, "sent") == {"confirmation": 2, "before_start P1D": 1, "before_start PT15M": 1}


async def test_a_jump_past_the_start_sends_no_reminder_at_all(notification: Notification) -> None:
    await notification.learn(make_seminar(), make_registration())
    await notification.settled()

    notification.clock.move_to(START)
    await closed(notification, 2)

    assert len(notification.mailbox.received) == 1


async def test_whoever_signs_up_after_a_reminder_was_due_is_covered_by_the_confirmation(
    notification: Notification,
) -> None:
    await notification.learn(make_seminar())
    notification.clock.move_to(DAY_BEFORE + timedelta(hours=1))
    late = make_registration(registered_at=notification.clock.now(), confirmed_at=notification.clock.now())
    await notification.learn(late)

    rows = await notification.settled()

    assert kinds(rows, "covered") == {"before_start P1D": 1}
    assert len(notification.to(late)) == 1


async def test_a_late_message_of_an_early_sign_up_still_brings_its_reminder(notification: Notification) -> None:
    await notification.learn(make_seminar())
    notification.clock.move_to(DAY_BEFORE + timedelta(hours=1))
    early = make_registration()
    await notification.learn(early)

    await eventually_sent(notification, 2)

    assert kinds(await notification.settled(), "sent") == {"confirmation": 1, "before_start P1D": 1}


async def test_nobody_falls_between_a_rule_that_is_being_written_and_a_message_that_is_being_learnt(
    notification: Notification,
) -> None:
    await notification.learn(make_seminar(reminders=make_seminar().reminders[:1]))
    people = [make_registration() for _ in range(40)]

    async def jump() -> None:
        await asyncio.sleep(random.random() * 0.1)
        notification.clock.move_to(DAY_BEFORE)

    await asyncio.gather(jump(), *(notification.learn(person) for person in people))
    await eventually_sent(notification, 80)

    assert Counter(len(notification.to(person)) for person in people) == {2: 40}


async def test_who_has_cancelled_is_not_reminded(notification: Notification) -> None:
    person = make_registration()
    gone = person.model_copy(update={"version": 2, "status": RegistrationStatus.CANCELLED})
    await notification.learn(make_seminar(), person)
    await notification.settled()
    await notification.learn(gone)

    notification.clock.move_to(DAY_BEFORE)
    await notification.settled()

    assert kinds(await notification.rows(), "sent") == {"confirmation": 1, "cancelled": 1}


async def test_who_cancels_while_the_reminder_waits_is_not_reminded(start: StartNotification) -> None:
    notification = await start(smtp_url="smtp://127.0.0.1:9")  # where nobody listens
    person = make_registration()
    await notification.learn(make_seminar(), person)
    notification.clock.move_to(DAY_BEFORE)
    await attempted(notification, rule="before_start P1D")
    await notification.learn(person.model_copy(update={"version": 2, "status": RegistrationStatus.CANCELLED}))
    await retry_all(notification)

    await closed(notification, 2)

    assert kinds(await notification.rows(), "skipped") == {"before_start P1D": 1}
    assert kinds(await notification.rows(), "superseded") == {"confirmation": 1}


async def test_a_cancelled_seminar_reminds_nobody_and_tells_everybody(notification: Notification) -> None:
    person = make_registration()
    await notification.learn(make_seminar(), person)
    await notification.settled()
    await notification.learn(make_seminar(revision=2, status="cancelled"), kind="seminar.cancelled")
    await eventually_sent(notification, 2)

    notification.clock.move_to(DAY_BEFORE)
    async with notification.database.transaction() as connection:
        assert await commands.materialise_due(connection, DAY_BEFORE) is None

    assert kinds(await notification.rows(), "sent") == {"confirmation": 1, "seminar_cancelled": 1}


async def test_a_reminder_taken_out_and_put_back_before_its_moment_is_sent(notification: Notification) -> None:
    person = make_registration()
    await notification.learn(make_seminar(), person)
    await notification.learn(make_seminar(revision=2, reminders=()), make_seminar(revision=3))

    notification.clock.move_to(DAY_BEFORE)
    await eventually_sent(notification, 2)

    assert kinds(await notification.rows(), "sent") == {"confirmation": 1, "before_start P1D": 1}


async def test_moving_the_seminar_moves_the_reminders_and_touches_no_written_row(notification: Notification) -> None:
    await notification.learn(make_seminar(), make_registration(), make_registration())
    notification.clock.move_to(DAY_BEFORE)
    await eventually_sent(notification, 4)
    before = [(row["id"], row["xmin"]) for row in await versions(notification)]

    later = timedelta(days=7)
    moved: SeminarSnapshot = make_seminar(revision=2, start=START + later, end=START + later + timedelta(hours=3))
    await notification.learn(moved)

    assert [
        version for version in [(row["id"], row["xmin"]) for row in await versions(notification)] if version in before
    ] == before
    notification.clock.move_to(DAY_BEFORE + later)
    await eventually_sent(notification, 8)
    assert kinds(await notification.rows(), "sent") == {"confirmation": 2, "seminar_moved": 2, "before_start P1D": 4}
    assert Counter(row["generation"] for row in await notification.rows(rule="before_start P1D")) == {1: 2, 2: 2}


async def test_reminders_written_for_the_old_time_of_a_moved_seminar_never_leave(start: StartNotification) -> None:
    notification = await start(smtp_url="smtp://127.0.0.1:9")
    await notification.learn(make_seminar(), make_registration())
    notification.clock.move_to(DAY_BEFORE)
    await attempted(notification, rule="before_start P1D")
    later = timedelta(days=7)
    await notification.learn(make_seminar(revision=2, start=START + later, end=START + later + timedelta(hours=3)))
    attempts = (await notification.rows(rule="before_start P1D"))[0]["attempts"]
    await retry_all(notification)
    await attempted(notification, more_than=1, kind="confirmation")

    assert (await notification.rows(rule="before_start P1D"))[0]["attempts"] == attempts


async def test_a_seminar_moved_to_where_a_reminder_is_past_sends_only_the_notice(notification: Notification) -> None:
    await notification.learn(make_seminar(), make_registration())
    await notification.settled()
    soon = notification.clock.now() + timedelta(hours=3)
    await notification.learn(make_seminar(revision=2, start=soon, end=soon + timedelta(hours=1)))

    notification.clock.move_to(soon - timedelta(hours=2))
    await eventually_sent(notification, 2)

    assert kinds(await notification.settled(), "sent") == {"confirmation": 1, "seminar_moved": 1}


async def test_two_moves_within_two_minutes_are_told_in_one_notice(notification: Notification) -> None:
    await notification.learn(make_seminar(), make_registration())
    await notification.settled()
    for revision in (2, 3):
        later = timedelta(days=revision)
        await notification.learn(make_seminar(revision=revision, start=START + later, end=START + later * 2))

    notification.clock.move_to(notification.clock.now() + timedelta(minutes=3))
    await eventually_sent(notification, 2)

    rows = await notification.settled()
    assert kinds(rows, "sent") == {"confirmation": 1, "seminar_moved": 1}
    assert kinds(rows, "superseded") == {"seminar_moved": 1}


async def eventually_sent(notification: Notification, count: int) -> None:
    async def look() -> bool:
        return len(await notification.rows(state="sent")) >= count

    await eventually(look)
    assert len(await notification.rows(state="sent")) == count == len(notification.mailbox.received)


async def closed(notification: Notification, count: int) -> None:
    async def look() -> bool:
        return sum(row["state"] in ("skipped", "superseded", "covered") for row in await notification.rows()) >= count

    await eventually(look)


async def attempted(notification: Notification, *, more_than: int = 0, **where: str) -> None:
    async def look() -> bool:
        rows = await notification.rows(**where)
        return bool(rows) and all(row["attempts"] > more_than and row["state"] == "pending" for row in rows)

    await eventually(look)


async def retry_all(notification: Notification) -> None:
    async with notification.database.transaction() as connection:
        await connection.execute("UPDATE emails SET retry_at = '-infinity' WHERE state = 'pending'")


async def versions(notification: Notification) -> list:  # type: ignore[type-arg] # records have no types
    async with notification.database.connection() as connection:
        return await connection.fetch("SELECT id, xmin::text FROM emails ORDER BY due_at, id")


async def test_a_message_learnt_while_its_rule_is_being_written_waits_and_brings_its_own_reminder(
    new_database: NewDatabase,
) -> None:
    async with open_database(await new_database("notification")) as database:
        person = make_registration()
        async with database.transaction() as connection:
            await commands.learn_of_seminar(connection, make_seminar(), BEGINNING, "")
        async with database.transaction() as writing:
            await commands.materialise_due(writing, DAY_BEFORE)
            await commands.materialise_due(writing, DAY_BEFORE)  # online and in person
            learning = asyncio.create_task(learn(database, person))
            await eventually(partial(blocked_or_done, writing, learning))
        await learning
        async with database.connection() as connection:
            rules = await connection.fetch("SELECT rule FROM emails WHERE kind = 'reminder'")

    assert [row["rule"] for row in rules] == ["before_start P1D"]


async def learn(database: Database, person: RegistrationSnapshot) -> None:
    async with database.transaction() as connection:
        await commands.learn_of_registration(connection, person, DAY_BEFORE, "")


async def blocked_or_done(connection: Connection, task: "asyncio.Task[None]") -> bool:
    return task.done() or await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0
