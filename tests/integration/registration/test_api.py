"""Registration through HTTP: what people, their mail clients and organisers get to see."""

import asyncio
import csv
import io
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import pytest
from aiohttp import ClientResponse

from local.postgres import Postgres
from services.registration import api, commands, pages
from services.registration.app import build
from services.registration.group_commit import GROUP_COMMIT
from services.registration.links import LIFETIME
from services.registration.settings import Settings
from shared.clock import MovableClock
from shared.database import Database
from shared.messages import Message, RegistrationSnapshot
from shared.tokens import Link, Purpose, sign
from shared.web.keys import DATABASE
from tests.factories import (
    DEADLINE,
    END,
    NOW,
    ORGANISER,
    SECRET,
    SLUG,
    Client,
    RecordingBus,
    begin_anew,
    eventually,
    make_settings,
    make_sign_up_body,
    make_snapshot,
    relayed,
    served,
    tables_of,
)
from tests.integration.registration.seminar import blocked

NewDatabase = Callable[[str], Awaitable[str]]

BROWSER = {"Accept": "text/html,*/*;q=0.8"}
SIGN_UP = "/api/registrations"
MINE = "/api/registrations/mine"
FORM = f"/register/{SLUG}"
OF_THE_MOMENT = {"Date", "X-Request-ID", "Content-Length"}  # headers that differ between any two answers


class Service(NamedTuple):
    """Registration as it runs, with its clock and bus."""

    client: Client
    url: str
    clock: MovableClock
    bus: RecordingBus

    async def learn(self, **overrides: Any) -> None:
        """Let it learn of a seminar."""
        async with self.database.transaction() as connection:
            await commands.learn_of_seminar(connection, make_snapshot(**overrides), self.clock.now())

    async def sign_up(self, headers: dict[str, str] | None = None, **overrides: Any) -> ClientResponse:
        return await self.client.post(SIGN_UP, json=make_sign_up_body(**overrides), headers=headers)

    async def sign_up_by_form(self, headers: dict[str, str] | None = None, **overrides: Any) -> ClientResponse:
        form = make_sign_up_body(**{"seminar": ...} | overrides)
        return await self.client.post(FORM, data=form, headers=headers, allow_redirects=False)

    async def token(self, **overrides: Any) -> str:
        """Sign up and return the token of the mailed link."""
        answer = await self.sign_up(**overrides)
        return make_token((await answer.json())["id"])

    async def mine(self, token: str) -> dict[str, Any]:
        answer = await self.client.get(MINE, headers=bearing(token))
        assert answer.status == 200
        return dict(await answer.json())

    async def told(self, number: int) -> list[Message]:
        """Return what the bus has got, once that is `number` messages."""
        await eventually(lambda: len(self.bus.published) >= number)
        return self.bus.published

    @property
    def database(self) -> Database:
        return self.client.app[DATABASE]


def make_token(registration: str, version: int = 1, purpose: Purpose = "manage", key: str = SECRET) -> str:
    return sign((key.encode(),), purpose, Link(UUID(registration), version))


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def problem(answer: ClientResponse, status: int) -> dict[str, Any]:
    """Return the problem details, which must be whole (RFC 9457)."""
    body = dict(await answer.json(content_type="application/problem+json"))
    assert (answer.status, body["status"]) == (status, status), body
    assert body["title"]
    return body


def fields(body: dict[str, Any]) -> list[str]:
    assert all(error["detail"] for error in body["errors"])
    return [error["field"] for error in body["errors"]]


@asynccontextmanager
async def running(url: str, bus: RecordingBus) -> AsyncIterator[Service]:
    clock = MovableClock(NOW - datetime.now(UTC))
    async with served(build, make_settings(Settings, url), clock, bus) as client:
        yield Service(client, url, clock, bus)


@pytest.fixture(scope="module")
async def started(postgres: Postgres, templates: dict[str, str]) -> AsyncIterator[Service]:
    owner = templates["registration"]
    await postgres.create_database("registration_api", owner=owner, template=owner)
    async with running(postgres.dsn(owner, "registration_api"), RecordingBus()) as service:
        yield service
    await postgres.drop_database("registration_api")


@pytest.fixture
async def service(started: Service) -> Service:
    """Know one seminar, with two seats, and nobody."""
    await begin_anew(started.database, started.bus, started.clock)
    await started.learn(capacity=2)
    return started


# --- signing up ---


async def test_a_sign_up_is_answered_with_a_reference_and_the_outcome(service: Service) -> None:
    answers = [await service.sign_up(email=f"p{number}@example.org") for number in range(3)]

    bodies = [await answer.json(content_type="application/json") for answer in answers]
    assert [answer.status for answer in answers] == [202, 202, 202]
    assert [set(body) for body in bodies] == [{"id", "outcome"}] * 3
    assert [body["outcome"] for body in bodies] == ["confirmed", "confirmed", "waitlisted"]
    assert len({UUID(body["id"]) for body in bodies}) == 3


async def test_everything_that_can_be_told_is_taken_and_kept(service: Service) -> None:
    told = {
        "name": "Áile Đoŋŋá",
        "email": "aile@example.org",
        "attendance": "online",
        "organisation": "Karasjok kommune",
        "municipality": "5437",
        "headcount": 12,
        "language": "nn",
    }

    mine = await service.mine(await service.token(**told))

    assert mine["dietary_needs"] is None
    assert {field: mine[field] for field in told} == told


