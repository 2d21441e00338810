"""What organisers see of single e-mails and do to them, over HTTP, with a mailbox at the other end."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from shared.messages import ErasedRegistration, Message
from tests.eventually import eventually
from tests.integration.notification.conftest import Notification
from tests.integration.notification.desk import Desk, signed_in
from tests.snapshots import START, make_registration, make_seminar

FAILED = "state = 'failed', reason = 'the server refuses the address or the e-mail', smtp_reply = '550 <i>no</i>'"
DONE = "/organiser/emails/planstrategi-4-0"


@pytest.fixture
async def desk(notification: Notification) -> AsyncIterator[Desk]:
    async with signed_in(notification) as desk:
        yield desk


async def update(notification: Notification, change: str, email: asyncpg.Record) -> None:
    async with notification.database.transaction() as connection:
        await connection.execute(f"UPDATE emails SET {change} WHERE id = $1", email["id"])
        if "failed" in change or "bounced" in change:
            await connection.execute("UPDATE registrations SET suppressed = true WHERE id = $1", email["registration"])


async def test_the_list_is_searched_by_kind_fate_domain_and_address(notification: Notification, desk: Desk) -> None:
    await notification.learn(
        make_seminar(),
        make_registration(name="Åse", email="ase@bergen.example.no"),
        make_registration(name="Bo", email="bo_100%@BERGEN.example.no"),
        make_registration(name="Kim", email="kim@oslo.example.no"),
    )
    rows = await notification.settled()
    await update(notification, FAILED, next(row for row in rows))

    async def found(query: str) -> set[str]:
        _, page = await desk.get(f"/list?{query}")
        return set(re.findall(r'people/[^"]+">([^<]+)<', page))

    assert await found("") == {"Åse", "Bo", "Kim"}
    assert await found("domain=Bergen.example.no") == {"Åse", "Bo"}
    assert await found("address=KIM@") == {"Kim"}
    assert await found("address=_100%25") == {"Bo"}, "signs of LIKE are only signs"
    assert len(await found("standing=failed")) == 1
    assert len(await found("standing=sent&kind=confirmation")) == 2
    assert await found("kind=reminder") == set()
    assert (await desk.get("/list?kind=nothing"))[0] == 422
    assert (await desk.get("/list?after=nothing"))[0] == 422


async def test_the_list_goes_on_page_by_page(notification: Notification, desk: Desk) -> None:
    await notification.learn(make_seminar(), *(make_registration(name=f"N{number}") for number in range(60)))
    await notification.settled()

    _, first = await desk.get("/list?kind=confirmation")
    further = re.findall(r'href="(\?[^"]*after=[^"]+)"', first)[0].replace("&amp;", "&")
    _, second = await desk.get(f"/list{further}")

    names = [re.findall(r'people/[^"]+">(N\d+)<', page) for page in (first, second)]
    assert [len(page) for page in names] == [50, 10]
    assert len({*names[0], *names[1]}) == 60
    assert "kind=confirmation" in further


async def test_a_persons_page_tells_what_became_of_each_e_mail(notification: Notification, desk: Desk) -> None:
    person = make_registration(name="<b>Åse</b>", email="ase@bergen.example.no")
    await notification.learn(make_seminar(), person)
    await update(notification, FAILED, (await notification.settled())[0])

    _, page = await desk.get(f"/people/{person.id}")
    text = await desk.shown(f"/people/{person.id}")

    assert "E-poster til <b>Åse</b>" in text
    assert "<b>Åse" not in page
    assert "<i>no" not in page
    assert "Mislyktes e-posttjeneren avviser adressen eller e-posten" in text
    assert re.search(r"Forsøk 1 E-posttjeneren svarte 550 <i>no</i>", text)
    assert (await desk.get(f"/people/{uuid4()}"))[0] == 404
    assert (await desk.get("/people/1"))[0] == 404


async def test_one_that_failed_is_tried_again_and_leaves(notification: Notification, desk: Desk) -> None:
    person = make_registration()
    await notification.learn(make_seminar(), person)
    (row,) = await notification.settled()
    await update(notification, FAILED, row)

    as_another, _ = await desk.post(f"/people/{uuid4()}/retry", email=str(row["id"]))
    status, location = await desk.post(f"/people/{person.id}/retry", email=str(row["id"]))

    assert as_another == 409
    assert (status, location) == (303, f"{DONE}/people/{person.id}?done=retried")
    (row,) = await notification.settled()
    assert (row["state"], row["attempts"]) == ("sent", 2)
    assert "tester Prøvde en e-post på nytt" in await desk.shown("/log")
    assert (await desk.post(f"/people/{person.id}/retry", email=str(row["id"])))[0] == 409
    assert (await desk.post(f"/people/{person.id}/retry", email="1"))[0] == 404


async def test_one_that_waits_is_stopped_and_never_leaves(notification: Notification, desk: Desk) -> None:
    person, other = make_registration(), make_registration()
    await notification.learn(make_seminar(), person, other)
    await notification.settled()
    async with notification.database.transaction() as connection:
        await connection.execute("UPDATE emails SET state = 'pending', retry_at = 'infinity'")
    row = next(row for row in await notification.rows() if row["registration"] == person.id)

    status, _ = await desk.post(f"/people/{person.id}/stop", email=str(row["id"]))
    again, _ = await desk.post(f"/people/{person.id}/stop", email=str(row["id"]))

    assert (status, again) == (303, 409)
    stands = {row["registration"]: (row["state"], row["reason"]) for row in await notification.rows()}
    assert stands == {person.id: ("skipped", "stopped by an organiser"), other.id: ("pending", None)}
    assert "stoppet av en arrangør" in await desk.shown(f"/people/{person.id}")


async def test_all_that_failed_at_a_domain_is_tried_again_at_once(notification: Notification, desk: Desk) -> None:
    there = [make_registration(email=f"n{number}@bergen.example.no") for number in range(3)]
    elsewhere = make_registration(email="a@oslo.example.no")
    await notification.learn(make_seminar(), *there, elsewhere)
    for row in await notification.settled():
        await update(notification, FAILED if row["registration"] != there[0].id else "state = 'bounced'", row)

    text = await desk.shown("/list")
    status, _ = await desk.post("/retry-domain", domain="bergen.example.no")

    assert "bergen.example.no Kom i retur: 1. Mislyktes: 2. Siste svar: 550 <i>no</i>" in text
    assert status == 303
    rows = await notification.settled()
    assert {row["registration"] for row in rows if row["state"] == "sent"} == {person.id for person in there}
    assert (await desk.post("/retry-domain", domain="bergen.example.no"))[0] == 404


async def test_a_corrected_address_gets_the_confirmation_anew_and_its_reminders(
    notification: Notification, desk: Desk
) -> None:
    wrong = make_registration(email="wrong@bergen.example.no")
    await notification.learn(make_seminar(), wrong)
    await update(notification, "state = 'bounced', smtp_reply = '550 unknown'", (await notification.settled())[0])
    right = wrong.model_copy(
        update={"email": "right@bergen.example.no", "version": 2, "link_version": 2, "cause": "organiser"}
    )

    await notification.learn(right)
    rows = await eventually(lambda: _sent(notification, 1))
    notification.clock.move_to(START - timedelta(hours=20))
    await eventually(lambda: _sent(notification, 2))

    stands = [(row["kind"], row["generation"], row["state"]) for row in rows]
    assert stands == [("confirmation", 1, "superseded"), ("confirmation", 2, "sent")]
    subjects = [mail.subject.partition(":")[0] for mail in notification.to(right)]
    assert subjects == ["Du er påmeldt", "Påminnelse"]
    text = await desk.shown(f"/people/{wrong.id}")
    assert "sendt på nytt til en rettet adresse" in text
    assert "550 unknown" in text
    assert "Rettet en adresse" in await desk.shown("/log")


async def _sent(notification: Notification, number: int) -> list[asyncpg.Record] | None:
    return await notification.rows() if len(await notification.rows(state="sent")) == number else None


@pytest.mark.parametrize("path", ["/people/{}/retry", "/people/{}/stop", "/retry-domain"])
async def test_a_form_that_is_not_of_this_session_does_nothing(
    notification: Notification, desk: Desk, path: str
) -> None:
    person = make_registration()
    await notification.learn(make_seminar(), person)
    (row,) = await notification.settled()
    await update(notification, FAILED, row)
    form = {"email": str(row["id"]), "domain": "solund.example.no"}

    status, _ = await desk.post(path.format(person.id), token=False, **form)

    assert (status, (await notification.rows())[0]["state"]) == (403, "failed")


async def test_who_is_erased_is_a_number_without_a_name(notification: Notification, desk: Desk) -> None:
    person = make_registration(name="Åse Kanari", email="kanari@bergen.example.no")
    await notification.learn(make_seminar(), person)
    await update(notification, FAILED, (await notification.settled())[0])
    erased = ErasedRegistration(id=person.id, version=2, seminar=person.seminar)
    envelope = {"source": "/registration", "type": "registration.erased", "subject": str(person.id), "time": START}
    await notification.bus.publish(Message(**envelope, data=erased))

    async def gone() -> bool:
        return "En som er slettet" in await desk.shown("/list")

    await eventually(gone)
    shown = "".join([await desk.shown(path) for path in ("", "/list", f"/people/{person.id}", "/log")])
    assert "anari" not in shown
    assert "E-poster til en som er slettet" in shown


@pytest.mark.parametrize("language", ["nb", "nn", "en"])
async def test_every_page_speaks_every_language(notification: Notification, desk: Desk, language: str) -> None:
    person = make_registration()
    await notification.learn(make_seminar(), person)
    await update(notification, FAILED, (await notification.settled())[0])

    for path in ("", "/list", f"/people/{person.id}", "/log"):
        assert await desk.shown(path, language)
