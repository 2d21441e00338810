import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

import aiohttp
import asyncpg
import pytest
from pydantic import ValidationError

from services.notification import store, store_claims
from services.notification.delivery import HOLDER
from services.notification.model import Kept, Kind, State, Verdict, backoff
from shared import outbox
from shared.database import Connection, open_database
from shared.messages import EmailSnapshot, Message, RegistrationStatus, decode
from tests.conftest import NewDatabase
from tests.eventually import eventually
from tests.factories import make_email_snapshot
from tests.integration.notification.conftest import Notification, StartNotification, make_settings
from tests.scrape import Scraped, scraped
from tests.smtp_server import Misbehaviour, ScriptedSmtp
from tests.snapshots import make_registration, make_seminar

StartSmtp = Callable[..., Awaitable[ScriptedSmtp]]
MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>]+>)", re.MULTILINE)


@pytest.fixture
async def smtp_that() -> AsyncIterator[StartSmtp]:
    async with AsyncExitStack() as stack:

        async def begin(*script: Misbehaviour) -> ScriptedSmtp:
            return await stack.enter_async_context(ScriptedSmtp(*script).serving())

        yield begin


async def one(notification: Notification, *, until: str) -> asyncpg.Record:
    """Return the only e-mail once it is in state `until` and was tried."""

    async def look() -> asyncpg.Record | None:
        (row,) = await notification.rows()
        return row if row["state"] == until and row["attempts"] else None

    return await eventually(look)


async def start_with(start: StartNotification, smtp: ScriptedSmtp, **overrides: object) -> Notification:
    notification = await start(smtp_url=f"smtp://127.0.0.1:{smtp.port}", **overrides)
    await notification.learn(make_seminar(reminders=()), make_registration())
    return notification


async def hurry(notification: Notification) -> None:
    """Shorten the rest of what was postponed."""
    async with notification.database.transaction() as connection:
        await connection.execute("UPDATE emails SET retry_at = '-infinity' WHERE state = 'pending'")


async def outbox_types(notification: Notification) -> list[str]:
    async with notification.database.connection() as connection:
        return [row["type"] for row in await connection.fetch("SELECT type FROM outbox")]


@pytest.mark.parametrize("refusal", ["451 to RCPT", "451 to DATA"])
async def test_what_the_server_puts_off_is_tried_again_and_arrives_once(
    start: StartNotification, smtp_that: StartSmtp, refusal: Misbehaviour
) -> None:
    smtp = await smtp_that(refusal)
    notification = await start_with(start, smtp)
    postponed = await one(notification, until="pending")
    await hurry(notification)

    sent = await one(notification, until="sent")

    assert postponed["smtp_reply"].startswith("451")
    assert (sent["attempts"], len(smtp.received)) == (2, 1)
    assert sent["ambiguous"] == 0


@pytest.mark.parametrize(
    ("refusal", "spared"),
    [
        ("550 to RCPT", True),
        ("550 5.1.1 after the dot", True),
        ("554 after the dot", False),
        ("550 5.7.1 to RCPT", False),
    ],
)
async def test_what_the_server_refuses_for_good_fails_and_an_address_is_spared_only_if_it_is_to_blame(
    start: StartNotification, smtp_that: StartSmtp, refusal: Misbehaviour, *, spared: bool
) -> None:
    smtp = await smtp_that(refusal)
    notification = await start_with(start, smtp)

    failed = await one(notification, until="failed")

    assert failed["smtp_reply"].startswith(refusal[:3])
    async with notification.database.connection() as connection:
        assert await connection.fetchval("SELECT suppressed FROM registrations") is spared


@pytest.mark.parametrize("refusal", ["421 to connect", "530 to MAIL", "drops before the content"])
async def test_what_is_about_us_or_the_server_loses_nothing_blames_nobody_and_is_not_in_doubt(
    start: StartNotification, smtp_that: StartSmtp, refusal: Misbehaviour
) -> None:
    smtp = await smtp_that(refusal)
    notification = await start_with(start, smtp)
    await one(notification, until="pending")
    await hurry(notification)

    sent = await one(notification, until="sent")

    assert (sent["attempts"], sent["ambiguous"], len(smtp.received)) == (2, 0, 1)
    async with notification.database.connection() as connection:
        assert not await connection.fetchval("SELECT suppressed FROM registrations")


