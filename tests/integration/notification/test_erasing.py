"""Forgetting people: nothing more is written to them, nothing of them stays, and no older message brings them back."""

import json
from uuid import uuid4

from shared import erasing
from shared.dead_letters import LocalDeadQueue
from shared.messages import ErasedRegistration, Message, RegistrationSnapshot, encode
from tests.integration.notification.conftest import Notification
from tests.snapshots import BEGINNING, make_message, make_registration, make_seminar

CANARY = "Kanarifugl"
QUEUE = "notification.registration"


def erased(registration: RegistrationSnapshot) -> Message:
    data = ErasedRegistration(id=registration.id, version=registration.version + 1, seminar=registration.seminar)
    return Message(
        source="/registration", type="registration.erased", subject=str(registration.id), time=BEGINNING, data=data
    )


async def everything(notification: Notification) -> str:
    """Return all that stands in the service's tables."""
    async with notification.database.connection() as connection:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        found = [await connection.fetch(f"SELECT t::text FROM {name} t") for (name,) in tables]
    return json.dumps([[row["t"] for row in rows] for rows in found])


async def test_who_is_erased_is_in_no_table_and_what_was_sent_still_counts(notification: Notification) -> None:
    somebody = make_registration(name=CANARY, email=f"{CANARY}@example.org")
    await notification.learn(make_seminar(), somebody)
    await notification.settled()
    assert CANARY in await everything(notification)

    await notification.bus.publish(erased(somebody))

    assert CANARY.lower() not in (await everything(notification)).lower()
    assert [(row["kind"], row["state"]) for row in await notification.rows()] == [("confirmation", "sent")]


async def test_what_waits_for_who_is_erased_never_leaves(notification: Notification) -> None:
    somebody = make_registration(email=f"{CANARY}@example.org")
    await notification.learn(somebody)  # of a seminar that is not known yet, so its confirmation waits
    (waiting,) = await notification.rows()
    assert waiting["state"] == "pending"

    await notification.bus.publish(erased(somebody))
    await notification.learn(make_seminar())

    (closed,) = await notification.settled()
    assert (closed["state"], closed["reason"]) == ("skipped", "the recipient is erased")
    assert notification.mailbox.received == {}


async def test_an_older_message_does_not_bring_back_who_is_erased(notification: Notification) -> None:
    somebody = make_registration(name=CANARY, email=f"{CANARY}@example.org")
    await notification.learn(make_seminar())

    await notification.bus.publish(erased(somebody))
    await notification.learn(somebody)
    await notification.learn(somebody.model_copy(update={"link_request": 1}), kind="registration.link_requested")

    assert CANARY not in await everything(notification)
    assert {row["state"] for row in await notification.settled()} == {"skipped"}
    assert notification.mailbox.received == {}


async def test_dead_letters_about_who_is_erased_are_dropped_and_others_stay(notification: Notification) -> None:
    gone, stays = make_registration(name=CANARY), make_registration(name="Ola", id=uuid4())
    async with notification.database.connection() as connection:
        for somebody in (gone, stays):
            message = make_message(somebody)
            await connection.execute(
                "INSERT INTO local_deliveries (queue, message_id, type, body, attempts, retry_at, dead, error)"
                " VALUES ($1, $2, $3, $4, 6, clock_timestamp(), true, 'poison')",
                QUEUE,
                message.id,
                message.type,
                encode(message).decode(),
            )
    await notification.bus.publish(erased(gone))

    await erasing.drop_letters(notification.database, [LocalDeadQueue(notification.settings.database_url, QUEUE)])

    letters = await LocalDeadQueue(notification.settings.database_url, QUEUE).letters()
    assert [json.loads(letter.body)["data"]["name"] for letter in letters] == ["Ola"]
    assert CANARY not in await everything(notification)
