"""The organiser's figures and the door in a real browser: live, accessible, on a phone and on paper."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import PHONE, Check, Observed, Site, observe, visit, width
from tests.browser.test_organiser import sign_in

SLUG = "figures"
HERE = f"/organiser/registrations/{SLUG}"
QUESTIONS = [
    {
        "id": "lunch",
        "text": {"nb": "Spiser du lunsj?"},
        "kind": "choice",
        "options": [{"id": "a", "text": {"nb": "Ja"}}, {"id": "b", "text": {"nb": "Nei"}}],
    }
]


@pytest.fixture(scope="module")
async def desk(chromium: Browser, site: Site) -> AsyncIterator[tuple[Page, Observed]]:
    """A signed-in organiser's page, with JavaScript, of a seminar that three have signed up for."""
    await site.publish(SLUG, questions=QUESTIONS)
    await site.sign_up(SLUG, "Kari", "in_person", organisation="Solund kommune", dietary_needs="Vegan")
    await site.sign_up(SLUG, "Ola", "in_person", organisation="Bergen kommune", accessibility_needs="Teleslynge")
    await site.sign_up(SLUG, "Per", "online", headcount=3, answers={"lunch": "a"})
    async with observe(chromium, site, java_script_enabled=True) as observed:
        await sign_in(observed[0], site)
        yield observed


@pytest.mark.parametrize("path", [f"{HERE}?county=46", f"{HERE}/check-in", f"{HERE}/check-in?q=per", f"{HERE}/print"])
async def test_a_page_is_accessible_and_fits_a_phone(path: str, desk: tuple[Page, Observed], axe: Check) -> None:
    page, observed = desk
    await page.set_viewport_size(PHONE)
    await page.goto(path)
    for summary in await page.locator("summary").all():
        await summary.click()

    assert await axe(page) == []
    assert await width(page) <= 360
    await page.set_viewport_size({"width": 320, "height": 740})
    assert await width(page) <= 320
    observed.check()


async def test_the_figures_follow_a_sign_up_and_what_was_opened_stays_open(
    desk: tuple[Page, Observed], site: Site
) -> None:
    page, observed = desk
    await page.goto(HERE)
    await expect(page.get_by_text("Tallene oppdateres av seg selv.")).to_be_visible()
    await expect(page.get_by_role("link", name="Oppdater tallene")).to_be_hidden()
    await page.get_by_text("Det samme som tabell").click()
    seats = page.locator("section[aria-labelledby=seats]")
    await expect(seats).to_contain_text("Har plass2 av 60")

    await site.sign_up(SLUG, "Siri", "in_person", dietary_needs="vegan")

    await expect(seats).to_contain_text("Har plass3 av 60")
    await expect(page.locator("#curve-table")).to_have_attribute("open", "")
    await expect(page.locator("#curve-table-summary")).to_be_focused()
    observed.check()


async def test_a_refusal_is_not_the_end_of_it(desk: tuple[Page, Observed]) -> None:
    page, observed = desk
    await page.clock.install()
    await page.route("**/figures?*", lambda route: route.fulfill(status=503), times=1)
    await page.goto(HERE)
    await expect(page.get_by_role("link", name="Oppdater tallene")).to_be_visible()

    await page.clock.fast_forward(30_000)

    await expect(page.get_by_text("Tallene oppdateres av seg selv.")).to_be_visible()
    observed.complaints.clear()  # the refusal


@pytest.mark.usefixtures("desk")
async def test_without_javascript_there_is_a_link_to_refresh(page: Page, site: Site) -> None:
    await sign_in(page, site, HERE)

    await page.get_by_role("link", name="Oppdater tallene").click()

    await expect(page.get_by_role("heading", name="Hvem som er påmeldt")).to_be_visible()
    await expect(page.get_by_text("Tallene oppdateres av seg selv.")).to_be_hidden()


async def test_a_ticket_fits_a_phone_and_the_list_for_the_door_prints_without_what_is_for_the_screen(
    chromium: Browser, site: Site, desk: tuple[Page, Observed], axe: Check
) -> None:
    async with visit(chromium, site, java_script_enabled=True) as phone:
        await phone.goto(f"{await site.link('Kari', 'my')}/ticket")
        assert await axe(phone) == []
        assert await width(phone) <= 360
        box = await phone.locator(".qr").bounding_box()
        assert box
        assert box["width"] == box["height"] > 250

    page, _ = desk
    await page.goto(f"{HERE}/print")
    await page.emulate_media(media="print")
    for hidden in (page.get_by_role("navigation").first, page.get_by_role("link", name="API")):
        await expect(hidden).to_be_hidden()
    await expect(page.get_by_role("cell", name="Kari")).to_be_visible()
    await page.emulate_media(media="screen")
