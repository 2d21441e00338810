"""An organiser's session through HTTP: how it begins, what it opens, who cannot use it, how it ends."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientResponse

from local.postgres import Postgres
from tests.factories import SLUG, TOKEN, begin_anew
from tests.integration.catalog.site import BROWSER, Site, running

SIGN_IN = "/organiser/sign-in"
TRIES = 3  # wrong tokens an hour


@pytest.fixture(scope="module")
async def started(postgres: Postgres, templates: dict[str, str]) -> AsyncIterator[Site]:
    limits = {"rate_limit": f"sign-in:{TRIES}/1h", "trusted_proxies": "127.0.0.1"}
    async with running(postgres, templates["catalog"], "catalog_sign_in", **limits) as site:
        yield site


@pytest.fixture
async def site(started: Site) -> Site:
    await begin_anew(started.database, started.bus, started.clock)
    return started


async def present(site: Site, token: str, following: str = "", **headers: str) -> ClientResponse:
    form = {"token": token, "next": following}
    return await site.client.post(SIGN_IN, data=form, headers=BROWSER | headers, allow_redirects=False)


async def cookie_of(site: Site) -> dict[str, str]:
    answer = await present(site, TOKEN)
    return {"Cookie": f"organiser={answer.cookies['organiser'].value}"}


async def get(site: Site, path: str, **headers: str) -> ClientResponse:
    return await site.client.get(path, headers=BROWSER | headers, allow_redirects=False)


async def test_a_page_for_organisers_sends_a_stranger_to_sign_in_and_back(site: Site) -> None:
    answer = await get(site, "/organiser/audit?after=1")

    assert answer.status == 303
    sign_in_at = answer.headers["Location"]
    assert sign_in_at == f"{SIGN_IN}?next=%2Forganiser%2Faudit%3Fafter%3D1"
    assert 'value="/organiser/audit?after=1"' in await site.shown(sign_in_at)
    signed_in = await present(site, TOKEN, "/organiser/audit?after=1")
    assert (signed_in.status, signed_in.headers["Location"]) == (303, "/organiser/audit?after=1")


@pytest.mark.parametrize(
    "following", ["https://elsewhere.example", "//elsewhere.example", "/organiser/\\x", "/", "/organiser/\r\nX: y"]
)
async def test_signing_in_leads_to_no_other_place(site: Site, following: str) -> None:
    answer = await present(site, TOKEN, following)

    assert answer.headers["Location"] == "/organiser/seminars"


async def test_the_cookie_is_hidden_from_scripts_and_other_sites_and_holds_no_secret(site: Site) -> None:
    answer = await present(site, TOKEN)

    cookie = answer.cookies["organiser"]
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"], cookie["max-age"]) == (True, "Lax", True, "28800")
    assert TOKEN not in str(answer.headers)


async def test_a_wrong_token_opens_nothing(site: Site) -> None:
    answer = await present(site, "wrong")

    assert answer.status == 403
    assert "organiser" not in answer.cookies
    assert "Koden er ikke gyldig." in await answer.text()


async def test_after_many_wrong_tokens_the_right_one_waits_too(site: Site) -> None:
    guesser = {"X-Forwarded-For": "192.0.2.1"}
    for _ in range(TRIES):
        assert (await present(site, "wrong", **guesser)).status == 403

    answer = await present(site, TOKEN, **guesser)

    assert (answer.status, 1140 < int(answer.headers["Retry-After"]) <= 3600 / TRIES) == (429, True)
    assert "organiser" not in answer.cookies
    assert "Prøv igjen om 20 minutter." in await answer.text()


async def test_wrong_tokens_that_come_all_at_once_are_no_more(site: Site) -> None:
    guesser = {"X-Forwarded-For": "192.0.2.2"}

    answers = await asyncio.gather(*(present(site, "wrong", **guesser) for _ in range(4 * TRIES)))

    assert sorted(answer.status for answer in answers) == TRIES * [403] + 3 * TRIES * [429]


async def test_a_guesser_behind_the_proxy_is_not_everybody_behind_it(site: Site) -> None:
    for _ in range(TRIES + 1):
        await present(site, "wrong", **{"X-Forwarded-For": "192.0.2.3"})

    answer = await present(site, TOKEN, **{"X-Forwarded-For": "192.0.2.4"})

    assert (answer.status, "organiser" in answer.cookies) == (303, True)


async def test_a_session_does_what_a_token_does_at_every_replica(site: Site) -> None:
    await site.put(status="draft")
    cookie = await cookie_of(site)
    for client in (site.client, site.other):
        answer = await client.put(
            f"/api/seminars/{SLUG}/livestream",
            json={"url": "https://stream.example.org/x"},
            headers=cookie | {"Sec-Fetch-Site": "same-origin"},
        )

        assert answer.status == 200


@pytest.mark.parametrize(
    "sent_by", [{}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}, {"Origin": "null"}]
)
async def test_a_session_alone_changes_nothing_through_the_api(site: Site, sent_by: dict[str, str]) -> None:
    await site.put()
    cookie = await cookie_of(site)

    answer = await site.client.post(f"/api/seminars/{SLUG}/cancel", headers=cookie | sent_by)

    assert (answer.status, (await answer.json())["type"]) == (403, "/problems/cross-site")


async def test_signing_out_needs_the_forms_token_and_ends_the_session(site: Site) -> None:
    cookie = await cookie_of(site)
    page = await (await get(site, "/organiser/audit", **cookie)).text()
    (token,) = set(re.findall(r'name="form_token" value="(\w+)"', page))

    for form in ({}, {"form_token": "0" * 64}, {"form_token": "æ"}):
        refused = await site.client.post("/organiser/sign-out", data=form, headers=cookie, allow_redirects=False)
        assert (refused.status, (await refused.json())["type"]) == (403, "/problems/stale-form")
    answer = await site.client.post(
        "/organiser/sign-out", data={"form_token": token}, headers=cookie, allow_redirects=False
    )

    assert (answer.status, answer.headers["Location"]) == (303, SIGN_IN)
    assert answer.cookies["organiser"].value == ""


async def test_a_forms_token_is_of_one_session(site: Site) -> None:
    mine, other = await cookie_of(site), await cookie_of(site)
    page = await (await get(site, "/organiser/audit", **other)).text()
    token = re.findall(r'name="form_token" value="(\w+)"', page)[0]

    answer = await site.client.post("/organiser/sign-out", data={"form_token": token}, headers=mine)

    assert answer.status == 403


async def test_organisers_pages_are_kept_by_nobody_and_found_by_nobody(site: Site) -> None:
    answer = await get(site, "/organiser/audit", **(await cookie_of(site)))

    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Robots-Tag"] == "noindex"