async def test_who_writes_the_name_of_a_municipality_gets_its_full_name_and_number(service: Service) -> None:
    mine = await service.mine(await service.token(organisation="kárášjohka"))

    assert (mine["organisation"], mine["municipality"]) == ("Karasjok kommune", "5437")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"q": "karas", "on": "2023-06-01"}, [("Karasjok kommune", "5437")]),
        ({"q": "karas", "on": "2026-06-01"}, [("Karasjok kommune", "5610")]),
        ({"q": "nordland fylk"}, [("Nordland fylkeskommune", None)]),
        ({"q": "Multiconsult"}, []),
        ({"q": "\x00<b>"}, []),
    ],
)
async def test_organisations_are_suggested_by_how_their_names_begin(
    service: Service, query: dict[str, str], names: list[tuple[str, str | None]]
) -> None:
    answer = await service.client.get("/api/organisations", params=query)

    body = await answer.json()
    assert answer.status == 200
    assert ([(item["name"], item["municipality"]) for item in body["items"]], body["next"]) == (names, None)


@pytest.mark.parametrize(
    ("query", "field"), [({"q": "a", "on": "yesterday"}, "on"), ({}, "q"), ({"q": "a" * 101}, "q")]
)
async def test_what_does_not_fit_about_a_search_is_named(service: Service, query: dict[str, str], field: str) -> None:
    answer = await service.client.get("/api/organisations", params=query)

    assert answer.status == 422
    assert [error["field"] for error in (await answer.json())["errors"]] == [field]


async def test_a_sign_up_is_told_to_the_others_under_the_id_of_its_request(service: Service) -> None:
    await service.sign_up(headers={"X-Request-ID": "request-4711"})

    (message,) = await service.told(1)
    assert message.type == "registration.confirmed"
    assert message.correlationid == "request-4711"
    assert isinstance(message.data, RegistrationSnapshot)
    assert message.data.email == "kari@example.org"


async def test_all_that_does_not_fit_is_named_at_once_and_not_repeated(service: Service) -> None:
    body = {"attendance": "hybrid-4711", "headcount": 0, "email": "kari-4711", "shoe-size": 4711}

    answer = await service.client.post(SIGN_UP, json=body)

    said = await problem(answer, 422)
    assert said["type"] == "/problems/invalid"
    assert sorted(fields(said)) == sorted(["seminar", "name", "email", "attendance", "headcount", "shoe-size"])
    assert "4711" not in json.dumps(said)


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"headcount": 3}, "headcount"),
        ({"attendance": "online", "dietary_needs": "vegan"}, "dietary_needs"),
    ],
)
async def test_a_rule_over_several_fields_is_reported_at_the_field_that_breaks_it(
    service: Service, overrides: dict[str, Any], field: str
) -> None:
    said = await problem(await service.sign_up(**overrides), 422)

    assert fields(said) == [field]


async def test_a_number_in_json_is_a_number(service: Service) -> None:
    token = await service.token(attendance="online")

    signed_up = await service.sign_up(attendance="online", headcount="12")
    corrected = await service.client.patch(MINE, json={"headcount": "12"}, headers=bearing(token))

    assert fields(await problem(signed_up, 422)) == ["headcount"]
    assert fields(await problem(corrected, 422)) == ["headcount"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"seminar=x", b"\xff\xfe", b"[" * 10_000, b"{'name': 1}", b'{"name": NaN}']
)
async def test_what_is_not_json_is_400(service: Service, body: bytes) -> None:
    answer = await service.client.post(SIGN_UP, data=body, headers={"Content-Type": "application/json"})

    assert (await problem(answer, 400))["type"] == "/problems/not-json"


@pytest.mark.parametrize("body", ["[]", "3", "null", '"kari"', '{"name": "\\ud800"}'])
async def test_json_of_another_form_is_422(service: Service, body: str) -> None:
    answer = await service.client.post(SIGN_UP, data=body, headers={"Content-Type": "application/json"})

    assert (await problem(answer, 422))["type"] == "/problems/invalid"


async def test_a_body_beyond_the_limit_is_413(service: Service) -> None:
    answer = await service.sign_up(name="x" * 300_000)

    assert (await problem(answer, 413))["type"] == "/problems/too-large"


async def test_a_seminar_that_is_not_known_is_404(service: Service) -> None:
    answer = await service.sign_up(seminar="another")

    assert (await problem(answer, 404))["type"] == "/problems/not-found"


@pytest.mark.parametrize("seminar", ["a\x00b", "\x00", "☃", "a b", "../x", "'; DROP TABLE registrations; --"])
async def test_a_seminar_that_cannot_be_is_refused_and_nothing_worse(service: Service, seminar: str) -> None:
    answer = await service.sign_up(seminar=seminar)

    assert answer.status in (404, 422)


