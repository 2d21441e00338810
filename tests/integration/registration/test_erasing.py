"""Forgetting people, by their wish or in time, and sending them their link without telling anybody of them."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from services.registration import commands
from services.registration.app import build
from services.registration.consumers import QUEUE
from services.registration.settings import Settings
from services.registration.signing_up import LINKS_A_DAY
from shared.clock import MovableClock
from shared.messages import Message
from shared.tokens import Link, sign
from shared.web.keys import DATABASE
from tests.conftest import NewDatabase
from tests.eventually import eventually
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
    served,
)

BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
CANARY = "Kanarifugl"
ADDRESS = f"{CANARY}@example.org"
QUESTION = {"id": "bus", "text": "Buss?", "kind": "text", "required": False, "attendance": ["in_person", "online"]}
TOLD: dict[str, Any] = {
    "name": f"{CANARY} Hansen",
    "email": ADDRESS,
    "organisation": f"{CANARY} AS",
    "role": CANARY,
    "dietary_needs": CANARY,
    "accessibility_needs": CANARY,
    "answers": {"bus": CANARY},
}


class Site(NamedTuple):
    """A running service, on a bus that takes nothing while it is told not to."""

    client: Client
    clock: MovableClock
    bus: RecordingBus

    async def sign_up(self, **fields: Any) -> UUID:
        async with self.client.app[DATABASE].transaction() as connection:
            return (await commands.sign_up(connection, make_sign_up(**fields), NOW)).id

    async def learn(self, **overrides: Any) -> None:
        known = make_snapshot(**{"questions": [QUESTION]} | overrides)
        message = Message(source="/catalog", type="seminar.published", subject=SLUG, time=NOW, data=known)
        await eventually(self._listens)
        await self.bus.consumers[QUEUE](message)

    async def _listens(self) -> bool:
        return QUEUE in self.bus.consumers

    async def rows(self, statement: str, *arguments: object) -> list[Any]:
        async with self.client.app[DATABASE].connection() as connection:
            return [dict(row) for row in await connection.fetch(statement, *arguments)]

    async def status_of(self, registration: UUID) -> str:
        (row,) = await self.rows("SELECT status FROM registrations WHERE id = $1", registration)
        return str(row["status"])

    async def everything(self) -> str:
        """Return all that stands in the service's tables."""
        tables = await self.rows("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'")
        found = [await self.rows(f"SELECT t::text FROM {table['name']} t") for table in tables]
        return json.dumps(found, default=str)


def path_of(registration: UUID, version: int = 1) -> str:
    return f"/my/{token_of(registration, version)}"


def token_of(registration: UUID, version: int = 1) -> str:
    return sign((SECRET.encode(),), "manage", Link(registration, version))


@pytest.fixture
async def site(new_database: NewDatabase) -> AsyncIterator[Site]:
    settings = make_settings(Settings, await new_database("registration"), retention_days=30)
    clock, bus = MovableClock(NOW - datetime.now(UTC)), RecordingBus()
    async with served(build, settings, clock, bus) as client:
        started = Site(client, clock, bus)
        await started.learn(capacity=1)
        yield started


# --- by their wish ---


async def test_who_erases_leaves_nothing_behind_but_a_number(site: Site) -> None:
    mine = await site.sign_up(**TOLD)
    assert CANARY in await site.everything()

    answer = await site.client.post(f"{path_of(mine)}/erase", headers=BROWSER, allow_redirects=False)

    assert (answer.status, answer.headers["Location"]) == (303, f"/register/{SLUG}/erased")
    assert CANARY.lower() not in (await site.everything()).lower()
    assert await site.status_of(mine) == "cancelled"


async def test_what_had_not_been_published_about_who_erases_never_is(site: Site) -> None:
    site.bus.refusing = True
    mine = await site.sign_up(**TOLD)

    await site.client.post(f"{path_of(mine)}/erase", headers=BROWSER)

    (owed,) = await site.rows("SELECT type, body FROM outbox WHERE body::jsonb->>'subject' = $1", str(mine))
    assert owed["type"] == "registration.erased"
    assert CANARY not in owed["body"]


async def test_the_seat_of_who_erases_goes_to_the_first_in_line(site: Site) -> None:
    mine, waiting = await site.sign_up(email="a@example.org"), await site.sign_up(email="b@example.org")

    await site.client.post(f"{path_of(mine)}/erase", headers=BROWSER)

    assert await site.status_of(waiting) == "confirmed"


async def test_who_erases_after_the_seminar_is_still_counted_as_who_came(site: Site) -> None:
    mine = await site.sign_up(**TOLD | {"organisation": "Karasjok kommune"})
    site.clock.offset += make_snapshot().end - site.clock.now()

    await site.client.post(f"{path_of(mine)}/erase", headers=BROWSER)

    (row,) = await site.rows("SELECT status, organisation, municipality, name FROM registrations")
    assert row == {"status": "confirmed", "organisation": "Karasjok kommune", "municipality": "5437", "name": ""}