async def test_a_server_that_says_451_for_an_hour_gets_the_e_mail_once_in_the_end(
    start: StartNotification, smtp_that: StartSmtp
) -> None:
    rests = [backoff(attempt) for attempt in range(1, 20)]
    times = next(number for number in range(len(rests)) if sum(rests[:number]) > 3600)
    smtp = await smtp_that(*["451 to RCPT"] * times)
    notification = await start_with(start, smtp)

    async def sent() -> asyncpg.Record | None:
        await hurry(notification)
        (row,) = await notification.rows()
        return row if row["state"] != "pending" and row["state"] != "sending" else None

    row = await eventually(sent)

    assert (row["state"], row["attempts"], row["ambiguous"], len(smtp.received)) == ("sent", times + 1, 0, 1)


@pytest.mark.parametrize("accident", ["drops after the dot", "stalls"])
async def test_a_lost_reply_to_the_content_is_counted_and_the_second_copy_bears_the_same_message_id(
    start: StartNotification, smtp_that: StartSmtp, accident: Misbehaviour
) -> None:
    smtp = await smtp_that(accident)
    notification = await start_with(start, smtp, smtp_deadline_seconds=1, lease_seconds=20)
    await one(notification, until="pending")
    await hurry(notification)

    sent = await one(notification, until="sent")

    assert sent["ambiguous"] == 1
    ids = [MESSAGE_ID.search(content) for content in smtp.received]
    assert len(ids) == 2
    assert len({found[1] for found in ids if found}) == 1


async def test_with_no_server_at_all_nothing_is_lost_and_nothing_is_ambiguous(start: StartNotification) -> None:
    notification = await start(smtp_url="smtp://127.0.0.1:9")
    await notification.learn(make_seminar(reminders=()), make_registration())

    postponed = await one(notification, until="pending")

    assert (postponed["ambiguous"], postponed["attempts"]) == (0, 1)


async def test_who_cancels_while_the_server_thinks_about_the_recipient_gets_no_confirmation(
    start: StartNotification, smtp_that: StartSmtp
) -> None:
    smtp = await smtp_that()
    smtp.may_go_on.clear()
    notification = await start(smtp_url=f"smtp://127.0.0.1:{smtp.port}")
    person = make_registration()
    await notification.learn(make_seminar(reminders=()), person)
    await smtp.before_data.wait()
    await notification.learn(person.model_copy(update={"version": 2, "status": RegistrationStatus.CANCELLED}))
    smtp.may_go_on.set()

    rows = await notification.settled()

    assert Counter((row["kind"], row["state"]) for row in rows) == {
        ("confirmation", "superseded"): 1,
        ("cancelled", "sent"): 1,
    }
    assert len(smtp.received) == 1


async def test_an_organiser_has_a_failed_e_mail_tried_again(start: StartNotification, smtp_that: StartSmtp) -> None:
    smtp = await smtp_that("550 to RCPT")
    notification = await start_with(start, smtp)
    failed = await one(notification, until="failed")
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer a-token-for-tests"}) as session:
        async with session.post(f"{notification.url}/api/emails/{failed['id']}/retry") as answer:
            assert answer.status == 202

        await one(notification, until="sent")

        async with session.post(f"{notification.url}/api/emails/{failed['id']}/retry") as answer:
            assert answer.status == 409


def overhear(notification: Notification) -> list[Message]:
    """Return a list that fills with what is published from now on."""
    told: list[Message] = []
    publish = notification.bus.publish

    async def listen(message: Message) -> None:
        told.append(message)
        await publish(message)

    notification.bus.publish = listen  # type: ignore[method-assign] # to overhear what is published
    return told


async def first(told: list[Message], kind: str) -> Message:
    async def heard() -> Message | None:
        return next((message for message in told if message.type == kind), None)

    return await eventually(heard)