@pytest.mark.parametrize(
    ("overrides", "moment", "kind"),
    [
        ({}, DEADLINE, "deadline-passed"),
        ({}, END, "seminar-over"),
        ({"status": "cancelled"}, NOW, "seminar-cancelled"),
        ({"opens": NOW + timedelta(days=1)}, NOW, "not-open-yet"),
        ({"attendance": {"online": {}}}, NOW, "attendance-not-offered"),
    ],
)
async def test_each_refusal_is_409_with_a_type_of_its_own(
    service: Service, overrides: dict[str, Any], moment: datetime, kind: str
) -> None:
    await service.learn(revision=2, **overrides)
    service.clock.move_to(moment + timedelta(minutes=1))

    answer = await service.sign_up()

    assert (await problem(answer, 409))["type"] == f"/problems/{kind}"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", SIGN_UP, {"GET", "HEAD", "POST"}),
        ("POST", MINE, {"GET", "HEAD", "PATCH", "DELETE"}),
        ("DELETE", f"{SIGN_UP}/summary", {"GET", "HEAD"}),
    ],
)
async def test_another_method_is_405_with_those_that_there_are(
    service: Service, method: str, path: str, allowed: set[str]
) -> None:
    answer = await service.client.request(method, path)

    assert (await problem(answer, 405))["type"] == "/problems/method-not-allowed"
    assert set(re.split(r",\s*", answer.headers["Allow"])) == allowed


async def test_an_address_of_the_api_that_there_is_not_is_404(service: Service) -> None:
    answer = await service.client.get("/api/registrations/nowhere")

    assert (await problem(answer, 404))["type"] == "/problems/not-found"


# --- who is known is not found out ---


async def test_a_known_address_is_answered_like_a_stranger(service: Service) -> None:
    await service.learn(revision=2, capacity=60)
    await service.sign_up(email="kari@example.org")

    known = await service.sign_up(email=" KARI@example.org ")
    stranger = await service.sign_up(email="ola@example.org")

    assert known.status == stranger.status == 202
    known_body, stranger_body = await known.json(), await stranger.json()
    assert known_body["outcome"] == stranger_body["outcome"]
    assert list(known_body) == list(stranger_body)
    assert UUID(known_body["id"]).version == UUID(stranger_body["id"]).version
    assert lasting(known) == lasting(stranger)
    assert len(await known.read()) == len(await stranger.read())


async def test_a_known_address_in_the_form_is_answered_like_a_stranger(service: Service) -> None:
    await service.learn(revision=2, capacity=60)
    await service.sign_up(email="kari@example.org")

    known = await service.sign_up_by_form(email="kari@example.org")
    stranger = await service.sign_up_by_form(email="ola@example.org")

    assert known.status == stranger.status == 303
    assert known.headers["Location"] == stranger.headers["Location"]
    assert lasting(known) == lasting(stranger)
    assert await known.text() == await stranger.text()


async def test_the_reference_of_a_known_address_opens_nothing(service: Service) -> None:
    await service.sign_up()
    again = await (await service.sign_up()).json()

    answer = await service.client.get(MINE, headers=bearing(make_token(again["id"])))

    assert answer.status == 401


def lasting(answer: ClientResponse) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in OF_THE_MOMENT}


# --- when more come than can be written ---


async def test_when_too_many_wait_one_is_asked_to_come_back_and_keeps_what_one_typed(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.client.app[GROUP_COMMIT], "_room", 0)

    by_program = await service.sign_up()
    by_form = await service.sign_up_by_form(BROWSER | {"Accept-Language": "en"}, name="Åse")
    page = await by_form.text()

    assert (await problem(by_program, 503))["type"] == "/problems/unavailable"
    assert by_program.headers["Retry-After"] == by_form.headers["Retry-After"] == "2"
    assert (by_form.status, "Very many are signing up just now." in page, "Åse" in page) == (503, True, True)


async def test_who_hangs_up_meanwhile_is_signed_up_before_the_service_ends(new_database: NewDatabase) -> None:
    url = await new_database("registration")
    other = await asyncpg.connect(url)
    async with running(url, RecordingBus()) as service:
        await service.learn()
        hold = other.transaction()
        await hold.start()
        await other.execute("SELECT FROM seminars FOR UPDATE")
        first = asyncio.ensure_future(service.sign_up())
        await blocked(other, 1)
        second = asyncio.ensure_future(service.sign_up(email="ola@example.org"))
        await eventually(lambda: service.client.app[GROUP_COMMIT]._waiting == 2)
        for hanging_up in (first, second):
            hanging_up.cancel()
        server = service.client.server.runner.server  # type: ignore[union-attr] # it runs
        await eventually(lambda: not server.connections)  # type: ignore[union-attr] # the same
        asyncio.get_running_loop().call_later(0.1, asyncio.ensure_future, hold.rollback())

    assert await other.fetchval("SELECT count(*) FROM registrations") == 2
    await other.close()


# --- the same request again ---

KEY = {"Idempotency-Key": "b2c1a0"}


async def test_the_same_key_and_body_get_the_same_answer_and_one_registration(service: Service) -> None:
    first = await service.sign_up(headers=KEY)
    again = await service.sign_up(headers=KEY)

    assert again.status == first.status == 202
    assert await again.json() == await first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert [message.type for message in await service.told(1)] == ["registration.confirmed"]


async def test_the_same_answer_comes_also_after_the_deadline(service: Service) -> None:
    first = await service.sign_up(headers=KEY)
    service.clock.move_to(DEADLINE + timedelta(days=1))

    again = await service.sign_up(headers=KEY)

    assert await again.json() == await first.json()


async def test_a_known_key_with_another_body_is_422(service: Service) -> None:
    await service.sign_up(headers=KEY)

    answer = await service.sign_up(headers=KEY, name="Ola Nordmann")

    assert (await problem(answer, 422))["type"] == "/problems/idempotency-key-reused"


