"""Correcting one's details by the mailed link, in the browser's way."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import pytest

from services.registration import commands
from services.registration.app import build
from services.registration.model import Details
from services.registration.settings import Settings
from shared.clock import MovableClock
from shared.tokens import Link, sign
from shared.web.keys import DATABASE
from tests.conftest import NewDatabase
from tests.factories import NOW, SECRET, Client, RecordingBus, make_settings, make_sign_up, make_snapshot, served
from tests.html_form import Form

BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
BUS = {"id": "bus", "text": "Kommer du med buss?", "kind": "text", "required": True, "attendance": ["in_person"]}


class Mine(NamedTuple):
    """A registration with its link."""

    client: Client
    id: UUID
    path: str

    async def page(self, rest: str = "") -> str:
        answer = await self.client.get(self.path + rest, headers=BROWSER)
        assert answer.status == 200, await answer.text()
        return await answer.text()

    async def post(self, rest: str, fields: dict[str, str]) -> tuple[int, str]:
        answer = await self.client.post(self.path + rest, data=fields, headers=BROWSER, allow_redirects=False)
        return answer.status, await answer.text()

    async def row(self) -> dict[str, object]:
        async with self.client.app[DATABASE].connection() as connection:
            return dict(await connection.fetchrow("SELECT * FROM registrations WHERE id = $1", self.id) or {})


@pytest.fixture
async def client(new_database: NewDatabase) -> AsyncIterator[Client]:
    settings = make_settings(Settings, await new_database("registration"))
    async with served(build, settings, MovableClock(NOW - datetime.now(UTC)), RecordingBus()) as started:
        yield started


async def signed_up(client: Client, capacity: int = 60, **overrides: object) -> Mine:
    given = make_sign_up(**{"answers": {"bus": "ja"}, "dietary_needs": "Uten gluten"} | overrides)
    async with client.app[DATABASE].transaction() as connection:
        await commands.learn_of_seminar(connection, make_snapshot(capacity=capacity, questions=[BUS]), NOW)
        outcome = await commands.sign_up(connection, given, NOW)
    return Mine(client, outcome.id, f"/my/{sign((SECRET.encode(),), 'manage', Link(outcome.id, 1))}")


async def test_what_one_has_told_stands_in_the_form_and_is_corrected_there(client: Client) -> None:
    mine = await signed_up(client)
    fields = Form(await mine.page("/details")).fields

    status, _ = await mine.post("/details", fields | {"name": "Kari Hansen", "role": "Rådgiver", "language": "nn"})

    assert (fields["dietary_needs"], fields["answers.bus"], fields["version"]) == ("Uten gluten", "ja", "1")
    row = await mine.row()
    assert status == 303
    assert (row["name"], row["role"], row["language"], row["version"]) == ("Kari Hansen", "Rådgiver", "nn", 2)
    assert (row["dietary_needs"], row["answers"], row["email"]) == ("Uten gluten", {"bus": "ja"}, "kari@example.org")
    assert "Opplysningene dine er lagret" in await mine.page("?done=corrected")


async def test_what_is_wrong_is_said_and_nothing_typed_is_lost(client: Client) -> None:
    mine = await signed_up(client)
    fields = Form(await mine.page("/details")).fields | {"name": " ", "answers.bus": "", "role": "Rådgiver"}

    status, page = await mine.post("/details", fields)

    assert status == 422
    assert 'id="name-error"' in page
    assert 'id="answers.bus-error"' in page
    assert Form(page).fields["role"] == "Rådgiver"
    assert (await mine.row())["version"] == 1


async def test_of_two_browsers_the_second_is_told_and_loses_nothing(client: Client) -> None:
    mine = await signed_up(client)
    fields = Form(await mine.page("/details")).fields
    await mine.post("/details", fields | {"name": "Kari Hansen"})

    status, page = await mine.post("/details", fields | {"role": "Rådgiver"})

    again = Form(page).fields
    assert status == 409
    assert "endret i mellomtiden" in page
    assert ((await mine.row())["name"], again["role"], again["version"]) == ("Kari Hansen", "Rådgiver", "2")
    assert (await mine.post("/details", again))[0] == 303


@pytest.mark.parametrize("version", ["", "x", "-1", "99999999999999999999", "1.0"])
async def test_a_form_that_builds_on_no_version_is_not_saved_at_once(client: Client, version: str) -> None:
    mine = await signed_up(client)
    fields = Form(await mine.page("/details")).fields

    assert (await mine.post("/details", fields | {"version": version}))[0] == 409


async def test_who_waits_chooses_to_attend_online_meanwhile_and_not_to(client: Client) -> None:
    mine = await signed_up(client, capacity=0)

    offered = "Delta digitalt inntil det blir en plass" in await mine.page()
    await mine.post("/meanwhile", {"online": "yes"})
    meanwhile = (await mine.row())["online_meanwhile"]
    page = await mine.page()
    await mine.post("/meanwhile", {"online": "no"})

    assert (offered, meanwhile, (await mine.row())["online_meanwhile"]) == (True, True, False)
    assert "/watch" in page


async def test_what_is_kept_is_taken_along_as_a_file(client: Client) -> None:
    mine = await signed_up(client)
    answer = await client.get(f"{mine.path}/data")

    told = await answer.json()
    assert answer.headers["Content-Disposition"] == 'attachment; filename="planstrategi-4-0.json"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert told.items() >= {"name": "Kari Nordmann", "dietary_needs": "Uten gluten", "version": 1}.items()
    assert set(Details.model_fields) <= told.keys()


@pytest.mark.parametrize("rest", ["/details", "/data"])
async def test_nobody_elses_link_shows_anything(client: Client, rest: str) -> None:
    await signed_up(client)

    assert (await client.get(f"/my/{'x' * 60}{rest}")).status == 404


async def test_who_has_cancelled_has_nothing_to_correct(client: Client) -> None:
    mine = await signed_up(client)
    await mine.post("/cancel", {})

    assert (await client.get(f"{mine.path}/details", headers=BROWSER)).status == 409