async def test_what_was_sent_is_told_to_whoever_listens(start: StartNotification, smtp_that: StartSmtp) -> None:
    notification = await start(smtp_url=f"smtp://127.0.0.1:{(await smtp_that()).port}")
    told = overhear(notification)
    await notification.learn(make_seminar(reminders=()), make_registration())

    message = await first(told, "email.sent")

    assert message.subject == str((await one(notification, until="sent"))["id"])


async def test_the_address_that_a_server_repeats_stays_in_the_row_and_out_of_the_message(
    start: StartNotification, smtp_that: StartSmtp
) -> None:
    notification = await start(smtp_url=f"smtp://127.0.0.1:{(await smtp_that('550 to RCPT')).port}")
    told, person = overhear(notification), make_registration()
    await notification.learn(make_seminar(reminders=()), person)

    message = await first(told, "email.failed")

    assert person.email not in message.model_dump_json()
    assert isinstance(message.data, EmailSnapshot)
    assert message.data.smtp_reply == "550 <[redacted]>: no"
    assert (await one(notification, until="failed"))["smtp_reply"] == f"550 <{person.email}>: no"


async def test_an_e_mail_that_cannot_be_written_fails_and_its_address_is_not_to_blame(
    notification: Notification,
) -> None:
    await notification.learn(make_seminar(reminders=()), make_registration(name="Kari\r\nBcc: evil@example.org"))

    failed = await one(notification, until="failed")

    assert failed["reason"] == "it could not be written"
    async with notification.database.connection() as connection:
        assert not await connection.fetchval("SELECT suppressed FROM registrations")


# --- claim, lease and fence ---


@pytest.fixture
async def quiet(new_database: NewDatabase) -> AsyncIterator[Connection]:
    """A database with one confirmation that is due, and no service that would send it."""
    async with open_database(await new_database("notification")) as database, database.connection() as connection:
        await owe_confirmations(connection, 1)
        yield connection


async def owe_confirmations(connection: Connection, count: int) -> None:
    await store.keep_seminar(connection, Kept(make_seminar()))
    for _ in range(count):
        person = make_registration()
        await store.keep_registration(connection, person)
        await store.insert_email(connection, person, Kind.CONFIRMATION, 1, person.registered_at, "a-correlation")


NOW = make_registration().registered_at


async def begin(connection: Connection, claim: store_claims.Claim, margin: float = 5) -> bool:
    """Look at the e-mail and note that its content is about to leave."""
    held = store_claims.Held(claim, (await store_claims.look_at(connection, [claim.id]))[claim.id])
    return claim.id in await store_claims.turn(connection, [], [held], margin, NOW)


async def mark_sent(connection: Connection, claim: store_claims.Claim) -> bool:
    """Note that the server took the e-mail over."""
    message = Message(source="/notification", type="email.sent", subject="", time=NOW, data=make_email_snapshot())
    return claim.id in await store_claims.turn(connection, [store_claims.Sent(claim, "250 ok", message)], [], 5, NOW)


PASSED = "UPDATE emails SET lease_until = clock_timestamp() - interval '1 second'"


async def test_a_claimed_e_mail_is_nobody_elses_until_its_lease_runs_out(
    quiet: Connection,
) -> None:
    (mine,) = await store_claims.claim(quiet, NOW, 60, 10, "a-replica")

    assert await store_claims.claim(quiet, NOW, 60, 10, "a-replica") == []
    await quiet.execute(PASSED)
    (theirs,) = await store_claims.claim(quiet, NOW, 60, 10, "another")
    assert (theirs.id, theirs.fence) == (mine.id, mine.fence + 1)
    assert await quiet.fetchval("SELECT claimed_by FROM emails") == "another"