async def test_a_key_that_is_being_worked_on_is_409_and_afterwards_serves(service: Service) -> None:
    other = await asyncpg.connect(service.url)
    async with other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 1))", KEY["Idempotency-Key"])
        meanwhile = await service.sign_up(headers=KEY)
    await other.close()

    after = await service.sign_up(headers=KEY)

    assert (await problem(meanwhile, 409))["type"] == "/problems/request-in-progress"
    assert after.status == 202


async def test_many_at_once_with_one_key_make_one_registration(service: Service) -> None:
    answers = await asyncio.gather(*(service.sign_up(headers=KEY) for _ in range(12)))

    taken = [await answer.json() for answer in answers if answer.status == 202]
    assert {answer.status for answer in answers} <= {202, 409}
    assert len({body["id"] for body in taken}) == 1
    assert [message.type for message in await service.told(1)] == ["registration.confirmed"]


async def test_many_at_once_with_keys_of_their_own_are_all_taken(service: Service) -> None:
    answers = await asyncio.gather(
        *(service.sign_up(headers={"Idempotency-Key": f"k{n}"}, email=f"p{n}@example.org") for n in range(20))
    )

    outcomes = Counter([(await answer.json())["outcome"] for answer in answers])
    assert outcomes == {"confirmed": 2, "waitlisted": 18}


async def test_a_refused_request_is_not_kept_so_that_its_key_serves_later(service: Service) -> None:
    await service.learn(revision=2, opens=NOW + timedelta(hours=1))
    refused = await service.sign_up(headers=KEY)
    invalid = await service.sign_up(headers=KEY, name="")
    service.clock.move_to(NOW + timedelta(hours=2))

    taken = await service.sign_up(headers=KEY)

    assert [refused.status, invalid.status, taken.status] == [409, 422, 202]
    assert "Idempotent-Replayed" not in taken.headers


@pytest.mark.parametrize("key", ["", "x" * 256, "a\u200bb"])
async def test_a_key_of_another_form_is_422(service: Service, key: str) -> None:
    said = await problem(await service.sign_up(headers={"Idempotency-Key": key}), 422)

    assert fields(said) == ["Idempotency-Key"]


async def test_without_a_key_every_request_is_a_request_of_its_own(service: Service) -> None:
    first, second = await service.sign_up(), await service.sign_up()

    assert (await first.json())["id"] != (await second.json())["id"]


# --- one's own ---


async def test_with_the_mailed_token_one_reads_what_stands(service: Service) -> None:
    for name in ("kari", "ola"):
        await service.sign_up(email=f"{name}@example.org")
    token = await service.token(email="per@example.org")

    answer = await service.client.get(MINE, headers=bearing(token))

    body = await answer.json(content_type="application/json")
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert (body["seminar"], body["status"], body["place"], body["version"]) == (SLUG, "waitlisted", 1, 1)
    assert (body["name"], body["email"], body["attendance"]) == ("Kari Nordmann", "per@example.org", "in_person")
    assert body["confirmed_at"] is None


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda _: {}, id="none"),
        pytest.param(lambda _: bearing(""), id="empty"),
        pytest.param(lambda _: bearing("nonsense"), id="nonsense"),
        pytest.param(lambda r: bearing(make_token(r).translate({ord("A"): "B", ord("B"): "A"})), id="tampered"),
        pytest.param(lambda r: bearing(make_token(r, key="another secret key")), id="of-another-key"),
        pytest.param(lambda r: bearing(make_token(r, purpose="unsubscribe")), id="for-another-purpose"),
        pytest.param(lambda r: bearing(make_token(r, version=2)), id="of-another-version"),
        pytest.param(lambda _: bearing(make_token(str(UUID(int=1)))), id="of-nobody"),
        pytest.param(lambda r: {"Authorization": f"Basic {make_token(r)}"}, id="by-another-scheme"),
        pytest.param(lambda _: ORGANISER, id="an-organisers"),
    ],
)
async def test_without_the_mailed_token_nothing_is_read_or_changed(
    service: Service, method: str, spoil: Callable[[str], dict[str, str]]
) -> None:
    registration = (await (await service.sign_up()).json())["id"]

    answer = await service.client.request(method, MINE, headers=spoil(registration), json={"name": "Mallory"})

    assert (await problem(answer, 401))["type"] == "/problems/unauthorised"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    mine = await service.mine(make_token(registration))
    assert (mine["name"], mine["version"]) == ("Kari Nordmann", 1)


async def test_a_link_dies_thirty_days_after_the_seminar(service: Service) -> None:
    token = await service.token()
    service.clock.move_to(END + LIFETIME - timedelta(minutes=1))
    alive = await service.client.get(MINE, headers=bearing(token))

    service.clock.move_to(END + LIFETIME + timedelta(seconds=1))

    dead = await service.client.get(MINE, headers=bearing(token))
    assert (alive.status, dead.status) == (200, 401)


async def test_one_corrects_what_one_told(service: Service) -> None:
    token = await service.token()

    answer = await service.client.patch(
        MINE, json={"name": "Kari N. Nordmann", "organisation": "Solund kommune"}, headers=bearing(token)
    )

    body = await answer.json()
    assert (answer.status, answer.headers["ETag"]) == (200, '"2"')
    assert (body["name"], body["organisation"], body["email"]) == (
        "Kari N. Nordmann",
        "Solund kommune",
        "kari@example.org",
    )
    assert (await service.told(2))[-1].type == "registration.changed"


