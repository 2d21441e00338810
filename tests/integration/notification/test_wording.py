"""Reading, adding to and trying the e-mails before anybody gets them, over HTTP."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from html import unescape
from typing import Any

import asyncpg
import pytest

from local.mailbox import Received
from services.notification.model import TO_PEOPLE, Kind
from services.notification.organiser_wording import MOST_TESTS
from shared.messages import Attendance
from tests.eventually import eventually
from tests.integration.notification.conftest import Notification
from tests.integration.notification.desk import HERE, Desk, signed_in
from tests.snapshots import START, make_registration, make_seminar

PASSAGE = {"nb": "Ta med matpakke, {name}.", "nn": "Ta med niste, {name}.", "en": "Bring lunch, {name}."}
ORGANISER = "kari@example.org"


@pytest.fixture
async def desk(notification: Notification) -> AsyncIterator[Desk]:
    await notification.learn(make_seminar(), make_registration(name="Første"))
    await notification.settled()
    async with signed_in(notification) as desk:
        yield desk


async def save(desk: Desk, kind: str = "confirmation", version: int = 0, **texts: str) -> tuple[int, str]:
    fields: dict[str, Any] = {"version": str(version), **PASSAGE, **texts}
    return await desk.post(f"/wording/{kind}/passage", **fields)


async def mail(notification: Notification, address: str, number: int = 1) -> list[Received]:
    async def look() -> list[Received] | None:
        found = [mail for mail in notification.mailbox.received.values() if address in mail.to]
        return found if len(found) >= number else None

    return await eventually(look)


async def everything(notification: Notification) -> list[asyncpg.Record]:
    async with notification.database.connection() as connection:
        return await connection.fetch("SELECT kind, version, texts FROM passages")


async def test_a_passage_is_in_the_next_e_mail_of_a_process_that_has_sent_such_before(
    notification: Notification, desk: Desk
) -> None:
    status, location = await save(desk)
    second = make_registration(name="Andre")
    await notification.learn(second)
    await notification.settled()
    await save(desk, version=1, nb="Ta med kaffe, {name}.")
    third = make_registration(name="Tredje")
    await notification.learn(third)
    await notification.settled()

    assert (status, location) == (303, f"{HERE}/wording/confirmation?done=passage")
    bodies = [(await body_of(notification, person.email)) for person in (second, third)]
    assert "Ta med matpakke, Andre." in bodies[0]
    assert "Ta med kaffe, Tredje." in bodies[1]
    assert "tester Endret et avsnitt confirmation" in await desk.shown("/log")
    assert "Bekreftelse Med eget avsnitt" in await desk.shown("/wording")


async def body_of(notification: Notification, address: str) -> str:
    (received,) = await mail(notification, address)
    content = (notification.mailbox.folder / "new" / received.id).read_bytes()
    part = message_from_bytes(content, policy=default).get_body(("plain",))
    assert part
    return str(part.get_content())


async def test_a_passage_that_is_taken_away_is_gone(notification: Notification, desk: Desk) -> None:
    await save(desk)
    status, _ = await save(desk, version=1, nb="", nn="", en="")
    person = make_registration()
    await notification.learn(person)
    await notification.settled()

    assert status == 303
    assert "matpakke" not in await body_of(notification, person.email)
    assert "Med eget avsnitt" not in await desk.shown("/wording")


async def test_what_is_wrong_is_said_beside_what_was_typed(notification: Notification, desk: Desk) -> None:
    status, page = await save(desk, nb="Hei {navn} </textarea><b>", nn="")

    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())
    assert status == 422
    assert "Bokmål: {navn} er ingen plassholder" in text
    assert "Nynorsk: trengs på dette språket også" in text
    assert "Hei {navn} &lt;/textarea&gt;&lt;b&gt;</textarea>" in page
    assert await everything(notification) == []


async def test_nobodys_passage_is_overwritten_unseen(notification: Notification, desk: Desk) -> None:
    await save(desk)
    status, page = await save(desk, nb="Uten å ha sett den.")

    assert status == 409
    assert "Noen andre har lagret dette avsnittet i mellomtiden." in page
    assert "Uten å ha sett den.</textarea>" in page
    (row,) = await everything(notification)
    assert row["texts"]["nb"] == PASSAGE["nb"]
    version = re.findall(r'name="version" value="(\d)"', page)[0]
    assert (await save(desk, version=int(version), nb="Nå sett."))[0] == 303


async def test_a_test_arrives_marked_and_counts_nowhere(notification: Notification, desk: Desk) -> None:
    await save(desk, kind="reminder")
    before = {path: await desk.shown(path) for path in ("", "/list", "/rehearsal")}

    status, location = await desk.post("/wording/reminder/test", to=ORGANISER, language="nn", attendance="online")
    (received,) = await mail(notification, ORGANISER)
    await notification.settled()

    assert (status, location) == (303, f"{HERE}/wording/reminder?done=sent")
    assert received.subject == "Prøve: Påminning: Planstrategi 4.0 – småkommuner og de gode hjelperne"
    assert "Ta med niste, Kari Nordmann." in await body_of(notification, ORGANISER)
    assert {path: await desk.shown(path) for path in before} == before
    async with desk.client.get("/api/emails?seminar=planstrategi-4-0") as answer:
        assert [item["kind"] for item in (await answer.json())["items"]] == ["confirmation"]
    notification.clock.move_to(START - timedelta(hours=20))
    await eventually(lambda: notification.rows(kind="reminder", state="sent"))
    assert len(await mail(notification, ORGANISER)) == 1, "no reminder to who has only tried it"
    assert ORGANISER not in await desk.shown("/log")


async def test_a_test_of_a_cancelled_seminar_leaves_too(notification: Notification, desk: Desk) -> None:
    await notification.learn(make_seminar(revision=2, status="cancelled"), kind="seminar.cancelled")

    await desk.post("/wording/seminar_cancelled/test", to=ORGANISER)

    assert (await mail(notification, ORGANISER))[0].subject.startswith("Prøve: Seminaret er avlyst")


@pytest.mark.parametrize("to", ["", "kari", "a@b", "a@b.no\r\nBcc: c@d.no", "a@b.no, c@d.no", "<a@b.no>", "a@b..no"])
async def test_a_test_goes_to_an_address_only(notification: Notification, desk: Desk, to: str) -> None:
    status, page = await desk.post("/wording/reminder/test", to=to)

    assert status == 422
    assert "Skriv e-postadressen din" in page
    assert [row["kind"] for row in await notification.rows()] == ["confirmation"]


async def test_an_organiser_sends_so_many_tests_an_hour(notification: Notification, desk: Desk) -> None:
    statuses = [(await desk.post("/wording/reminder/test", to=ORGANISER))[0] for _ in range(MOST_TESTS.number + 1)]

    assert statuses == [303] * MOST_TESTS.number + [429]
    assert len(await mail(notification, ORGANISER, MOST_TESTS.number)) == MOST_TESTS.number


async def test_what_became_of_a_test_is_forgotten_with_its_address_after_a_day(
    notification: Notification, desk: Desk
) -> None:
    await desk.post("/wording/reminder/test", to=ORGANISER)
    await mail(notification, ORGANISER)
    await notification.settled()
    await desk.post("/wording/reminder/test", to="another@example.org")
    await mail(notification, "another@example.org")

    async def kept() -> list[str]:
        async with notification.database.connection() as connection:
            people = await connection.fetch("SELECT snapshot->>'email' FROM registrations WHERE status = 'test'")
        return [address for (address,) in people]

    async def forgotten() -> bool:
        return await kept() == []

    assert sorted(await kept()) == ["another@example.org", ORGANISER]
    notification.clock.move_to(notification.clock.now() + timedelta(hours=26))
    await eventually(forgotten)
    assert {row["kind"] for row in await notification.rows()} == {"confirmation"}


async def test_every_kind_is_previewed_in_every_language_as_a_document_that_may_do_nothing(desk: Desk) -> None:
    await save(desk, kind="recording")
    for kind in TO_PEOPLE:
        for language in ("nb", "nn", "en"):
            path = f"{HERE}/preview?kind={kind}&language={language}&attendance=online"
            async with desk.client.get(path) as answer:
                assert (answer.status, answer.headers["Content-Language"]) == (200, language)
                assert "sandbox" in answer.headers["Content-Security-Policy"]
                assert ("Kari Nordmann." in await answer.text()) == (kind is Kind.RECORDING and language == "nn")


async def test_a_preview_has_a_persons_name_and_none_of_their_links(notification: Notification, desk: Desk) -> None:
    person = make_registration(name="Åse <b>Ødegård</b>", language="en", attendance=Attendance.IN_PERSON)
    await notification.learn(person)
    await notification.settled()

    _, page = await desk.get(f"/wording/confirmation?registration={person.id}")
    status, preview = await desk.get(f"/preview?kind=confirmation&registration={person.id}")
    (received,) = await mail(notification, person.email)

    assert f"registration={person.id}" in page
    assert status == 200
    assert "Hello Åse &lt;b&gt;Ødegård&lt;/b&gt;," in preview
    token = re.findall(r"/my/([\w-]+)", (await body_of(notification, person.email)))[0]
    assert token not in preview
    assert received
    assert (await desk.get("/preview?kind=confirmation&registration=00000000-0000-4000-8000-000000000001"))[0] == 404


async def test_the_rehearsal_says_who_will_get_what_and_when(notification: Notification, desk: Desk) -> None:
    await notification.learn(make_registration(language="nn"), make_registration(attendance=Attendance.IN_PERSON))
    await notification.settled()

    text = await desk.shown("/rehearsal")
    _, page = await desk.get("/rehearsal")

    assert "Slik det står nå, går det ut 5 e-poster." in text
    assert "31. mai 2023, 10.00 1 × Påminnelse, Møte opp, Bokmål 1 dag før start" in text
    assert "1. juni 2023, 09.45 1 × Påminnelse, På nett, Bokmål 15 minutter før start" in text
    links = re.findall(r'href="(/api/rehearsals/preview[^"]+)"', page)
    assert len(links) == 5
    async with desk.client.get(unescape(links[0])) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("path", ["/wording/confirmation/passage", "/wording/confirmation/test"])
async def test_a_form_that_is_not_of_this_session_does_nothing(
    notification: Notification, desk: Desk, path: str
) -> None:
    status, _ = await desk.post(path, token=False, version="0", to=ORGANISER, **PASSAGE)

    assert status == 403
    assert await everything(notification) == []
    assert [row["kind"] for row in await notification.rows()] == ["confirmation"]


@pytest.mark.parametrize("language", ["nb", "nn", "en"])
async def test_every_page_speaks_every_language(desk: Desk, language: str) -> None:
    for path in ("/rehearsal", "/wording", "/wording/reminder", "/wording/recording?language=en"):
        assert await desk.shown(path, language)


async def test_there_are_no_other_kinds(desk: Desk) -> None:
    paths = ["/wording/preview", "/wording/nothing", "/preview?kind=preview", "/preview?kind=nothing"]
    assert [(await desk.get(path))[0] for path in paths] == [404, 404, 422, 422]
