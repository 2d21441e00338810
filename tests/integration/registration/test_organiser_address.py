"""An organiser corrects somebody's address: who reads at the wrong one is out, and nobody else's place is touched."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest

from services.registration import commands
from services.registration.app import build
from services.registration.settings import Settings
from services.registration.store_audit import audit_log
from shared.clock import MovableClock
from shared.messages import RegistrationSnapshot
from shared.tokens import Link, sign
from shared.web.keys import DATABASE, SETTINGS
from shared.web.session import COOKIE, _form_token, issue
from tests.conftest import NewDatabase
from tests.factories import (
    NOW,
    SECRET,
    SLUG,
    TOKEN,
    Client,
    RecordingBus,
    make_settings,
    make_sign_up,
    make_snapshot,
    relayed,
    served,
)

BROWSER = {"Accept": "text/html", "Accept-Language": "nb", "Sec-Fetch-Site": "same-origin"}
WRONG, RIGHT = "kari@kommune.example.no", "kari@kommune2.example.no"


class Desk(NamedTuple):
    """An organiser, and somebody who has signed up."""

    client: Client
    bus: RecordingBus
    cookie: str
    id: UUID

    async def post(self, email: str, registration: object = None, *, slug: str = SLUG, token: bool = True) -> int:
        status, _ = await self.answer(email, registration, slug=slug, token=token)
        return status

    async def answer(
        self, email: str, registration: object = None, *, slug: str = SLUG, token: bool = True
    ) -> tuple[int, str]:
        made = _form_token(self.client.app[SETTINGS].keys[0], self.cookie)
        form = {"email": email} | ({"form_token": made} if token else {})
        path = f"/organiser/registrations/{slug}/people/{registration or self.id}/email"
        headers = BROWSER | {"Cookie": f"{COOKIE}={self.cookie}"}
        answer = await self.client.post(path, data=form, headers=headers, allow_redirects=False)
        return answer.status, answer.headers.get("Location") or await answer.text()

    async def link(self, version: int) -> int:
        """Return the status of the page that the link of this version leads to."""
        token = sign((SECRET.encode(),), "manage", Link(self.id, version))
        return (await self.client.get(f"/my/{token}", headers=BROWSER)).status

    async def told(self) -> list[RegistrationSnapshot]:
        await relayed(self.client.app[DATABASE])
        return [m.data for m in self.bus.published if isinstance(m.data, RegistrationSnapshot)]

    async def sign_up(self, email: str) -> UUID:
        async with self.client.app[DATABASE].transaction() as connection:
            await commands.learn_of_seminar(connection, make_snapshot(), NOW)
            return (await commands.sign_up(connection, make_sign_up(email=email), NOW)).id


@pytest.fixture
async def desk(new_database: NewDatabase) -> AsyncIterator[Desk]:
    settings = make_settings(Settings, await new_database("registration"))
    bus, cookie = RecordingBus(), issue(settings, TOKEN, time.time())
    async with served(build, settings, MovableClock(NOW - datetime.now(UTC)), bus) as client:
        beginning = Desk(client, bus, cookie or "", uuid4())
        yield beginning._replace(id=await beginning.sign_up(WRONG))


async def test_the_address_is_corrected_and_the_others_are_told_by_whom(desk: Desk) -> None:
    status, location = await desk.answer(f" {RIGHT} ")

    assert (status, location) == (303, f"/organiser/emails/{SLUG}/people/{desk.id}?done=address")
    before, after = await desk.told()
    assert (before.email, before.version, before.link_version) == (WRONG, 1, 1)
    assert (after.email, after.version, after.link_version, after.cause) == (RIGHT, 2, 2, "organiser")
    async with desk.client.app[DATABASE].connection() as connection:
        (line,) = await audit_log(connection, SLUG, None, 9)
    assert (line.deed.by, line.deed.action, line.deed.registration, line.deed.fields) == (
        "Plan",
        "correct",
        desk.id,
        ("email",),
    )


async def test_the_wrong_recipients_link_dies_and_the_new_one_works(desk: Desk) -> None:
    before = await desk.link(1)
    await desk.post(RIGHT)

    assert (before, await desk.link(2)) == (200, 200)
    assert await desk.link(1) != 200


async def test_an_address_that_somebody_else_stands_with_is_refused_plainly(desk: Desk) -> None:
    await desk.sign_up(RIGHT)

    status, page = await desk.answer(RIGHT.upper())

    assert status == 409
    assert "Noen andre er påmeldt med denne adressen." in page
    assert f'value="{RIGHT.upper()}"' in page
    assert [told.email for told in await desk.told()] == [WRONG, RIGHT]


async def test_an_address_of_a_cancelled_registration_is_free(desk: Desk) -> None:
    other = await desk.sign_up(RIGHT)
    async with desk.client.app[DATABASE].transaction() as connection:
        await commands.cancel(connection, other, NOW)

    assert await desk.post(RIGHT) == 303
    assert await desk.post("anybody@example.no", other) == 409


@pytest.mark.parametrize("typed", ["", "kari", "<script>@x", "a@b.no\r\nBcc: c@d.no", "=?utf-8?q?a?=@example.no"])
async def test_what_is_no_address_is_said_beside_what_was_typed(desk: Desk, typed: str) -> None:
    status, page = await desk.answer(typed)

    assert status == 422
    assert "Dette er ikke en e-postadresse." in page
    assert "<script>@x" not in page
    assert len(await desk.told()) == 1


async def test_the_same_address_changes_nothing(desk: Desk) -> None:
    assert await desk.post(WRONG) == 303
    assert len(await desk.told()) == 1


async def test_a_form_that_is_not_of_this_session_changes_nothing(desk: Desk) -> None:
    assert await desk.post(RIGHT, token=False) == 403
    assert len(await desk.told()) == 1


async def test_who_is_not_of_this_seminar_is_not_found(desk: Desk) -> None:
    assert [await desk.post(RIGHT, uuid4()), await desk.post(RIGHT, "1"), await desk.post(RIGHT, slug="another")] == [
        404,
        404,
        404,
    ]
    assert len(await desk.told()) == 1