async def test_one_goes_online_and_back(service: Service) -> None:
    token = await service.token(dietary_needs="vegan")
    there = await service.client.patch(
        MINE, json={"attendance": "online", "dietary_needs": None}, headers=bearing(token)
    )

    back = await service.client.patch(MINE, json={"attendance": "in_person"}, headers=bearing(token))

    assert (await there.json())["attendance"] == "online"
    assert (await back.json())["attendance"] == "in_person"


@pytest.mark.parametrize("etag", ['"1"', 'W/"1"'])
async def test_a_change_that_builds_on_what_stands_is_made(service: Service, etag: str) -> None:
    token = await service.token()

    answer = await service.client.patch(MINE, json={"name": "Kari N."}, headers=bearing(token) | {"If-Match": etag})

    assert answer.status == 200


@pytest.mark.parametrize("etag", ["", '"2"', "1", "*", '"0"', '"x"', "nonsense", '"1", "2"', '"' + "9" * 5000 + '"'])
async def test_a_change_that_builds_on_anything_else_is_412(service: Service, etag: str) -> None:
    token = await service.token()

    answer = await service.client.patch(MINE, json={"name": "Kari N."}, headers=bearing(token) | {"If-Match": etag})

    assert (await problem(answer, 412))["type"] == "/problems/precondition-failed"
    assert (await service.mine(token))["version"] == 1


async def test_a_change_to_what_stands_already_raises_no_version(service: Service) -> None:
    token = await service.token(organisation="Solund kommune")

    answer = await service.client.patch(
        MINE, json={"organisation": "Solund kommune", "headcount": 1}, headers=bearing(token)
    )

    assert answer.headers["ETag"] == '"1"'


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"email": "ola@example.org"}, ["email"]),
        ({"seminar": "another"}, ["seminar"]),
        ({"name": ""}, ["name"]),
        ({"name": None}, ["name"]),
        ({"attendance": "hybrid", "headcount": 0}, ["attendance", "headcount"]),
        ({"status": "confirmed"}, ["status"]),
        ({"headcount": 3}, ["headcount"]),
        ([], ["body"]),
        ("x", ["body"]),
    ],
)
async def test_a_correction_that_does_not_fit_is_422(service: Service, body: Any, wrong: list[str]) -> None:
    token = await service.token()

    answer = await service.client.patch(MINE, json=body, headers=bearing(token))

    said = await problem(answer, 422)
    assert (said["type"], fields(said)) == ("/problems/invalid", wrong)


async def test_a_correction_that_is_not_json_is_400(service: Service) -> None:
    token = await service.token()

    answer = await service.client.patch(MINE, data=b"{", headers=bearing(token))

    assert (await problem(answer, 400))["type"] == "/problems/not-json"


async def test_a_switch_that_comes_too_late_is_409(service: Service) -> None:
    token = await service.token(attendance="online")
    service.clock.move_to(DEADLINE + timedelta(minutes=1))

    answer = await service.client.patch(MINE, json={"attendance": "in_person"}, headers=bearing(token))

    assert (await problem(answer, 409))["type"] == "/problems/deadline-passed"
    assert (await service.mine(token))["attendance"] == "online"


async def test_one_cancels_once(service: Service) -> None:
    token = await service.token()

    answers = [await service.client.delete(MINE, headers=bearing(token)) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200]
    assert [(await answer.json())["status"] for answer in answers] == ["cancelled"] * 2
    assert [message.type for message in await service.told(2)] == ["registration.confirmed", "registration.cancelled"]


async def test_after_the_end_there_is_nothing_to_cancel(service: Service) -> None:
    token = await service.token()
    service.clock.move_to(END)

    answer = await service.client.delete(MINE, headers=bearing(token))

    assert (await problem(answer, 409))["type"] == "/problems/seminar-over"


# --- for organisers ---

OF_ORGANISERS = [f"{SIGN_UP}{path}?seminar={SLUG}" for path in ("", "/summary", "/export.csv", "/export.xlsx")]


@pytest.mark.parametrize("path", OF_ORGANISERS)
@pytest.mark.parametrize("headers", [{}, bearing("nonsense"), bearing(""), {"Authorization": "Basic dG9rZW4="}])
async def test_each_call_of_organisers_needs_a_token_of_theirs(
    service: Service, path: str, headers: dict[str, str]
) -> None:
    token = await service.token()

    for given in (headers, bearing(token)):
        answer = await service.client.get(path, headers=given)

        assert (await problem(answer, 401))["type"] == "/problems/unauthorised"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", OF_ORGANISERS)
async def test_each_call_of_organisers_wants_to_know_which_seminar(service: Service, path: str) -> None:
    bare = path.partition("?")[0]
    for address, status in ((bare, 422), (f"{bare}?seminar=", 422), (f"{bare}?seminar=another", 404)):
        answer = await service.client.get(address, headers=ORGANISER)

        await problem(answer, status)


@pytest.mark.parametrize("path", OF_ORGANISERS)
async def test_a_seminar_that_cannot_be_is_found_by_no_call_of_organisers(service: Service, path: str) -> None:
    answer = await service.client.get(f"{path.partition('?')[0]}?seminar=a%00b", headers=ORGANISER)

    assert answer.status in (400, 404, 422)


