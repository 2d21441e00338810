"""What follows from what mail servers and calendars answer: as they pipe it, over a real database."""

import asyncio
import os
import sys
from uuid import UUID, uuid4

import pytest

from services.notification import store
from services.notification.addresses import envelope_sender, reply_address
from services.notification.inbound import EX_OK, EX_TEMPFAIL, handle
from services.notification.replies import read
from services.notification.settings import Settings
from shared.clock import SystemClock
from shared.messages import Attendance, EmailSnapshot, RegistrationSnapshot, RegistrationStatus
from tests.integration.notification.conftest import Notification, StartNotification, make_settings
from tests.integration.notification.test_changes import text_to
from tests.integration.notification.test_delivery import first, overhear
from tests.mail import make_reply, make_report
from tests.snapshots import make_registration, make_seminar

INBOUND = {"inbound_address": "svar@fagseminar.example.no"}
UID = "planstrategi-4-0@fagseminar.example.no"


@pytest.fixture
async def notification(start: StartNotification) -> Notification:
    return await start(**INBOUND)


async def comes(notification: Notification) -> RegistrationSnapshot:
    """Have somebody signed up, and their confirmation sent."""
    registration = make_registration()
    await notification.learn(make_seminar(), registration)
    await notification.settled()
    return registration


async def arrives(notification: Notification, content: bytes) -> int:
    return await handle(notification.settings, read(content), notification.clock)


async def is_suppressed(notification: Notification, registration: RegistrationSnapshot) -> bool:
    async with notification.database.connection() as connection:
        return bool(await connection.fetchval("SELECT suppressed FROM registrations WHERE id = $1", registration.id))


async def the_one(notification: Notification, kind: str = "confirmation") -> UUID:
    (row,) = await notification.rows(kind=kind)
    return UUID(str(row["id"]))


# --- bounces ---


async def test_an_address_that_takes_no_mail_gets_no_more_and_the_email_says_why(notification: Notification) -> None:
    registration = await comes(notification)
    email = await the_one(notification)
    report = make_report(envelope_sender(notification.settings, email), registration.email)

    status = await arrives(notification, report)

    (row,) = await notification.rows()
    assert status == EX_OK
    assert (row["state"], row["reason"]) == ("bounced", "returned: 5.1.1")
    assert "User unknown" in row["smtp_reply"]
    assert await is_suppressed(notification, registration)


async def test_the_envelope_names_the_email_it_is_returned_for(notification: Notification) -> None:
    registration = await comes(notification)
    email = await the_one(notification)

    raw = notification.mailbox.content(notification.to(registration)[0].id).decode()

    assert envelope_sender(notification.settings, email) in raw.replace("\r\n ", " ")


@pytest.mark.parametrize("tag", ["a2" * 21, "aa" * 21, ""])
async def test_nobody_can_forge_a_bounce(notification: Notification, tag: str) -> None:
    registration = await comes(notification)
    others = envelope_sender(make_settings("postgresql://x", **INBOUND, secret_key="a-key-of-somebody-else"), uuid4())
    for address in (f"svar+{tag}@fagseminar.example.no", others):
        assert await arrives(notification, make_report(address, registration.email)) == EX_OK

    (row,) = await notification.rows()
    assert row["state"] == "sent"
    assert not await is_suppressed(notification, registration)


async def test_the_address_that_a_calendar_knows_proves_no_bounce(notification: Notification) -> None:
    registration = await comes(notification)

    await arrives(notification, make_report(reply_address(notification.settings, registration.id), registration.email))

    assert [row["state"] for row in await notification.rows()] == ["sent"]


async def test_a_bounce_that_arrives_twice_has_one_effect(notification: Notification) -> None:
    registration = await comes(notification)
    email = await the_one(notification)
    report = make_report(envelope_sender(notification.settings, email), registration.email)
    await arrives(notification, report)
    async with notification.database.transaction() as connection:  # as when an organiser has it sent once more
        await connection.execute("UPDATE emails SET state = 'sent'")
        await connection.execute("UPDATE registrations SET suppressed = false")

    await arrives(notification, report)

    assert [row["state"] for row in await notification.rows()] == ["sent"]
    assert not await is_suppressed(notification, registration)


async def test_a_delay_changes_nothing(notification: Notification) -> None:
    registration = await comes(notification)
    sender = envelope_sender(notification.settings, await the_one(notification))

    await arrives(notification, make_report(sender, registration.email, action="delayed", status="4.4.1"))

    assert [row["state"] for row in await notification.rows()] == ["sent"]


async def test_what_was_tried_for_days_has_bounced_but_the_address_may_take_the_next(
    notification: Notification,
) -> None:
    registration = await comes(notification)
    sender = envelope_sender(notification.settings, await the_one(notification))

    await arrives(notification, make_report(sender, registration.email, status="4.4.7"))

    assert [row["state"] for row in await notification.rows()] == ["bounced"]
    assert not await is_suppressed(notification, registration)


async def test_an_old_address_that_takes_no_mail_does_not_silence_the_new_one(notification: Notification) -> None:
    registration = await comes(notification)
    sender = envelope_sender(notification.settings, await the_one(notification))
    moved = registration.model_copy(update={"version": 2, "email": "kari@new.example.no"})
    await notification.learn(moved)

    await arrives(notification, make_report(sender, registration.email))

    assert not await is_suppressed(notification, moved)


async def test_a_bounce_is_told_of_without_the_address(notification: Notification) -> None:
    registration = await comes(notification)
    email = await the_one(notification)
    told = overhear(notification)

    await arrives(notification, make_report(envelope_sender(notification.settings, email), registration.email))

    message = await first(told, "email.bounced")
    assert message.subject == str(email)
    assert registration.email not in message.model_dump_json()
    assert isinstance(message.data, EmailSnapshot)
    assert "User unknown" in (message.data.smtp_reply or "")


