"""The organisers' pages about e-mails in a real browser: accessible on a phone, and one story through them."""

import re

from playwright.async_api import Browser, expect

from tests.browser.conftest import Check, Site, observe, width
from tests.browser.test_organiser import sign_in

SLUG = "about-e-mails"
HERE = f"/organiser/emails/{SLUG}"


async def test_organisers_see_that_all_is_well_add_a_passage_and_correct_an_address(
    chromium: Browser, site: Site, axe: Check
) -> None:
    await site.publish(SLUG)
    await site.sign_up(SLUG, "Boardine", "online", email="wrong@karasjok.example.no")
    await site.sign_up(SLUG, "Boardolf", "in_person")
    await site.mail("Boardolf")
    async with observe(chromium, site, java_script_enabled=True) as (page, observed):
        await sign_in(page, site, HERE)

        await expect(page.locator("#verdict")).to_contain_text("Alle 2 påminnelsene går ut 31. mai kl. 10.00.")
        await page.get_by_role("link", name="Tatt imot av e-posttjeneren, Bekreftelse").first.click()
        await page.get_by_role("link", name="Boardine").click()
        person = page.url
        await page.get_by_label("Riktig adresse").fill("boardine@karasjok.example.no")
        await page.get_by_role("button", name="Rett og send på nytt").click()
        await expect(page.get_by_role("status")).to_contain_text("Adressen er rettet")
        await site.mail("Boardine")

        await page.goto(f"{HERE}/wording/reminder?attendance=online")
        for name, text in (("Bokmål", "Ta med matpakke, {name}."), ("Nynorsk", "Ta med niste."), ("English", "Eat.")):
            await page.get_by_label(re.compile(f"^{name}")).fill(text)
        await page.get_by_role("button", name="Lagre avsnittet").click()
        await expect(page.frame_locator("iframe").get_by_text("Ta med matpakke, Ola Nordmann.")).to_be_visible()

        for path in ("", "/list", "/rehearsal", "/wording", "/wording/reminder", "/log", person):
            await page.goto(path if path.startswith("http") else HERE + path)
            assert await axe(page) == [], path
            assert await width(page) <= 360, path
        observed.check()
