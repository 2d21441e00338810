"""What e-mails do to the entry in somebody's calendar, read by two readers: one entry that follows what is true."""

from email import message_from_bytes
from email.policy import default
from typing import NamedTuple

import pytest
from icalendar import Calendar, Component

from services.notification.addresses import reply_address
from shared.messages import Attendance, RegistrationSnapshot, RegistrationStatus, Venue
from tests import rfc5545
from tests.integration.notification.conftest import Notification, StartNotification
from tests.integration.notification.test_changes import newer, wait
from tests.snapshots import START, make_registration, make_seminar

CONFIRMED, WAITLISTED, CANCELLED = RegistrationStatus
IN_PERSON, ONLINE = Attendance
WATCH = "https://fagseminar.example.no/seminars/planstrategi-4-0/watch"


class Update(NamedTuple):
    """What one e-mail does to the entry."""

    kind: str
    method: str
    event: Component
    other: rfc5545.Component  # the same event, as the other reader reads it


def updates(notification: Notification, registration: RegistrationSnapshot) -> list[Update]:
    """Return what the e-mails to somebody do to their calendar, in the order they came."""
    found = []
    for mail in notification.to(registration):
        message = message_from_bytes(notification.mailbox.content(mail.id), policy=default)
        for part in message.walk():
            if part.get_content_type() == "text/calendar":
                content = part.get_payload(decode=True)
                assert isinstance(content, bytes)
                (event,) = Calendar.from_ical(content).walk("VEVENT")
                strict = rfc5545.read(content)
                method = strict.line("METHOD").value
                assert part.get_param("method") == method
                found.append(Update(mail.subject, method, event, strict.all("VEVENT")[0]))
    return found


async def learnt(notification: Notification, *told: object) -> None:
    await notification.learn(*told)  # type: ignore[arg-type] # seminars and registrations
    await notification.settled()


async def test_one_entry_follows_a_move_a_switch_a_withdrawal_and_signing_up_anew(notification: Notification) -> None:
    first = make_registration(attendance=ONLINE)
    await learnt(notification, make_seminar(reminders=()), first)
    moved = make_seminar(
        reminders=(), revision=2, start=START.replace(hour=9), venue=Venue(name="Annen sal", address="Oslo")
    )
    await learnt(notification, moved)
    wait(notification)
    await notification.settled()
    switched = newer(first, attendance=IN_PERSON)
    await learnt(notification, switched)
    await learnt(notification, newer(switched, status=CANCELLED))
    anew = make_registration(email=first.email)
    await learnt(notification, anew)

    done = updates(notification, first)

    assert [update.method for update in done] == ["REQUEST", "REQUEST", "REQUEST", "CANCEL", "REQUEST"]
    assert {str(update.event["UID"]) for update in done} == {"planstrategi-4-0@fagseminar.example.no"}
    sequences = [int(update.other.line("SEQUENCE").value) for update in done]
    assert sequences == sorted(set(sequences)), "each is newer than the one before"
    assert [str(update.event["LOCATION"]) for update in done] == [
        WATCH,
        WATCH,
        "Annen sal, Oslo",
        "Annen sal, Oslo",
        WATCH,
    ]
    assert [update.event.decoded("DTSTART") == moved.start for update in done] == [False, True, True, True, True]
    assert [len(update.other.all("VALARM")) for update in done] == [1, 1, 1, 0, 1]
    assert {str(update.event["ATTENDEE"]) for update in done} == {f"mailto:{first.email}"}
    assert str(done[3].event["STATUS"]) == "CANCELLED"


async def test_whoever_attends_finds_the_place_or_the_one_address_to_watch_at(notification: Notification) -> None:
    there, here = make_registration(attendance=IN_PERSON), make_registration(attendance=ONLINE)
    await learnt(notification, make_seminar(reminders=()), there, here)

    ((in_person,), (online,)) = (updates(notification, person) for person in (there, here))

    assert str(in_person.event["LOCATION"]) == "Akersgata 64, Oslo"
    assert in_person.other.line("URL").value == "https://fagseminar.example.no/seminars/planstrategi-4-0"
    assert str(online.event["LOCATION"]) == online.other.line("URL").value == WATCH


async def test_a_cancelled_seminar_takes_the_entry_away(notification: Notification) -> None:
    registration = make_registration()
    await learnt(notification, make_seminar(reminders=()), registration)
    await learnt(notification, make_seminar(reminders=(), revision=2, status="cancelled"))

    assert [update.method for update in updates(notification, registration)] == ["REQUEST", "CANCEL"]


@pytest.mark.parametrize(("meanwhile", "methods"), [(False, ["REQUEST", "CANCEL"]), (True, ["REQUEST", "REQUEST"])])
async def test_who_gives_up_a_place_in_order_to_wait_has_an_entry_only_if_they_attend_online_meanwhile(
    notification: Notification, *, meanwhile: bool, methods: list[str]
) -> None:
    registration = make_registration(attendance=ONLINE)
    await learnt(notification, make_seminar(reminders=()), registration)
    await learnt(notification, newer(registration, attendance=IN_PERSON, status=WAITLISTED, online_meanwhile=meanwhile))

    done = updates(notification, registration)

    assert [update.method for update in done] == methods
    assert meanwhile == (str(done[-1].event["LOCATION"]) == WATCH and str(done[-1].event["STATUS"]) == "CONFIRMED")


async def test_who_waits_from_the_beginning_has_nothing_in_their_calendar(notification: Notification) -> None:
    registration = make_registration(attendance=IN_PERSON, status=WAITLISTED, confirmed_at=None)
    await learnt(notification, make_seminar(reminders=()), registration)

    assert updates(notification, registration) == []
    assert len(notification.to(registration)) == 1


async def test_the_organiser_is_the_address_that_calendars_answer_to_and_stays_the_same(
    start: StartNotification,
) -> None:
    notification = await start(inbound_address="svar@fagseminar.example.no")
    registration = make_registration(attendance=ONLINE)
    await learnt(notification, make_seminar(reminders=()), registration)
    await learnt(notification, newer(registration, attendance=IN_PERSON))

    organisers = [str(update.event["ORGANIZER"]) for update in updates(notification, registration)]

    assert organisers == [f"mailto:{reply_address(notification.settings, registration.id)}"] * 2
