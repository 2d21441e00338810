from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import aiohttp
import asyncpg
import pytest

from services.notification.model import TO_PEOPLE, Kind
from shared import tokens
from shared.database import Database
from shared.messages import Attendance, RegistrationStatus, Venue
from tests.eventually import eventually
from tests.integration.notification.conftest import Notification
from tests.snapshots import DAY_BEFORE, QUARTER_BEFORE, make_registration, make_seminar

SLUG = "planstrategi-4-0"
DOCUMENT = {
    "slug": SLUG,
    "title": "Planstrategi 4.0 – småkommuner og de gode hjelperne",
    "start": "2023-06-01T10:00",
    "end": "2023-06-01T13:15",
    "zone": "Europe/Oslo",
    "venue": {"name": "Akersgata 64", "address": "Akersgata 64, Oslo"},
    "attendance": {"in_person": {"capacity": 60, "deadline": "2023-05-29T23:59:59"}, "online": {"capacity": None}},
    "reminders": [{"before_start": "P1D"}, {"before_start": "PT15M", "attendance": ["online"]}],
    "serving": [{"title": "passed over"}],
}
HALF_AN_HOUR_LATER = DOCUMENT | {"start": "2023-06-01T10:30", "end": "2023-06-01T13:45"}


@pytest.fixture
async def organiser(notification: Notification) -> AsyncIterator[aiohttp.ClientSession]:
    bearer = {"Authorization": "Bearer a-token-for-tests"}
    async with aiohttp.ClientSession(notification.url, headers=bearer) as session:
        yield session


async def rehearse(organiser: aiohttp.ClientSession, change: object = None, *, seminar: str = SLUG) -> Any:
    body = {"seminar": seminar} | ({"change": change} if change else {})
    async with organiser.post("/api/rehearsals", json=body) as answer:
        return (await answer.json()) | {"http": answer.status}


async def show(organiser: aiohttp.ClientSession, accept: str = "text/html", **query: str) -> aiohttp.ClientResponse:
    query = {"seminar": SLUG, "kind": "reminder", "attendance": "online", "language": "nn"} | query
    async with organiser.get(f"/api/rehearsals/preview?{urlencode(query)}", headers={"Accept": accept}) as answer:
        await answer.read()
        return answer


async def test_an_organiser_sees_which_reminders_will_go_out_to_how_many_and_in_which_words(
    notification: Notification, organiser: aiohttp.ClientSession
) -> None:
    people = [make_registration(language=language) for language in ("nb", "nn", "nn", "en")]
    in_person = make_registration(attendance=Attendance.IN_PERSON)
    waiting = make_registration(attendance=Attendance.IN_PERSON, status=RegistrationStatus.WAITLISTED)
    await notification.learn(make_seminar(), *people, in_person, waiting)
    await notification.settled()

    answer = await rehearse(organiser)

    told = [(item["rule"], item["attendance"], item["language"], item["recipients"]) for item in answer["items"]]
    assert told == [
        ("before_start P1D", "in_person", "nb", 1),
        ("before_start P1D", "online", "en", 1),
        ("before_start P1D", "online", "nb", 1),
        ("before_start P1D", "online", "nn", 2),
        ("before_start PT15M", "online", "en", 1),
        ("before_start PT15M", "online", "nb", 1),
        ("before_start PT15M", "online", "nn", 2),
    ]
    assert {item["due_at"] for item in answer["items"]} == {"2023-05-31T08:00:00Z", "2023-06-01T07:45:00Z"}
    assert answer["items"][2]["subject"] == "Påminnelse: Planstrategi 4.0 – småkommuner og de gode hjelperne"
    assert (answer["next"], "difference" in answer) == (None, False)


async def test_before_a_move_one_sees_which_reminders_move_and_how_many_will_be_told(
    notification: Notification, organiser: aiohttp.ClientSession
) -> None:
    waiting = make_registration(attendance=Attendance.IN_PERSON, status=RegistrationStatus.WAITLISTED)
    gone = make_registration(status=RegistrationStatus.CANCELLED)
    await notification.learn(make_seminar(), make_registration(), make_registration(), waiting, gone)
    await notification.settled()

    answer = await rehearse(organiser, HALF_AN_HOUR_LATER)

    assert answer["difference"] == {
        "reminders": {"moved": 2, "added": 0, "removed": 0, "closed": 0},
        "notices": {"kind": "seminar_moved", "recipients": 3},
        "items_before": 2,
        "items_after": 4,
    }
    assert [(item["kind"], item["due_at"]) for item in answer["items"]][2:] == [
        ("reminder", "2023-05-31T08:30:00Z"),
        ("reminder", "2023-06-01T08:15:00Z"),
    ]
    assert {item["preview_url"] for item in answer["items"]} == {None}