async def test_organisers_see_who_comes_in_the_order_they_came(service: Service) -> None:
    for name in ("kari", "ola", "per"):
        await service.sign_up(email=f"{name}@example.org", dietary_needs=f"what {name} eats")

    answer = await service.client.get(OF_ORGANISERS[0], headers=ORGANISER)

    body = await answer.json()
    assert [item["email"] for item in body["items"]] == ["kari@example.org", "ola@example.org", "per@example.org"]
    assert [item["status"] for item in body["items"]] == ["confirmed", "confirmed", "waitlisted"]
    assert body["items"][0]["dietary_needs"] == "what kari eats"
    assert body["next"] is None


async def test_a_long_list_comes_in_pages_that_miss_nobody_and_repeat_nobody(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "PAGE", 3)
    people = [f"p{number}@example.org" for number in range(6)]
    for email in people:
        await service.sign_up(email=email)

    pages_seen: list[list[str]] = []
    cursor: str | None = ""
    while cursor is not None:
        more = f"&after={cursor}" if cursor else ""
        body = await (await service.client.get(OF_ORGANISERS[0] + more, headers=ORGANISER)).json()
        pages_seen.append([item["email"] for item in body["items"]])
        cursor = body["next"]

    assert pages_seen == [people[:3], people[3:]]


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "9" * 19, "%D9%A3", "", "%00"])
async def test_what_is_no_cursor_is_422(service: Service, cursor: str) -> None:
    answer = await service.client.get(f"{OF_ORGANISERS[0]}&after={cursor}", headers=ORGANISER)

    assert fields(await problem(answer, 422)) == ["after"]


async def test_the_summary_counts_who_comes_who_waits_and_who_has_left(service: Service) -> None:
    for name in ("kari", "ola", "per", "siri"):
        await service.sign_up(email=f"{name}@example.org")
    await service.sign_up(email="espen@example.org", attendance="online")
    leaver = await service.token(email="left@example.org", attendance="online")
    await service.client.delete(MINE, headers=bearing(leaver))

    answer = await service.client.get(OF_ORGANISERS[1], headers=ORGANISER)

    assert await answer.json() == {
        "in_person": {"confirmed": 2, "waitlisted": 2, "capacity": 2},
        "online": {"confirmed": 1},
        "cancelled": 1,
    }


async def test_the_summary_of_a_seminar_without_a_limit_says_null(service: Service) -> None:
    await service.learn(revision=2, capacity=None)

    answer = await service.client.get(OF_ORGANISERS[1], headers=ORGANISER)

    assert (await answer.json())["in_person"]["capacity"] is None


async def test_the_export_is_csv_with_a_byte_order_mark_and_no_formulas(service: Service) -> None:
    await service.sign_up(
        name='=HYPERLINK("https://example.org")', organisation="+47 Solund", dietary_needs='@nuts, "raw"'
    )
    await service.sign_up(name="Áile Đoŋŋá", email="aile@example.org", attendance="online", headcount=3)

    answer = await service.client.get(OF_ORGANISERS[2], headers=ORGANISER)

    content = await answer.read()
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.endswith(b"\r\n")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{SLUG}.csv"'
    assert answer.headers["Cache-Control"] == "no-store"
    one, other = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert one["name"] == '\'=HYPERLINK("https://example.org")'
    assert (one["organisation"], one["dietary_needs"]) == ("'+47 Solund", '\'@nuts, "raw"')
    assert (other["name"], other["headcount"], other["attendance"]) == ("Áile Đoŋŋá", "3", "online")