async def test_nothing_is_erased_by_looking_and_the_page_says_what_erasing_means(site: Site) -> None:
    mine = await site.sign_up(**TOLD)

    answer = await site.client.get(f"{path_of(mine)}/erase", headers=BROWSER | {"Accept-Language": "nn"})

    assert "Slett for godt" in await answer.text()
    assert CANARY in await site.everything()


async def test_the_links_of_who_is_erased_lead_nowhere(site: Site) -> None:
    mine = await site.sign_up(**TOLD)
    await site.client.post(f"{path_of(mine)}/erase", headers=BROWSER)

    for path in (path_of(mine), path_of(mine, 2), f"{path_of(mine)}/data"):
        answer = await site.client.get(path, headers=BROWSER)
        assert (answer.status, path) == (404, path)
    again = await site.client.post(f"{path_of(mine)}/erase", headers=BROWSER)
    assert again.status == 404


async def test_the_api_erases_and_afterwards_knows_nobody(site: Site) -> None:
    mine = await site.sign_up(**TOLD)
    headers = {"Authorization": f"Bearer {token_of(mine)}"}

    erased = await site.client.delete("/api/registrations/mine", params={"erase": "true"}, headers=headers)
    after = await site.client.get("/api/registrations/mine", headers=headers)
    listed = await site.client.get(
        "/api/registrations", params={"seminar": SLUG}, headers={"Authorization": f"Bearer {TOKEN}"}
    )

    assert (erased.status, after.status) == (204, 401)
    assert CANARY.lower() not in (await site.everything()).lower()
    assert (await listed.json())["items"] == []


async def test_one_can_sign_up_again_after_erasing(site: Site) -> None:
    mine = await site.sign_up(**TOLD)
    await site.client.post(f"{path_of(mine)}/erase", headers=BROWSER)

    again = await site.sign_up(**TOLD)

    assert await site.status_of(again) == "confirmed"


# --- in time ---


async def test_people_are_forgotten_when_their_seminar_has_been_over_for_so_long_and_not_before(site: Site) -> None:
    await site.sign_up(**TOLD | {"organisation": "Karasjok"})
    await site.sign_up(email="waits@example.org")
    over = make_snapshot().end + timedelta(days=30)

    site.clock.move_to(over - timedelta(minutes=1))
    assert CANARY in await site.everything()
    site.clock.move_to(over)

    async def forgotten() -> bool:
        return CANARY.lower() not in (await site.everything()).lower()

    await eventually(forgotten)
    rows = await site.rows("SELECT name, email, organisation, municipality FROM registrations ORDER BY place")
    assert [(row["name"], row["email"]) for row in rows] == [("", "")] * 2
    assert (rows[0]["organisation"], rows[0]["municipality"]) == ("Karasjok kommune", "5437")


async def test_everybody_else_is_told_whom_to_forget(site: Site) -> None:
    mine = await site.sign_up(**TOLD)
    await site.client.post(f"{path_of(mine)}/erase", headers=BROWSER)

    async def told() -> bool:
        return any(m.type == "registration.erased" and m.subject == str(mine) for m in site.bus.published)

    await eventually(told)


# --- one's link again ---


async def request_link(site: Site, email: str) -> tuple[int, str, str]:
    answer = await site.client.post(
        f"/register/{SLUG}/link", data={"email": email}, headers=BROWSER, allow_redirects=False
    )
    return answer.status, answer.headers.get("Location", ""), await answer.text()


async def test_who_asks_for_a_link_learns_nothing_of_whether_the_address_is_known(site: Site) -> None:
    await site.sign_up(**TOLD)

    assert await request_link(site, ADDRESS) == await request_link(site, "nobody@example.org")


async def test_the_link_goes_to_the_owner_a_few_times_a_day(site: Site) -> None:
    mine = await site.sign_up(**TOLD)

    for _ in range(LINKS_A_DAY + 2):
        await request_link(site, f" {ADDRESS.upper()} ")

    requested = [m for m in site.bus.published if m.type == "registration.link_requested"]
    owed = await site.rows("SELECT body FROM outbox WHERE type = 'registration.link_requested'")
    assert len(requested) + len(owed) == LINKS_A_DAY
    assert {m.subject for m in requested} <= {str(mine)}


async def test_what_is_no_address_is_said_beside_the_field_and_kept(site: Site) -> None:
    status, _, page = await request_link(site, "kari@<b>")

    assert status == 422
    assert 'aria-invalid="true"' in page
    assert "kari@&lt;b&gt;" in page


async def test_a_link_for_a_seminar_that_is_unknown_is_not_found(site: Site) -> None:
    answer = await site.client.post("/register/unknown/link", data={"email": ADDRESS}, headers=BROWSER)

    assert answer.status == 404


async def test_ones_own_page_sends_the_link_again(site: Site) -> None:
    mine = await site.sign_up(**TOLD)

    answer = await site.client.post(f"{path_of(mine)}/link", headers=BROWSER)

    assert answer.status == 200
    assert "E-posten er på vei" in await answer.text()
    (row,) = await site.rows("SELECT link_requests FROM registrations")
    assert row["link_requests"] == 1