async def test_whoever_lost_the_lease_can_neither_begin_nor_mark_nor_close_nor_give_back(
    quiet: Connection,
) -> None:
    (late,) = await store_claims.claim(quiet, NOW, 60, 10, "a-replica")
    await quiet.execute(PASSED)
    (current,) = await store_claims.claim(quiet, NOW, 60, 10, "a-replica")

    assert not await begin(quiet, late)
    assert not await mark_sent(quiet, late)
    assert not await store_claims.close(quiet, late, Verdict(State.FAILED, "no"))
    await store_claims.postpone(quiet, late, 0, None, ambiguous=True)
    row = await quiet.fetchrow("SELECT * FROM emails")
    assert row is not None
    assert (row["state"], row["fence"], row["ambiguous"]) == ("sending", current.fence, 0)


async def test_content_does_not_begin_to_leave_under_a_lease_that_ends_before_the_dialogue_can(
    quiet: Connection,
) -> None:
    (claim,) = await store_claims.claim(quiet, NOW, 10, 10, "a-replica")

    assert not await begin(quiet, claim, margin=30)


async def test_only_a_lease_lost_after_data_began_makes_a_copy_ambiguous(
    quiet: Connection,
) -> None:
    await store_claims.claim(quiet, NOW, 60, 10, "a-replica")
    await quiet.execute(PASSED)
    (again,) = await store_claims.claim(quiet, NOW, 60, 10, "a-replica")
    counted_before = await quiet.fetchval("SELECT ambiguous FROM emails")
    assert await begin(quiet, again)
    await quiet.execute(PASSED)

    (doubtful,) = await store_claims.claim(quiet, NOW, 60, 10, "a-replica")

    assert (counted_before, await quiet.fetchval("SELECT ambiguous FROM emails")) == (0, 1)
    assert (again.doubtful, doubtful.doubtful) == (False, True)


@pytest.mark.parametrize(
    ("misbehaviour", "outcome"),
    [("451 to RCPT", "postponed"), ("550 to RCPT", "failed"), ("drops after the dot", "ambiguous"), (None, "sent")],
)
async def test_prometheus_is_told_what_came_of_each_attempt(
    start: StartNotification, smtp_that: StartSmtp, misbehaviour: Misbehaviour | None, outcome: str
) -> None:
    notification = await start_with(start, await smtp_that(*filter(None, [misbehaviour])))

    async def counted() -> Scraped | None:
        async with aiohttp.ClientSession() as client, client.get(f"{notification.url}/metrics") as answer:
            metrics = await scraped(answer)
        return metrics if metrics.get("fagseminar_emails_total", kind="confirmation", outcome=outcome) == 1 else None

    metrics = await eventually(counted)

    settled = outcome in ("sent", "failed")
    assert metrics.get("fagseminar_email_lateness_seconds_count", kind="confirmation") == (outcome == "sent" or None)
    assert metrics.get("fagseminar_readings_up") == 1
    if not settled:
        assert metrics.get("fagseminar_emails_due", kind="confirmation") == 1
        assert (metrics.get("fagseminar_emails_overdue_seconds", kind="confirmation") or 0) > 0


async def test_what_should_have_left_is_told_and_what_never_will_is_not(quiet: Connection) -> None:
    before, late = await store.due(quiet, NOW - timedelta(hours=1)), await store.due(quiet, NOW + timedelta(hours=1))
    await quiet.execute(
        "INSERT INTO reminder_rules (seminar, rule, attendance, generation, due_at, expires_at)"
        " SELECT seminar, 'P1D', attendance, 2, $1, $1 FROM registrations",
        NOW,
    )
    await quiet.execute("UPDATE emails SET kind = 'reminder', rule = 'P1D', generation = 1")
    old_generation = await store.due(quiet, NOW + timedelta(hours=1))

    assert (before, [tuple(row) for row in late], old_generation) == ([], [("confirmation", 1, NOW)], [])


async def test_those_who_claim_at_once_never_get_the_same_e_mail(new_database: NewDatabase) -> None:
    async with open_database(await new_database("notification"), connections=6) as database:
        async with database.connection() as connection:
            await owe_confirmations(connection, 120)
        together = asyncio.Barrier(6)

        async def claim_some() -> list[store_claims.Claim]:
            async with database.connection() as connection:
                await together.wait()
                return await store_claims.claim(connection, NOW, 60, 20, "a-replica")

        claims = [claim for found in await asyncio.gather(*(claim_some() for _ in range(6))) for claim in found]

    assert len({claim.id for claim in claims}) == len(claims) == 120