async def test_an_email_that_came_back_can_be_sent_once_more(notification: Notification) -> None:
    registration = await comes(notification)
    email = await the_one(notification)
    await arrives(notification, make_report(envelope_sender(notification.settings, email), registration.email))

    async with notification.database.transaction() as connection:
        assert await store.retry(connection, email) == "bounced"

    await notification.settled()
    assert [row["state"] for row in await notification.rows()] == ["sent"]
    assert len(notification.to(registration)) == 2


# --- declines ---


async def offers(notification: Notification) -> int:
    return sum(row["state"] == "sent" for row in await notification.settled() if row["kind"] == "declined")


async def test_who_declines_is_offered_to_cancel_and_is_still_signed_up(notification: Notification) -> None:
    registration = await comes(notification)

    await arrives(notification, make_reply(reply_address(notification.settings, registration.id), UID))

    assert await offers(notification) == 1
    mail = notification.to(registration)[-1]
    assert mail.subject.startswith("Du har takket nei i kalenderen: ")
    assert "/my/" in text_to(notification, registration)
    assert b"text/calendar" not in notification.mailbox.content(mail.id)
    async with notification.database.connection() as connection:
        standing = await store.get_registration(connection, registration.id)
    assert standing == registration


async def test_who_declines_again_is_not_asked_again_until_their_registration_has_changed(
    notification: Notification,
) -> None:
    registration = await comes(notification)
    decline = make_reply(reply_address(notification.settings, registration.id), UID)
    for _ in range(3):
        await arrives(notification, decline)
    once = await offers(notification)
    await notification.learn(registration.model_copy(update={"version": 2, "attendance": Attendance.IN_PERSON}))

    await arrives(notification, decline)

    assert (once, await offers(notification)) == (1, 2)


async def test_without_a_tag_the_one_it_claims_to_be_from_is_asked(start: StartNotification) -> None:
    notification = await start()
    registration = await comes(notification)

    await arrives(notification, make_reply("post@fagseminar.example.no", UID, sender=registration.email.upper()))
    await arrives(notification, make_reply("post@fagseminar.example.no", UID, sender="stranger@example.org"))

    assert await offers(notification) == 1


@pytest.mark.parametrize("uid", ["another-seminar@fagseminar.example.no", "", "@", "x" * 5000])
async def test_a_decline_of_anything_else_is_ignored(notification: Notification, uid: str) -> None:
    registration = await comes(notification)

    assert await arrives(notification, make_reply(reply_address(notification.settings, registration.id), uid)) == EX_OK

    assert await offers(notification) == 0


@pytest.mark.parametrize("status", [RegistrationStatus.CANCELLED, RegistrationStatus.WAITLISTED])
async def test_who_has_no_seat_is_offered_nothing(notification: Notification, status: RegistrationStatus) -> None:
    registration = await comes(notification)
    await notification.learn(registration.model_copy(update={"version": 2, "status": status}))

    await arrives(notification, make_reply(reply_address(notification.settings, registration.id), UID))

    assert await offers(notification) == 0


async def test_an_auto_reply_is_never_answered(notification: Notification) -> None:
    registration = await comes(notification)
    address = reply_address(notification.settings, registration.id)

    assert await arrives(notification, make_reply(address, UID, headers="Auto-Submitted: auto-replied")) == EX_OK

    assert await offers(notification) == 0


async def test_our_own_emails_come_back_to_no_effect(notification: Notification) -> None:
    registration = await comes(notification)
    await arrives(notification, make_reply(reply_address(notification.settings, registration.id), UID))
    await offers(notification)

    for mail in notification.to(registration):
        assert await arrives(notification, notification.mailbox.content(mail.id)) == EX_OK

    assert await offers(notification) == 1
    assert len(notification.to(registration)) == 2


# --- as a mail server pipes it ---


async def piped(settings: Settings, content: bytes, *recipients: str) -> tuple[int | None, str]:
    """Return the exit status and the log."""
    names = ("database_url", "public_url", "secret_key", "organiser_tokens", "smtp_url", "mail_from", "inbound_address")
    environment = {name.upper(): str(getattr(settings, name)) for name in names} | {"BUS_URL": "amqp://nobody.invalid"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.notification", "inbound", *recipients),
        env=os.environ | environment,
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, log = await process.communicate(content)
    return process.returncode, log.decode()


async def test_a_mail_server_pipes_a_report_and_is_told_that_it_is_done(notification: Notification) -> None:
    registration = await comes(notification)
    sender = envelope_sender(notification.settings, await the_one(notification))

    status, log = await piped(notification.settings, make_report("somebody@example.org", registration.email), sender)

    assert status == EX_OK, log
    assert [row["state"] for row in await notification.rows()] == ["bounced"]
    assert len(log.splitlines()) == 1
    assert "bounced: status 5.1.1" in log
    assert registration.email not in log


async def test_without_the_database_the_mail_server_keeps_the_message() -> None:
    settings = make_settings("postgresql://nobody@127.0.0.1:1/nothing", **INBOUND)

    status, log = await piped(settings, make_report(envelope_sender(settings, uuid4())))

    assert status == EX_TEMPFAIL, log
    assert len(log.splitlines()) == 1


@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 1000, b"Auto-Submitted: auto-replied\n\nI am on holiday"])
async def test_what_is_ignored_needs_no_database(content: bytes) -> None:
    settings = make_settings("postgresql://nobody@127.0.0.1:1/nothing", **INBOUND)

    assert await handle(settings, read(content), SystemClock()) == EX_OK
