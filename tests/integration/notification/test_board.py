"""The confidence board over HTTP: its numbers are the database's, and it turns red before the moment."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from uuid import UUID

import pytest

from services.notification import store_board
from shared.database import Connection
from shared.messages import Attendance, RegistrationStatus
from tests.eventually import eventually
from tests.integration.notification.conftest import Notification
from tests.integration.notification.desk import HERE, Desk, signed_in
from tests.snapshots import BEGINNING, START, make_registration, make_seminar


@pytest.fixture
async def desk(notification: Notification) -> AsyncIterator[Desk]:
    async with signed_in(notification) as desk:
        yield desk


async def execute(notification: Notification, statement: str) -> None:
    async with notification.database.transaction() as connection:
        await connection.execute(statement)


async def seen(notification: Notification) -> None:
    """Return once the sender has shown a sign of life."""

    async def look() -> bool:
        async with notification.database.connection() as connection:
            return bool(await connection.fetchval("SELECT count(*) FROM senders"))

    await eventually(look)


async def test_before_the_moment_it_says_how_many_reminders_will_go_out_and_when(
    notification: Notification, desk: Desk
) -> None:
    people = [make_registration() for _ in range(3)]
    here = make_registration(attendance=Attendance.IN_PERSON)
    waiting = make_registration(attendance=Attendance.IN_PERSON, status=RegistrationStatus.WAITLISTED)
    await notification.learn(make_seminar(), *people, here, waiting)
    await notification.settled()
    await seen(notification)
    await execute(notification, f"UPDATE registrations SET unsubscribed = true WHERE id = '{people[0].id}'")

    page = await desk.shown()

    assert "Alle 3 påminnelsene går ut 31. mai kl. 10.00." in page
    assert "Har meldt seg på, På nett 3" in page
    assert "På venteliste, Møte opp 1" in page
    assert "Bekreftelser som e-posttjeneren tok imot 4" in page
    assert "1 dag før start, På nett Får den 2 Har bedt om å slippe 1" in page
    assert "15 minutter før start, På nett Får den 2" in page


async def test_one_address_that_takes_no_e_mail_is_said_before_the_moment(
    notification: Notification, desk: Desk
) -> None:
    bad = make_registration()
    await notification.learn(make_seminar(), bad, make_registration())
    await notification.settled()
    await seen(notification)
    await execute(notification, f"UPDATE registrations SET suppressed = true WHERE id = '{bad.id}'")

    assert "1 av 2 påminnelser går ut 31. mai kl. 10.00. De andre adressene tar ikke imot e-post." in await desk.shown()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE senders SET seen_at = clock_timestamp() - interval '5 minutes'", "ble sett for 6 min siden"),
        ("DELETE FROM senders", "Ingen avsender er sett"),
        ("UPDATE senders SET state = 'resting', smtp_reply = '421 <b>too many</b>'", "svarte: 421 <b>too many</b>"),
        (
            "UPDATE emails SET state = 'failed', due_at = due_at + interval '1 hour', smtp_reply = '554 relay denied'",
            "svarte: 554 relay denied",
        ),
        ("UPDATE reminder_rules SET due_at = due_at - interval '30 days', state = 'scheduled'", "Køen står"),
    ],
    ids=["gone", "never there", "wanted by nobody", "refused", "unwritten"],
)
async def test_it_is_red_before_the_moment_when_something_is_wrong(
    notification: Notification, desk: Desk, statement: str, said: str
) -> None:
    await notification.learn(make_seminar(), *(make_registration() for _ in range(4)))
    await notification.settled()
    await seen(notification)
    notification.clock.move_to(BEGINNING + timedelta(hours=2))
    _, before = await desk.get()
    await execute(notification, statement)

    _, page = await desk.get()

    assert 'data-color="success" id="verdict"' in before
    assert 'data-color="danger" id="verdict"' in page
    assert said in " ".join(unescape(re.sub(r"</?(code|p|h2|div)[^>]*>", " ", page)).split())
    assert "<b>too many" not in page


async def test_the_queue_stands_when_what_was_due_a_minute_ago_is_in_nobodys_hands(notification: Notification) -> None:
    busy = make_registration()
    await notification.learn(make_seminar(), make_registration(), busy)
    await notification.settled()
    in_hand = f"state = 'sending', lease_until = clock_timestamp() + interval '1 min' WHERE registration = '{busy.id}'"

    async def stands(connection: Connection, change: str) -> bool:
        await connection.execute(f"UPDATE emails SET {change}")
        now = notification.clock.now() + timedelta(minutes=2)
        return (await store_board.health(connection, "planstrategi-4-0", now)).stands

    async with notification.database.pool.acquire() as connection:
        unseen = connection.transaction()  # by the sender, which would put it right at once
        await unseen.start()
        assert not await stands(connection, "retry_at = retry_at")
        assert await stands(connection, "state = 'pending'")
        assert not await stands(connection, "retry_at = 'infinity'"), "one that rests after a refusal"
        assert await stands(connection, "retry_at = '-infinity'")
        assert not await stands(connection, in_hand), "somebody is at it, however late"
        await unseen.rollback()


async def test_after_the_moment_it_says_how_many_were_sent_and_why_others_were_not(
    notification: Notification, desk: Desk
) -> None:
    people = [make_registration() for _ in range(3)]
    await notification.learn(make_seminar(), *people)
    await notification.settled()
    await seen(notification)
    notification.clock.move_to(START - timedelta(hours=20))

    async def reminded() -> bool:
        return len(await notification.rows(kind="reminder", state="sent")) == 3

    await eventually(reminded)
    bounced = "UPDATE emails SET state = 'bounced', reason = 'returned: 5.1.1', smtp_reply = '550 no such user'"
    await execute(notification, f"{bounced} WHERE kind = 'reminder' AND registration = '{people[1].id}'")
    await notification.learn(make_seminar(revision=2, reminders=make_seminar().reminders[:1]))

    page = await desk.shown()

    assert "Av 3 påminnelser 31. mai kl. 10.00 ble 2 sendt. Ikke fram: 1." in page
    assert "Hvorfor: 1: den kom i retur: 5.1.1 550 no such user" in page


async def test_every_number_leads_to_as_many_e_mails(notification: Notification, desk: Desk) -> None:
    await notification.learn(make_seminar(), *(make_registration() for _ in range(6)))
    await notification.settled()
    states = ["state = 'failed'", "state = 'bounced'", "state = 'pending', attempts = 2, retry_at = 'infinity'"]
    states += ["ambiguous = 1", "state = 'skipped'"]
    for row, state in zip(await notification.rows(), states, strict=False):
        await execute(notification, f"UPDATE emails SET {state} WHERE id = '{row['id']}'")

    _, page = await desk.get()
    numbers = set(re.findall(rf'href="({HERE}/list\?[^"]+)">(\d+)<', page))

    assert {number for _, number in numbers} == {"1", "2"}
    for href, number in numbers:
        _, found = await desk.get(unescape(href).removeprefix(HERE))
        assert found.count('class="ds-card email"') == int(number), href


async def test_of_a_seminar_that_nobody_was_told_of_it_says_so(desk: Desk) -> None:
    status, page = await desk.get("-2")

    assert status == 404
    assert "Ingen har fått vite om dette seminaret ennå" in page


@pytest.mark.parametrize("slug", ["planstrategi-4-0", "another"])
async def test_every_page_is_for_organisers(notification: Notification, desk: Desk, slug: str) -> None:
    await notification.learn(make_seminar())
    pages = ["", "/list", f"/people/{UUID(int=1)}", "/log", "/rehearsal", "/wording", "/wording/reminder"]
    for page in [*pages, "/preview?kind=reminder"]:
        path = f"/organiser/emails/{slug}{page}"
        async with desk.client.get(path, headers={"Cookie": ""}, allow_redirects=False) as answer:
            assert (answer.status, "/organiser/sign-in" in answer.headers["Location"]) == (303, True), page


@pytest.mark.parametrize("language", ["nb", "nn", "en"])
async def test_it_speaks_every_language(notification: Notification, desk: Desk, language: str) -> None:
    await notification.learn(make_seminar(), make_registration())
    await notification.settled()
    await seen(notification)
    said = {
        "nb": "Den eneste påminnelsen går ut",
        "nn": "Den einaste påminninga går ut",
        "en": "The only reminder will",
    }

    assert said[language] in await desk.shown(language=language)