async def test_before_cancelling_one_sees_that_everyone_is_told_and_nobody_reminded(
    notification: Notification, organiser: aiohttp.ClientSession
) -> None:
    await notification.learn(make_seminar(), make_registration())
    await notification.settled()

    answer = await rehearse(organiser, DOCUMENT | {"cancelled": True})

    assert [(item["kind"], item["recipients"]) for item in answer["items"]] == [("seminar_cancelled", 1)]
    assert answer["difference"]["reminders"]["removed"] == 2


async def test_a_reminder_whose_new_moment_is_past_is_said_to_be_closed(
    notification: Notification, organiser: aiohttp.ClientSession
) -> None:
    await notification.learn(make_seminar(), make_registration())
    await notification.settled()

    answer = await rehearse(organiser, DOCUMENT | {"start": "2023-05-22T15:00"})

    assert answer["difference"]["reminders"] == {"moved": 1, "added": 0, "removed": 0, "closed": 1}


async def test_the_same_document_again_makes_no_difference(
    notification: Notification, organiser: aiohttp.ClientSession
) -> None:
    await notification.learn(make_seminar(), make_registration())
    await notification.settled()

    answer = await rehearse(organiser, DOCUMENT)

    assert answer["difference"] == {
        "reminders": {"moved": 0, "added": 0, "removed": 0, "closed": 0},
        "notices": {"kind": None, "recipients": 0},
        "items_before": 2,
        "items_after": 2,
    }


async def test_what_waits_to_be_sent_is_shown_too(notification: Notification, organiser: aiohttp.ClientSession) -> None:
    await notification.learn(make_seminar(reminders=()), make_registration())
    await notification.settled()
    await notification.learn(make_seminar(revision=2, reminders=(), venue=Venue(name="Digs", address="Storgata 1")))

    items = (await rehearse(organiser))["items"]

    assert [(item["kind"], item["recipients"]) for item in items] == [("seminar_moved", 1)]


async def test_a_rehearsal_is_read_in_a_transaction_that_cannot_write(
    notification: Notification, organiser: aiohttp.ClientSession
) -> None:
    await notification.learn(make_seminar(), make_registration())
    await notification.settled()
    async with notification.database.connection() as connection:
        await connection.execute(
            "ALTER TABLE registrations RENAME TO kept;"
            " CREATE FUNCTION cannot_write() RETURNS boolean AS $$ BEGIN"
            "   ASSERT current_setting('transaction_read_only') = 'on'; RETURN true; END $$ LANGUAGE plpgsql;"
            " CREATE VIEW registrations AS SELECT * FROM kept WHERE cannot_write()"
        )

    answer = await rehearse(organiser, HALF_AN_HOUR_LATER)

    assert (answer["http"], len(answer["items"])) == (200, 3)


async def test_nothing_can_be_written_through_a_snapshot(notification: Notification) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await forget_all(notification.database)


async def forget_all(database: Database) -> None:
    async with database.snapshot() as connection:
        await connection.execute("DELETE FROM emails")


async def test_a_rehearsal_changes_no_row(notification: Notification, organiser: aiohttp.ClientSession) -> None:
    await notification.learn(make_seminar(), make_registration())
    await notification.settled()
    await eventually(partial(all_is_told, notification))
    before = await all_rows(notification)

    await rehearse(organiser, HALF_AN_HOUR_LATER)
    await show(organiser)

    assert await all_rows(notification) == before


async def all_is_told(notification: Notification) -> bool:
    async with notification.database.connection() as connection:
        return not await connection.fetchval("SELECT count(*) FROM outbox")


async def all_rows(notification: Notification) -> list[list[asyncpg.Record]]:
    async with notification.database.connection() as connection:
        return [
            await connection.fetch(f"SELECT xmin::text, t::text FROM {table} t ORDER BY 2")
            for table in ("seminars", "registrations", "reminder_rules", "emails", "outbox", "inbox")
        ]


async def test_what_is_not_known_or_a_draft_is_404_and_says_so(organiser: aiohttp.ClientSession) -> None:
    answer = await rehearse(organiser, seminar="kladd")

    assert (answer["http"], answer["type"]) == (404, "/problems/not-found")
    assert "draft" in answer["detail"]


async def test_what_catalog_would_refuse_is_refused(
    notification: Notification, organiser: aiohttp.ClientSession
) -> None:
    await notification.learn(make_seminar())
    draft = await rehearse(organiser, DOCUMENT | {"status": "draft"})
    await notification.learn(make_seminar(revision=2, status="cancelled"))
    late = await rehearse(organiser, DOCUMENT)

    assert (draft["http"], draft["type"]) == (409, "/problems/seminar-announced")
    assert (late["http"], late["type"]) == (409, "/problems/seminar-cancelled")


