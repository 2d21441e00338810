"""The sign-up form: what it asks of whom, and that nothing that was typed in it is lost."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest

from services.registration import commands
from services.registration.app import build
from services.registration.settings import Settings
from shared.clock import MovableClock
from shared.web.keys import DATABASE
from tests.conftest import NewDatabase
from tests.factories import NOW, SLUG, Client, RecordingBus, make_settings, make_snapshot, served
from tests.html_form import Form

FORM = f"/register/{SLUG}"
BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
BUS = {
    "id": "bus",
    "text": {"nb": "Kommer du med buss?", "en": "Do you come by bus?"},
    "kind": "choice",
    "options": [{"id": "yes", "text": "Ja"}, {"id": "no", "text": "Nei"}],
    "required": True,
    "attendance": ["in_person"],
}
TOPICS = {
    "id": "topics",
    "text": "Hva vil du høre om?",
    "kind": "several",
    "options": [{"id": "plan", "text": "Plan"}, {"id": "climate", "text": "Klima"}],
}
PERSON = {"name": "Kari Nordmann", "email": "kari@example.org"}


@pytest.fixture
async def client(new_database: NewDatabase) -> AsyncIterator[Client]:
    settings = make_settings(Settings, await new_database("registration"))
    async with served(build, settings, MovableClock(NOW - datetime.now(UTC)), RecordingBus()) as started:
        yield started


async def announce(client: Client, **overrides: Any) -> None:
    async with client.app[DATABASE].transaction() as connection:
        await commands.learn_of_seminar(connection, make_snapshot(**{"questions": [BUS, TOPICS]} | overrides), NOW)


async def send(client: Client, fields: dict[str, str]) -> tuple[int, str]:
    answer = await client.post(FORM, data=fields, headers=BROWSER, allow_redirects=False)
    return answer.status, await answer.text()


def summary(page: str) -> dict[str, str]:
    found = re.findall(r'<li><a class="ds-link" href="#([^"]+)">(.*?)</a></li>', page, re.DOTALL)
    return {name: " ".join(unescape(re.sub("<[^>]*>", "", text)).split()) for name, text in found}


async def row(client: Client) -> dict[str, Any]:
    async with client.app[DATABASE].connection() as connection:
        found = await connection.fetchrow("SELECT * FROM registrations")
    assert found
    return dict(found)


async def test_all_that_is_asked_is_kept_for_how_one_attends_and_no_more(client: Client) -> None:
    await announce(client)
    told = PERSON | {"attendance": "in_person", "role": "planlegger", "accessibility_needs": "Teleslynge"}
    told |= {"dietary_needs": "Uten gluten", "headcount": "7", "language": "nn"}

    status, page = await send(client, told | {"answers.bus": "yes", "answers.topics.plan": "on", "other": "x"})

    assert status == 303, page
    kept = await row(client)
    assert kept["answers"] == {"bus": "yes", "topics": ["plan"]}
    assert (kept["role"], kept["accessibility_needs"], kept["dietary_needs"]) == (
        "planlegger", "Teleslynge", "Uten gluten",
    )  # fmt: skip
    assert (kept["headcount"], kept["language"]) == (1, "nn")


async def test_who_attends_online_is_not_asked_what_only_the_others_are(client: Client) -> None:
    await announce(client)
    typed = {"attendance": "online", "accessibility_needs": "Teleslynge", "answers.bus": "yes", "headcount": "3"}

    status, page = await send(client, PERSON | typed)

    assert status == 303, page
    kept = await row(client)
    assert (kept["answers"], kept["accessibility_needs"], kept["headcount"]) == ({}, None, 3)


async def test_every_fault_stands_in_the_summary_and_at_its_input_and_nothing_typed_is_lost(client: Client) -> None:
    await announce(client)
    typed = {"name": "", "email": "kari@", "attendance": "in_person", "role": "a\x07b", "answers.topics.climate": "on"}
    typed |= {"language": "fr", "dietary_needs": "Uten gluten"}

    status, page = await send(client, typed)

    assert status == 422
    assert summary(page).keys() == {"name", "email", "role", "language", "answers.bus.yes"}
    assert summary(page)["answers.bus.yes"] == "Kommer du med buss?: Svar på dette spørsmålet."
    fields = Form(page).fields
    assert (fields["email"], fields["dietary_needs"], fields["answers.topics.climate"]) == (
        "kari@",
        "Uten gluten",
        "on",
    )
    assert 'id="answers.bus-error"' in page


async def test_an_answer_that_is_not_offered_is_said_at_its_question(client: Client) -> None:
    await announce(client)

    status, page = await send(client, PERSON | {"attendance": "in_person", "answers.bus": "perhaps"})

    assert status == 422
    assert summary(page).keys() == {"answers.bus.yes"}


async def test_when_the_room_is_full_one_waits_and_attends_online_meanwhile_if_one_wants(client: Client) -> None:
    await announce(client, capacity=0, questions=[])
    page = await (await client.get(FORM, headers=BROWSER)).text()

    await send(client, PERSON | {"attendance": "in_person", "online_meanwhile": "on"})

    assert 'name="online_meanwhile"' in page
    kept = await row(client)
    assert (kept["status"], kept["online_meanwhile"]) == ("waitlisted", True)


async def test_who_is_not_to_wait_is_not_asked_what_to_do_meanwhile(client: Client) -> None:
    await announce(client)

    assert "online_meanwhile" not in await (await client.get(FORM, headers=BROWSER)).text()


@pytest.mark.parametrize(("language", "chosen"), [("nb", "nb"), ("nn", "nn"), ("en", "en")])
async def test_the_language_of_e_mails_is_the_pages_unless_one_chooses_another(
    client: Client, language: str, chosen: str
) -> None:
    await announce(client, questions=[])
    page = await (await client.get(f"{FORM}?lang={language}", headers=BROWSER)).text()

    assert Form(page).fields["language"] == chosen
