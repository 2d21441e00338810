"""What people are told of changes, their own and the seminar's, and of the recording."""

from collections import Counter
from datetime import timedelta
from email import message_from_bytes
from email.policy import default

import pytest

from services.notification import store
from services.notification.model import QUIET
from shared.messages import Attendance, RegistrationSnapshot, RegistrationStatus
from tests.eventually import eventually
from tests.integration.notification.conftest import Notification
from tests.snapshots import END, START, make_registration, make_seminar

CONFIRMED, WAITLISTED, _ = RegistrationStatus
IN_PERSON, ONLINE = Attendance


def newer(registration: RegistrationSnapshot, **changes: object) -> RegistrationSnapshot:
    return registration.model_copy(update={"version": registration.version + 1, **changes})


async def told(notification: Notification) -> dict[str, int]:
    """Return how many e-mails of each kind were sent, besides the answers to sign-ups."""
    sent = Counter(row["kind"] for row in await notification.settled() if row["state"] == "sent")
    return {kind: count for kind, count in sent.items() if kind not in ("confirmation", "waiting_list")}


def text_to(notification: Notification, registration: RegistrationSnapshot) -> str:
    """Return the text of the last e-mail to somebody."""
    message = message_from_bytes(notification.mailbox.content(notification.to(registration)[-1].id), policy=default)
    part = message.get_body(("plain",))
    assert part
    return " ".join(part.get_content().split())


def wait(notification: Notification) -> None:
    notification.clock.move_to(notification.clock.now() + QUIET)


async def test_every_change_of_details_is_confirmed_after_a_while_and_several_at_once(
    notification: Notification,
) -> None:
    first = make_registration()
    await notification.learn(make_seminar(), first)
    await notification.settled()

    second = newer(first, name="Kari Hansen")
    await notification.learn(second, newer(second, language="nn"))
    at_once = await told(notification)
    wait(notification)

    assert at_once == {}
    assert await told(notification) == {"changed": 1}
    assert "vi har teke imot endringa di" in text_to(notification, first)


async def test_what_is_said_at_once_says_the_change_that_was_waiting_too(notification: Notification) -> None:
    first = make_registration(attendance=IN_PERSON)
    await notification.learn(make_seminar(), first)
    await notification.settled()

    second = newer(first, name="Kari Hansen")
    await notification.learn(second, newer(second, attendance=ONLINE))
    wait(notification)

    assert await told(notification) == {"switched": 1}


async def test_whoever_waits_when_the_list_closes_is_told_that_they_attend_online(notification: Notification) -> None:
    waiting = make_registration(attendance=IN_PERSON, status=WAITLISTED, confirmed_at=None)
    await notification.learn(make_seminar(), waiting)
    await notification.settled()

    closed = newer(waiting, attendance=ONLINE, status=CONFIRMED, cause="cut_off", confirmed_at=notification.clock.now())
    await notification.learn(closed)

    assert await told(notification) == {"cut_off": 1}
    assert "Du deltar digitalt i stedet" in text_to(notification, waiting)
    assert "/seminars/planstrategi-4-0/watch" in text_to(notification, waiting)


async def test_what_people_plan_by_is_told_in_one_notice_that_says_the_sum(notification: Notification) -> None:
    person = make_registration()
    await notification.learn(make_seminar(), person)
    await notification.settled()

    await notification.learn(make_seminar(revision=2, title="Planstrategi 5.0"))
    await notification.learn(make_seminar(revision=3, title="Planstrategi 5.0", start=START + timedelta(minutes=30)))
    wait(notification)

    assert await told(notification) == {"seminar_moved": 1}
    assert "Planstrategi 5.0" in text_to(notification, person)


async def test_what_is_changed_back_at_once_is_not_told(notification: Notification) -> None:
    await notification.learn(make_seminar(), make_registration())
    await notification.settled()

    await notification.learn(make_seminar(revision=2, title="Planstrategi 5.0"), make_seminar(revision=3))
    wait(notification)

    assert await told(notification) == {}
    assert [row["state"] for row in await notification.rows(kind="seminar_changed")] == ["superseded"]


@pytest.mark.parametrize("counted", [False, True])
async def test_the_recording_is_told_of_once_and_otherwise_to_who_missed_the_seminar(
    notification: Notification, *, counted: bool
) -> None:
    came, missed = make_registration(attendance=IN_PERSON), make_registration(attendance=IN_PERSON)
    watched, waited = make_registration(), make_registration(attendance=IN_PERSON, status=WAITLISTED)
    await notification.learn(make_seminar(reminders=()), came, missed, watched, waited)
    await notification.settled()
    if counted:
        await notification.learn(newer(came, checked_in_at=START), kind="registration.checked_in")
    notification.clock.move_to(END)

    recorded = make_seminar(reminders=(), revision=2, recorded=True)
    await notification.learn(recorded, make_seminar(reminders=(), revision=3))
    await notification.settled()
    await notification.learn(recorded.model_copy(update={"revision": 4}), kind="seminar.recording_published")

    assert await told(notification) == {"recording": 3}
    assert ("takk for at du kom" in text_to(notification, came)) is counted
    assert ("vi så deg ikke" in text_to(notification, missed)) is counted
    assert "opptaket av seminaret er klart" in text_to(notification, watched)


async def test_who_waits_and_attends_online_meanwhile_gets_the_link_and_the_reminders_of_those_online(
    notification: Notification,
) -> None:
    waits = make_registration(attendance=IN_PERSON, status=WAITLISTED, place=1, confirmed_at=None)
    meanwhile = make_registration(attendance=IN_PERSON, status=WAITLISTED, place=2, online_meanwhile=True)
    await notification.learn(make_seminar(), waits, meanwhile)
    await notification.settled()
    first = text_to(notification, meanwhile)
    async with notification.database.connection() as connection:
        planned = {
            (row["rule"], row["attendance"]): row["recipients"]
            for row in await store.reminders(connection, "planstrategi-4-0")
        }

    notification.clock.move_to(START - timedelta(minutes=15))

    async def reminded() -> bool:
        return bool(await notification.rows(kind="reminder", state="sent"))

    await eventually(reminded)
    assert await told(notification) == {"reminder": 1}
    assert planned["before_start PT15M", "online"] == 1
    assert planned["before_start P1D", "in_person"] == 0
    assert "inntil det blir en plass" in first
    assert "/seminars/planstrategi-4-0/watch" in first