async def test_faults_of_a_change_are_named_by_their_fields(
    notification: Notification, organiser: aiohttp.ClientSession
) -> None:
    await notification.learn(make_seminar())

    answer = await rehearse(
        organiser,
        DOCUMENT
        | {"start": "2023-06-01T14:00", "zone": "Oslo", "venue": {"name": "Digs"}, "attendance": {"by_phone": {}}}
        | {"reminders": [{"before_start": "en dag"}, {"before_start": "P1D", "at": "2023-05-20T12:00"}]},
    )

    assert (answer["http"], {fault["field"] for fault in answer["errors"]}) == (
        422,
        {
            "change.zone",
            "change.end",
            "change.venue.address",
            "change.attendance.by_phone",
            "change.reminders.0.before_start",
            "change.reminders.1.at",
        },
    )


@pytest.mark.parametrize(("method", "path"), [("POST", "/api/rehearsals"), ("GET", "/api/rehearsals/preview")])
async def test_rehearsals_are_for_organisers(notification: Notification, method: str, path: str) -> None:
    async with aiohttp.request(method, f"{notification.url}{path}", json={"seminar": SLUG}) as answer:
        assert answer.status == 401


# --- previews ---


async def test_every_item_can_be_looked_at(notification: Notification, organiser: aiohttp.ClientSession) -> None:
    await notification.learn(make_seminar(), make_registration(language="nn"))
    await notification.settled()

    for item in (await rehearse(organiser))["items"]:
        async with organiser.get(item["preview_url"]) as answer:
            assert (answer.status, answer.content_type) == (200, "text/html")
            assert "Påminning" in await answer.text() or "Hei Kari Nordmann," in await answer.text()


async def test_a_preview_is_html_in_a_sandbox_or_text(
    notification: Notification, organiser: aiohttp.ClientSession
) -> None:
    await notification.learn(make_seminar())

    page, text = await show(organiser), await show(organiser, accept="text/plain")

    assert (page.content_type, text.content_type) == ("text/html", "text/plain")
    assert "sandbox" in page.headers["Content-Security-Policy"]
    assert "script-src" not in page.headers["Content-Security-Policy"]
    assert (page.headers["Content-Language"], page.headers["Vary"]) == ("nn", "Accept")
    assert "<html" in await page.text()
    assert "Hei Kari Nordmann," in await text.text()


async def test_the_links_in_a_preview_are_nobodys(notification: Notification, organiser: aiohttp.ClientSession) -> None:
    await notification.learn(make_seminar(), make_registration())

    text = await (await show(organiser, accept="text/plain")).text()

    found = {line.rsplit("/", 1)[-1] for line in text.splitlines() if "/my/" in line or "/unsubscribe/" in line}
    nobodys: set[str] = set()
    for purpose in ("manage", "unsubscribe"):
        nobodys.add(tokens.sign(notification.settings.keys, purpose, tokens.Link(UUID(int=0), 1)))
    assert found == nobodys
    for token in found:
        async with organiser.get(f"/unsubscribe/{token}") as answer:
            assert answer.status == 404


async def test_a_reminder_after_the_end_is_shown_as_it_will_be_then(
    notification: Notification, organiser: aiohttp.ClientSession
) -> None:
    thanks = DAY_BEFORE.model_copy(update={"before_start": None, "after_end": "PT2H"})
    await notification.learn(make_seminar(reminders=(QUARTER_BEFORE, thanks)))

    before = await show(organiser, rule="before_start PT15M", language="en", accept="text/plain")
    after = await show(organiser, rule="after_end PT2H", language="en", accept="text/plain")

    assert "Thank you for taking part" not in await before.text()
    assert "Thank you for taking part" in await after.text()


@pytest.mark.parametrize("kind", TO_PEOPLE)
@pytest.mark.parametrize("attendance", Attendance)
async def test_every_kind_of_e_mail_has_a_preview(
    notification: Notification, organiser: aiohttp.ClientSession, kind: Kind, attendance: Attendance
) -> None:
    await notification.learn(make_seminar())

    for language in ("nb", "nn", "en"):
        assert (await show(organiser, kind=kind, attendance=attendance, language=language)).status == 200


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"kind": "gossip"}, 422),
        ({"attendance": "by_phone"}, 422),
        ({"language": "se"}, 422),
        ({"rule": "before_start P9D"}, 404),
        ({"seminar": "kladd"}, 404),
    ],
)
async def test_a_preview_of_what_there_is_not_is_refused(
    notification: Notification, organiser: aiohttp.ClientSession, query: dict[str, str], status: int
) -> None:
    await notification.learn(make_seminar())

    assert (await show(organiser, **query)).status == status