def test_a_lease_that_a_dialogue_could_outlive_stops_the_start() -> None:
    with pytest.raises(ValidationError, match="LEASE_SECONDS: must be more than 5 s longer"):
        make_settings("postgresql://localhost/notification", lease_seconds=35, smtp_deadline_seconds=30)


async def test_messages_about_e_mails_carry_no_address(start: StartNotification, smtp_that: StartSmtp) -> None:
    notification = await start_with(start, await smtp_that())
    await one(notification, until="sent")

    async with notification.database.transaction() as connection:
        for row in await outbox.due(connection):
            assert "@solund" not in decode(row["body"]).model_dump_json()


@pytest.mark.parametrize(
    "name",
    ["=?utf-8?q?Kari=0D=0ABcc:_evil@example.org?=", "Kari\r\nBcc: evil@example.org", "Kari\x1b[2J", '"Kari" <x@y.no>'],
)
async def test_no_name_breaks_out_of_the_header_or_stops_the_others(notification: Notification, name: str) -> None:
    odd, other = make_registration(name=name), make_registration()
    await notification.learn(make_seminar(reminders=()), odd, other)

    rows = await notification.settled()

    assert {row["state"] for row in rows if row["registration"] == other.id} == {"sent"}
    for received in notification.mailbox.received.values():
        assert "Bcc" not in received.headers
        assert list(received.headers).count("To") == 1


# --- what has changed between the look and the content ---


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE registrations SET version = version + 1",
        "UPDATE registrations SET unsubscribed = true",
        "UPDATE registrations SET suppressed = true",
        "UPDATE seminars SET revision = revision + 1",
        "UPDATE emails SET fence = fence + 1",
        "UPDATE emails SET state = 'superseded'",
    ],
)
async def test_content_does_not_begin_to_leave_when_anything_has_changed_since_the_look(
    quiet: Connection, change: str
) -> None:
    (claim,) = await store_claims.claim(quiet, NOW, 60, 10, "a-replica")
    held = store_claims.Held(claim, (await store_claims.look_at(quiet, [claim.id]))[claim.id])
    await quiet.execute(change)

    assert await store_claims.turn(quiet, [], [held], 5, NOW) == set()
    assert await quiet.fetchval("SELECT data_begun_at FROM emails") is None


async def test_what_is_given_back_has_not_been_tried_and_waits_as_long_as_it_is_told(quiet: Connection) -> None:
    (claim,) = await store_claims.claim(quiet, NOW, 60, 10, "a-replica")
    await store_claims.give_back(quiet, [claim], [60.0])
    none = await store_claims.claim(quiet, NOW, 60, 10, "a-replica")
    attempts = await quiet.fetchval("SELECT attempts FROM emails")
    await quiet.execute("UPDATE emails SET retry_at = '-infinity'")

    (again,) = await store_claims.claim(quiet, NOW, 60, 10, "a-replica")

    assert (none, attempts) == ([], 0)
    assert not await begin(quiet, claim), "whoever gave it back holds nothing"
    assert await begin(quiet, again)


async def test_what_expires_soonest_leaves_first_and_answers_before_all(quiet: Connection) -> None:
    for number, urgency in enumerate(["2023-06-01Z", "2023-05-30Z", "2023-05-31Z"]):
        await quiet.execute(
            "INSERT INTO emails (registration, seminar, kind, generation, due_at, urgency)"
            " SELECT registration, seminar, 'seminar_changed', $1, $2, $3::text::timestamptz FROM emails LIMIT 1",
            number,
            NOW,
            urgency,
        )

    order = [(await store_claims.claim(quiet, NOW, 60, 1, "a-replica"))[0] for _ in range(4)]

    generations = [await quiet.fetchval("SELECT generation FROM emails WHERE id = $1", claim.id) for claim in order]
    assert order[0].kind is Kind.CONFIRMATION
    assert generations[1:] == [1, 2, 0]