async def test_the_export_holds_everybody_however_many(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PAGE", 2)
    for number in range(5):
        await service.sign_up(email=f"p{number}@example.org")

    answer = await service.client.get(OF_ORGANISERS[2], headers=ORGANISER)

    assert len((await answer.text(encoding="utf-8-sig")).splitlines()) == 1 + 5


# --- the form ---


async def test_the_form_shows_the_seminar_in_the_language_that_was_asked_for(service: Service) -> None:
    for lang, title in (("nb", "Planstrategi 4.0"), ("en", "Planning strategy 4.0")):
        answer = await service.client.get(f"{FORM}?lang={lang}")

        text = await answer.text()
        assert answer.status == 200
        assert title in text
        assert f'<html lang="{lang}">' in text
        assert answer.headers["Content-Language"] == lang


async def test_the_form_signs_up_in_the_language_that_it_was_read_in(service: Service) -> None:
    answer = await service.client.post(f"{FORM}?lang=nn", data=make_sign_up_body(seminar=...), allow_redirects=False)

    assert answer.status == 303
    (message,) = await service.told(1)
    assert isinstance(message.data, RegistrationSnapshot)
    assert message.data.language == "nn"


async def test_who_has_sent_the_form_is_told_so_without_a_link_to_what_stands(service: Service) -> None:
    answer = await service.sign_up_by_form()
    page = await service.client.get(answer.headers["Location"])

    assert (answer.status, page.status) == (303, 200)
    assert answer.headers["Location"].startswith(f"{FORM}/received?")
    assert "/my/" not in await page.text()
    assert "kari@example.org" not in await page.text()
    assert "kari" not in answer.headers["Location"]


async def test_a_form_with_errors_comes_back_with_what_was_typed_and_marks_each_field(service: Service) -> None:
    answer = await service.sign_up_by_form(name="", email="kari<b>", organisation="Solund kommune")

    text = await answer.text()
    assert answer.status == 422
    assert set(re.findall(r'id="([a-z_]+)"[^>]*aria-invalid="true"', text)) == {"name", "email"}
    assert 'value="kari&lt;b&gt;"' in text
    assert 'value="Solund kommune"' in text


async def test_what_belongs_to_the_other_way_to_attend_is_passed_over(service: Service) -> None:
    in_person = await service.sign_up_by_form(headcount="5", dietary_needs="vegan")
    online = await service.sign_up_by_form(
        email="ola@example.org", attendance="online", headcount="5", dietary_needs="vegan"
    )

    assert [in_person.status, online.status] == [303, 303]
    items = (await (await service.client.get(OF_ORGANISERS[0], headers=ORGANISER)).json())["items"]
    assert [(item["headcount"], item["dietary_needs"]) for item in items] == [(1, "vegan"), (5, None)]


async def test_a_form_that_is_sent_too_late_says_so_and_keeps_what_was_typed(service: Service) -> None:
    service.clock.move_to(DEADLINE + timedelta(minutes=1))

    answer = await service.sign_up_by_form()

    assert answer.status == 409
    assert 'value="Kari Nordmann"' in await answer.text()


async def test_the_form_of_a_seminar_that_there_is_not_is_404(service: Service) -> None:
    shown = await service.client.get("/register/another", headers=BROWSER)
    sent = await service.client.post("/register/another", data=make_sign_up_body(seminar=...), headers=BROWSER)

    assert [shown.status, sent.status] == [404, 404]
    assert shown.content_type == "text/html"


@pytest.mark.parametrize("address", ["/register/a%00b", "/register/a%00b/received", "/my/a%00b", "/my/%F0%9F%98%80"])
async def test_an_address_that_cannot_be_is_404(service: Service, address: str) -> None:
    answer = await service.client.get(address)

    assert answer.status in (400, 404, 422)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"name=\xff\xfe"),
        ("application/x-www-form-urlencoded; charset=klingon", b"name=kari"),
        ("multipart/form-data", b"name=kari"),
        ("multipart/form-data; boundary=x", b"no parts"),
        ("application/x-www-form-urlencoded", b"name=%FF"),
        ("text/plain", b"name=kari"),
    ],
)
async def test_a_form_that_cannot_be_read_is_the_senders_fault(
    service: Service, content_type: str, body: bytes
) -> None:
    answer = await service.client.post(FORM, data=body, headers={"Content-Type": content_type})

    assert 400 <= answer.status < 500


# --- by the mailed link ---


async def test_the_mailed_link_shows_what_stands(service: Service) -> None:
    token = await service.token()

    answer = await service.client.get(f"/my/{token}")

    assert answer.status == 200
    assert "Kari Nordmann" in await answer.text()


async def test_who_would_stand_in_line_by_switching_is_told_so_before(service: Service) -> None:
    await service.learn(revision=2, capacity=1)
    online = await service.token(attendance="online", email="online@example.no")
    before = await (await service.client.get(f"/my/{online}?lang=en")).text()
    await service.sign_up()

    after = await (await service.client.get(f"/my/{online}?lang=en")).text()

    assert ("stand in line for a seat" in before, "stand in line for a seat" in after) == (False, True)


async def test_by_the_mailed_link_one_cancels(service: Service) -> None:
    token = await service.token()

    answer = await service.client.post(f"/my/{token}/cancel", allow_redirects=False)

    assert (answer.status, answer.headers["Location"]) == (303, f"/my/{token}?done=cancelled")
    assert (await service.mine(token))["status"] == "cancelled"


async def test_by_the_mailed_link_one_switches(service: Service) -> None:
    token = await service.token(dietary_needs="vegan")

    answer = await service.client.post(f"/my/{token}/attendance", data={"attendance": "online"}, allow_redirects=False)

    assert (answer.status, answer.headers["Location"]) == (303, f"/my/{token}?done=switched")
    mine = await service.mine(token)
    assert (mine["attendance"], mine["dietary_needs"]) == ("online", None)


@pytest.mark.parametrize(("data", "status"), [({"attendance": "hybrid"}, 422), ({}, 422)])
async def test_a_switch_to_nowhere_is_refused(service: Service, data: dict[str, str], status: int) -> None:
    token = await service.token()

    answer = await service.client.post(f"/my/{token}/attendance", data=data, allow_redirects=False)

    assert answer.status == status


async def test_a_switch_to_the_room_after_the_deadline_is_refused(service: Service) -> None:
    token = await service.token(attendance="online")
    service.clock.move_to(DEADLINE + timedelta(minutes=1))

    answer = await service.client.post(
        f"/my/{token}/attendance", data={"attendance": "in_person"}, allow_redirects=False
    )

    assert answer.status == 409
    assert (await service.mine(token))["attendance"] == "online"


@pytest.mark.parametrize("path", ["", "/cancel", "/attendance"])
async def test_a_dead_link_is_404_whatever_it_is_used_for(service: Service, path: str) -> None:
    token = make_token(str(UUID(int=1)))

    answer = await service.client.request(
        "POST" if path else "GET", f"/my/{token}{path}", data={"attendance": "online"}, headers=BROWSER
    )

    assert answer.status == 404
    assert answer.content_type == "text/html"


