"""The organiser's pages in a real browser: accessible, on a phone, without JavaScript; and what a little of it adds."""

import json
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, Route, expect

from local.importing import read_document
from tests.browser.conftest import EXAMPLE, PHONE, ROOT, Check, Observed, Site, observe, tab_to, visit, width

HERE = f"/organiser/seminars/{EXAMPLE}"
FILE = (ROOT / "examples" / f"{EXAMPLE}.yaml").read_text(encoding="utf-8")
PAGES = (
    "/organiser/seminars",
    "/organiser/audit",
    "/organiser/seminars/new/yaml",
    HERE,
    f"{HERE}?done=saved",
    f"{HERE}/preview?at=2023-06-01T10:30",
    f"{HERE}/history",
    f"{HERE}/restore?revision=1",
    f"{HERE}/cancel",
    f"{HERE}/yaml",
    "/organiser/seminars/a-draft",
)
DIFFERENCE = {
    "reminders": {"moved": 2, "added": 0, "removed": 0, "closed": 0},
    "notices": {"kind": "seminar_moved", "recipients": 143},
    "items_before": 4,
    "items_after": 4,
}


async def sign_in(page: Page, site: Site, following: str = "/organiser/seminars") -> None:
    await page.goto(following)
    await page.get_by_label("Arrangørkoden din").fill(site.token)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Logg ut")).to_be_visible()


@pytest.fixture(scope="module")
async def desk(chromium: Browser, site: Site) -> AsyncIterator[tuple[Page, Observed]]:
    """A signed-in organiser's page, with JavaScript."""
    if not (await (await site.client.get(f"{site.url}/api/seminars/a-draft")).json()).get("slug"):
        draft = read_document(ROOT / "examples" / f"{EXAMPLE}.yaml") | {"slug": "a-draft", "status": "draft"}
        await site._organise("PUT", "/api/seminars/a-draft", draft | {"livestream": None})
    async with observe(chromium, site, java_script_enabled=True) as observed:
        await sign_in(observed[0], site)
        yield observed


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_of_the_desk_is_accessible_and_fits_a_phone(
    path: str, desk: tuple[Page, Observed], axe: Check
) -> None:
    page, observed = desk
    await page.set_viewport_size(PHONE)
    await page.goto(path)

    assert await axe(page) == []
    assert await width(page) <= 360
    await page.set_viewport_size({"width": 320, "height": 740})
    assert await width(page) <= 320
    observed.check()


async def test_the_sign_in_is_accessible_also_when_the_token_is_wrong(
    chromium: Browser, site: Site, axe: Check
) -> None:
    async with visit(chromium, site, java_script_enabled=True) as page:
        await page.goto("/organiser/sign-in")
        assert await axe(page) == []
        await page.get_by_label("Arrangørkoden din").fill("wrong")
        await page.get_by_role("button", name="Logg inn").click()

        await expect(page.get_by_role("alert")).to_have_text("Koden er ikke gyldig.")
        assert await axe(page) == []
        assert await width(page) <= 360


async def test_a_seminar_goes_from_file_to_published_by_keyboard_on_a_phone_without_javascript(
    page: Page, site: Site
) -> None:
    await sign_in(page, site, "/organiser/seminars/new/yaml")
    text = FILE.replace(f"slug: {EXAMPLE}", "slug: by-keyboard").replace("status: published", "status: draft")
    await page.get_by_label("Seminarfilen").fill(text)
    await tab_to(page, page.get_by_role("button", name="Lagre"))
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_have_text("Seminaret er lagret.")
    await tab_to(page, page.get_by_role("button", name="Publiser", exact=True))
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("status")).to_have_text("Seminaret er publisert.")
    assert await width(page) <= 360
    await page.goto("/seminars/by-keyboard")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Planstrategi 4.0")


async def test_what_a_change_causes_is_said_where_notification_knows(desk: tuple[Page, Observed]) -> None:
    page, _ = desk
    asked = []

    async def answer(route: Route) -> None:
        asked.append(json.loads(route.request.post_data or ""))
        await route.fulfill(json={"items": [], "difference": DIFFERENCE})

    await page.route("**/api/rehearsals", answer)
    await page.goto(f"{HERE}/cancel")

    causes = page.get_by_role("region", name="Hva dette fører til")
    await expect(causes).to_contain_text("Personer som får e-post om det med én gang143")
    await expect(causes).to_contain_text("Påminnelser som flyttes2")
    await expect(causes.get_by_text("Nye påminnelser")).to_be_hidden()
    assert (asked[0]["seminar"], asked[0]["change"]["cancelled"]) == (EXAMPLE, True)
    await page.unroute("**/api/rehearsals")


@pytest.mark.parametrize(
    ("part", "label", "address"),
    [
        ("livestream", "Adressen til direktesendingen", "https://stream.example.no/2"),
        ("recording", "Adressen til opptaket", "https://film.example.no/1"),
    ],
)
async def test_what_a_new_address_causes_is_said_beside_it_before_it_is_saved(
    desk: tuple[Page, Observed], part: str, label: str, address: str
) -> None:
    page, _ = desk
    asked = []

    async def answer(route: Route) -> None:
        asked.append(json.loads(route.request.post_data or ""))
        await route.fulfill(json={"items": [], "difference": DIFFERENCE})

    await page.route("**/api/rehearsals", answer)
    await page.goto(HERE)
    form = page.locator(f"form[action$='/{part}']")
    await form.get_by_label(label).fill(address)
    await form.get_by_label(label).press("Tab")

    await expect(form.get_by_text("Personer som får e-post om det med én gang143")).to_be_visible()
    assert [change["change"][part]["url"] for change in asked] == [address]
    assert asked[0]["change"]["title"]
    await page.unroute("**/api/rehearsals")


@pytest.mark.parametrize("status", [404, 409, 500])
async def test_nothing_is_said_of_what_a_change_causes_where_nobody_knows(
    desk: tuple[Page, Observed], status: int
) -> None:
    page, observed = desk
    await page.route("**/api/rehearsals", lambda route: route.fulfill(status=status, json={}))
    async with page.expect_response("**/api/rehearsals"):
        await page.goto(f"{HERE}/cancel")

    await expect(page.get_by_text("Hva dette fører til")).to_be_hidden()
    await page.unroute("**/api/rehearsals")
    observed.complaints.clear()  # the browser's own line about the status
