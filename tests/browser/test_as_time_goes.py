"""What people see as the clock moves on, in a program of its own: the clock goes forward only, so the order counts."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import EXAMPLE, Check, Site, address, site_in, visit, width

WATCH = f"/seminars/{EXAMPLE}/watch"


@pytest.fixture(scope="module")
async def later(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with site_in(tmp_path_factory.mktemp("later")) as up:
        await up.sign_up(EXAMPLE, "Sigrun", "online")
        await up.mail("Sigrun")
        yield up


@pytest.fixture
async def page(chromium: Browser, later: Site) -> AsyncIterator[Page]:
    async with visit(chromium, later, java_script_enabled=True) as visited:
        yield visited


async def check(page: Page, axe: Check) -> None:
    assert await axe(page) == []
    assert await width(page) <= 360


async def test_the_time_machine_moves_the_clock(page: Page) -> None:
    await page.goto("/time-machine")
    await expect(page.get_by_text("I Oslo er det mandag 22. mai 2023")).to_be_visible()
    await page.get_by_role("button", name="Tirsdag 30. mai").click()

    await expect(page.get_by_text("I Oslo er det tirsdag 30. mai 2023 kl. 08.00.")).to_be_visible()


async def test_after_the_deadline_one_is_told_so_and_offered_to_attend_online(page: Page, axe: Check) -> None:
    await page.goto(f"/seminars/{EXAMPLE}")
    await expect(page.get_by_text("Det er for sent å melde seg på for å møte opp")).to_be_visible()
    await page.get_by_role("link", name="Meld deg på").click()

    in_person = page.get_by_role("radio", name="Møte opp")
    await expect(in_person).to_be_disabled()
    await expect(in_person).to_have_accessible_description(
        "Akersgata 64, Oslo. Fristen var mandag 29. mai 2023. Du kan delta på nett."
    )
    await expect(page.get_by_role("radio", name="På nett")).to_be_checked()
    await check(page, axe)
    await page.get_by_label("Navnet ditt").fill("Torill")
    await page.get_by_label("E-post", exact=True).fill(address("Torill"))
    await page.get_by_role("button", name="Meld deg på").click()
    await expect(page.get_by_role("heading", name="Du deltar på nett. Velkommen!")).to_be_visible()


async def test_who_had_the_form_open_over_the_deadline_loses_nothing(page: Page) -> None:
    await page.goto(f"/register/{EXAMPLE}")
    await page.get_by_role("radio", name="Møte opp").evaluate(
        "radio => { radio.disabled = false; radio.checked = true }"
    )
    await page.get_by_label("Navnet ditt").fill("Aksel")
    await page.get_by_label("E-post", exact=True).fill(address("Aksel"))
    await page.get_by_role("button", name="Meld deg på").click()

    await expect(page.get_by_role("alert")).to_contain_text("Du kan ikke lenger melde deg på for å møte opp.")
    await expect(page.get_by_label("Navnet ditt")).to_have_value("Aksel")
    await expect(page.get_by_role("radio", name="På nett")).to_be_checked()


async def test_the_reminder_has_the_link_and_lets_one_stop_them(page: Page, later: Site, axe: Check) -> None:
    await later.move_clock("2023-05-31T10:00:00+02:00")
    reminder = (await later.mail("Sigrun", 2))[-1]
    assert reminder["subject"].startswith("Påminnelse:")
    await page.goto(f"/mailbox/{reminder['id']}")
    html = page.frame_locator("iframe.mail")
    await expect(html.get_by_role("heading")).to_have_text("Seminaret begynner torsdag 1. juni 2023 kl. 10.00")
    await expect(html.get_by_role("link", name="Se strømmingen")).to_have_attribute("href", later.url + WATCH)

    await page.goto(await later.link("Sigrun", "unsubscribe", 2))
    await expect(page.get_by_text("Du får påminnelser om dette seminaret på e-post.")).to_be_visible()
    await check(page, axe)
    await page.get_by_role("button", name="Stopp påminnelsene").click()
    await expect(page.get_by_role("status")).to_contain_text("Du får ikke flere påminnelser om dette seminaret.")
    await check(page, axe)
    await page.get_by_role("button", name="Send meg påminnelser igjen").click()
    await expect(page.get_by_role("button", name="Stopp påminnelsene")).to_be_visible()


async def pass_a_minute(page: Page, later: Site, now: str) -> None:
    """Move the program's clock, and let a minute and a bit pass for the page's timers."""
    await later.move_clock(now)
    await page.clock.run_for(70_000)


async def test_who_waits_on_the_watch_page_sees_it_count_down_go_live_and_end(
    page: Page, later: Site, axe: Check
) -> None:
    await page.clock.install()
    await page.goto(WATCH)
    await expect(page.get_by_text("Lenken til strømmingen kommer her når seminaret begynner.")).to_be_visible()
    await expect(page.get_by_role("timer")).to_contain_text("minutt")

    await pass_a_minute(page, later, "2023-06-01T09:58:30+02:00")
    await expect(page.get_by_role("timer")).to_have_text("Begynner om 2 minutter")
    await check(page, axe)

    await pass_a_minute(page, later, "2023-06-01T10:05:00+02:00")
    await expect(page.get_by_role("link", name="Se strømmingen")).to_have_attribute(
        "href", "https://stream.example.org/planstrategi-4-0"
    )
    await expect(page.locator("[aria-current=time]")).to_contain_text("Hva vet vi Nå")
    await check(page, axe)

    await pass_a_minute(page, later, "2023-06-01T11:50:00+02:00")
    await expect(page.locator("[aria-current=time]")).to_contain_text("Pause Nå")

    await pass_a_minute(page, later, "2023-06-01T13:15:00+02:00")
    await expect(page.get_by_text("Seminaret er over. Opptaket blir lagt ut her.")).to_be_visible()
    await check(page, axe)


async def test_afterwards_it_stands_among_the_completed(page: Page, axe: Check) -> None:
    await page.goto("/")
    await expect(page.get_by_role("region", name="Gjennomførte arrangementer").get_by_role("link")).to_have_text(
        "Planstrategi 4.0 – småkommuner og de gode hjelperne"
    )
    await page.goto(f"/register/{EXAMPLE}")

    await expect(page.get_by_role("heading", name="Du kan ikke melde deg på nå")).to_be_visible()
    await expect(page.get_by_text("Seminaret er over.")).to_be_visible()
    await check(page, axe)