async def test_every_answer_under_a_personal_link_is_private(service: Service) -> None:
    token = await service.token()
    dead = make_token(str(UUID(int=1)))
    asked = {
        "shown": service.client.get(f"/my/{token}"),
        "switched": service.client.post(
            f"/my/{token}/attendance", data={"attendance": "online"}, allow_redirects=False
        ),
        "wrong": service.client.post(f"/my/{token}/attendance", data={}),
        "cancelled": service.client.post(f"/my/{token}/cancel", allow_redirects=False),
        "dead": service.client.get(f"/my/{dead}"),
        "cross-site": service.client.post(f"/my/{token}/cancel", headers={"Origin": "https://mallory.example"}),
        "another method": service.client.put(f"/my/{token}"),
    }

    said = {name: (await answer).headers for name, answer in asked.items()}

    assert {name: headers["Referrer-Policy"] for name, headers in said.items()} == dict.fromkeys(asked, "same-origin")
    assert {name: headers.get("Cache-Control") for name, headers in said.items()} == dict.fromkeys(asked, "no-store")
    assert {name: headers.get("X-Robots-Tag") for name, headers in said.items()} == dict.fromkeys(asked, "noindex")


# --- from another site ---


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ({}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, True),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "nonsense"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "{own}"}, False),
        ({"Origin": "{own}"}, True),
        ({"Origin": "https://mallory.example"}, False),
        ({"Origin": "{own}.mallory.example"}, False),
        ({"Origin": "http://127.0.0.1:1"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ""}, False),
        ({"Origin": "http://["}, False),
        ({"Origin": "http://x:port"}, False),
    ],
)
@pytest.mark.parametrize("address", [SIGN_UP, FORM])
async def test_a_post_from_another_site_is_refused(
    service: Service, address: str, headers: dict[str, str], *, taken: bool
) -> None:
    own = str(service.client.make_url("")).rstrip("/")
    given = {name: value.format(own=own) for name, value in headers.items()}

    post = service.sign_up if address == SIGN_UP else service.sign_up_by_form
    answer = await post(headers=given)

    assert answer.status == (403 if not taken else 202 if address == SIGN_UP else 303)
    listed = await (await service.client.get(OF_ORGANISERS[0], headers=ORGANISER)).json()
    assert len(listed["items"]) == taken


@pytest.mark.parametrize("action", ["cancel", "attendance"])
async def test_a_personal_link_is_not_used_from_another_site(service: Service, action: str) -> None:
    token = await service.token()

    answer = await service.client.post(
        f"/my/{token}/{action}", data={"attendance": "online"}, headers={"Sec-Fetch-Site": "cross-site"}
    )

    assert answer.status == 403
    assert (await service.mine(token))["version"] == 1


# --- what holds for every answer ---


def every_get(token: str) -> list[str]:
    filled = {"slug": SLUG, "token": token}
    paths = [route.path.format(**filled) for route in [*api.ROUTES, *pages.ROUTES] if route.method == "GET"]
    return [f"{path}?seminar={SLUG}" for path in paths] + ["/health/live", "/health/ready", "/nowhere", "/register/x"]


async def test_a_get_changes_nothing(service: Service) -> None:
    token = await service.token()
    await service.told(1)
    addresses = every_get(token)
    await relayed(service.database)
    before = await tables_of(service.database)

    for address in addresses:
        for headers in ({}, ORGANISER, bearing(token)):
            for method in ("GET", "HEAD"):
                await service.client.request(method, address, headers=headers)

    assert len(addresses) > 8
    assert await tables_of(service.database) == before


async def test_every_answer_tells_the_browser_what_it_must_not_do_and_bears_an_id(service: Service) -> None:
    token = await service.token()

    for address in every_get(token):
        answer = await service.client.get(address)

        assert answer.headers["X-Content-Type-Options"] == "nosniff", address
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"], address
        assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"], address
        assert "unsafe" not in answer.headers["Content-Security-Policy"], address
        assert answer.headers["Referrer-Policy"] in ("strict-origin-when-cross-origin", "same-origin"), address
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin", address
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"]), address


@pytest.mark.parametrize("given", ["request-4711", "a" * 64])
async def test_the_name_that_a_request_came_with_is_kept(service: Service, given: str) -> None:
    answer = await service.client.get("/health/live", headers={"X-Request-ID": given})

    assert answer.headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "short", "a" * 65, "kari@example.org", "a b c d e f g", "åååååååå"])
async def test_a_name_of_another_form_is_replaced(service: Service, given: str) -> None:
    answer = await service.client.get("/health/live", headers={"X-Request-ID": given})

    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"])


async def test_errors_are_pages_for_people_and_problems_for_programs(service: Service) -> None:
    page = await service.client.get("/nowhere", headers=BROWSER)
    api_answer = await service.client.get("/api/nowhere", headers=BROWSER)

    assert (page.status, page.content_type) == (404, "text/html")
    assert (api_answer.status, api_answer.content_type) == (404, "application/problem+json")


# --- without the broker ---


async def test_while_the_broker_is_away_people_sign_up_and_nothing_is_lost(new_database: NewDatabase) -> None:
    bus = RecordingBus(refusing=True)
    async with running(await new_database("registration"), bus) as service:
        await service.learn()
        answer = await service.sign_up()
        await eventually(lambda: bus.refused > 1)
        ready = await service.client.get("/health/ready")

        bus.refusing = False

        messages = await service.told(1)
        assert (answer.status, ready.status) == (202, 200)
        assert [message.type for message in messages] == ["registration.confirmed"]