# --- servers that want none now ---


async def test_a_server_that_hangs_up_with_421_is_left_alone_a_while_and_the_e_mail_is_not_to_blame(
    start: StartNotification, smtp_that: StartSmtp
) -> None:
    smtp = await smtp_that("421 to RCPT")
    notification = await start_with(start, smtp)
    postponed = await one(notification, until="pending")
    await hurry(notification)

    sent = await one(notification, until="sent")

    assert postponed["smtp_reply"].startswith("421")
    assert (sent["attempts"], sent["ambiguous"], len(smtp.received)) == (2, 0, 1)
    assert smtp.connections == 2


async def test_a_connection_is_kept_for_the_next_e_mail_also_after_a_refusal(
    start: StartNotification, smtp_that: StartSmtp
) -> None:
    smtp = await smtp_that("550 to RCPT")
    notification = await start_with(start, smtp, smtp_connections=1)
    await one(notification, until="failed")
    await notification.learn(make_registration())

    rows = await notification.settled()

    assert Counter(row["state"] for row in rows) == {"failed": 1, "sent": 1}
    assert smtp.connections == 1


async def test_a_body_is_sent_as_it_is_to_a_server_that_takes_it(
    start: StartNotification, smtp_that: StartSmtp
) -> None:
    encoded, plain = await smtp_that(), await smtp_that()
    plain.extensions = ["8BITMIME"]
    for smtp in (encoded, plain):
        await one(await start_with(start, smtp), until="sent")

    assert (encoded.options, plain.options) == ([b""], [b"BODY=8BITMIME"])
    assert encoded.received[0].isascii()
    assert "småkommuner".encode() in plain.received[0]


async def test_no_domain_gets_more_than_its_rate_and_nobody_else_waits_for_it(
    start: StartNotification, smtp_that: StartSmtp
) -> None:
    smtp = await smtp_that()
    notification = await start(smtp_url=f"smtp://127.0.0.1:{smtp.port}", smtp_domain_rate=1)
    many = [make_registration(email=f"p{number}@small.no") for number in range(8)]
    await notification.learn(make_seminar(reminders=()), *many, make_registration(email="kari@other.no"))

    await eventually(lambda: _sent(notification, "other.no"))

    rows = await notification.rows()
    assert Counter(row["state"] for row in rows)["sent"] < 5
    assert all(row["attempts"] <= 1 for row in rows), "who waits for a turn has not been tried"


async def _sent(notification: Notification, domain: str) -> bool:
    async with notification.database.connection() as connection:
        return bool(
            await connection.fetchval(
                "SELECT true FROM emails e JOIN registrations g ON g.id = e.registration"
                " WHERE e.state = 'sent' AND g.snapshot->>'email' LIKE '%' || $1",
                domain,
            )
        )


async def test_a_process_says_that_it_sends_and_what_the_server_answers(notification: Notification) -> None:
    async def seen() -> asyncpg.Record | None:
        async with notification.database.connection() as connection:
            return await connection.fetchrow("SELECT * FROM senders")

    row = await eventually(seen)

    assert (row["state"], row["replica"]) == ("ready", HOLDER)


async def test_a_mail_server_that_is_away_is_noticed_before_anything_is_to_be_sent(
    start: StartNotification, smtp_that: StartSmtp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.notification.delivery.SILENT", 0.05)
    monkeypatch.setattr("services.notification.delivery.ALIVE", 0.05)
    smtp = await smtp_that("421 to connect")
    notification = await start(smtp_url=f"smtp://127.0.0.1:{smtp.port}")

    async def said(state: str) -> asyncpg.Record | None:
        async with notification.database.connection() as connection:
            return await connection.fetchrow("SELECT smtp_reply FROM senders WHERE state = $1", state)

    away = await eventually(partial(said, "resting"))
    back = await eventually(partial(said, "ready"))

    assert "421 not now" in away["smtp_reply"]
    assert back["smtp_reply"] is None
    assert await notification.rows() == []
