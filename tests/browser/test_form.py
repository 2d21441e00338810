"""The organiser's form in a real browser, as someone uses it who has read no manual."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.conftest import EXAMPLE, PHONE, Check, Observed, Site, observe, tab_to, visit, width
from tests.browser.test_organiser import sign_in

NEW = "/organiser/seminars/new"
EDIT = f"/organiser/seminars/{EXAMPLE}/edit"
TITLE = "Planstrategi 4.0 - småkommuner og de gode hjelperne"
SLUG = "planstrategi-4-0-smakommuner-og-de-gode-hjelperne"
PROGRAMME = {
    "Hva vet vi": ("10:00", "11:45", ["Forventningene til distriktskommunene", "Strategisk planlegging - et oxymoron"]),
    "Hva kan gjøres": ("12:00", "13:15", ["Fokus på Planstrategi 4.0", "Vi lager web-veileder"]),
}


async def write(page: Page, field: Locator, text: str) -> None:
    """Reach a field by the Tab key and write in it; how a date is typed is the browser's own affair."""
    await tab_to(page, field)
    if await field.get_attribute("type") in ("date", "time"):
        await field.fill(text)
    else:
        await page.keyboard.insert_text(text)


async def press(page: Page, name: str) -> None:
    await tab_to(page, page.get_by_role("button", name=name, exact=True).last)
    async with page.expect_navigation():
        await page.keyboard.press("Enter")


def at(page: Page, name: str) -> Locator:
    return page.locator(f'[id="{name}"]')


async def test_the_seed_is_typed_into_an_empty_form_by_keyboard_on_a_phone_without_javascript(
    page: Page, site: Site
) -> None:
    await sign_in(page, site, NEW)
    await write(page, page.get_by_label("Tittel (må fylles ut)"), TITLE)
    await write(page, page.get_by_label("Målgruppe", exact=True), "De mindre distriktskommunene")
    await write(
        page, page.get_by_label("Arrangør 1", exact=True), "Planavdelingen i Kommunal- og distriktsdepartementet"
    )
    await press(page, "Legg til en samarbeidspartner")
    await expect(at(page, "partners.0.nb")).to_be_focused()
    await page.keyboard.insert_text("Distriktssenteret")
    await write(page, page.get_by_label("Dato (må fylles ut)"), "2023-06-01")
    await write(page, page.get_by_label("Fra (må fylles ut)"), "10:00")
    await write(page, page.get_by_label("Til (må fylles ut)"), "13:15")
    await write(page, page.get_by_label("Navn på stedet", exact=True), "Akersgata 64")
    await write(page, page.get_by_label("Adresse", exact=True), "Akersgata 64, Oslo")
    await write(page, at(page, "attendance.in_person.capacity"), "60")
    await write(page, at(page, "attendance.in_person.deadline.date"), "2023-05-29")
    for number, (title, (start, end, talks)) in enumerate(PROGRAMME.items()):
        await write(page, at(page, f"programme.{number}.title.nb"), title)
        await write(page, at(page, f"programme.{number}.start"), start)
        await write(page, at(page, f"programme.{number}.end"), end)
        for of, talk in enumerate(talks):
            if of:
                await press(page, f"Legg til et foredrag i bolk {number + 1}")
                await expect(at(page, f"programme.{number}.talks.{of}.title.nb")).to_be_focused()
                await page.keyboard.insert_text(talk)
            else:
                await write(page, at(page, f"programme.{number}.talks.{of}.title.nb"), talk)
            await write(page, at(page, f"programme.{number}.talks.{of}.speakers.0.name"), f"Navn Nr. {of}")
            await write(page, at(page, f"programme.{number}.talks.{of}.speakers.0.affiliation.nb"), "Solund kommune")
        if number == 0:
            await press(page, "Legg til en bolk")
            await expect(at(page, "programme.1.title.nb")).to_be_focused()
            await page.keyboard.press("Shift+Tab")
    await press(page, "Publiser")

    await expect(page.get_by_role("status")).to_have_text("Seminaret er lagret.")
    await page.goto(f"/seminars/{SLUG}")
    await expect(page.get_by_role("heading", level=1)).to_have_text(TITLE)
    for title, (_, _, talks) in PROGRAMME.items():
        await expect(page.get_by_role("heading", name=title)).to_be_visible()
        for talk in talks:
            await expect(page.get_by_text(talk)).to_be_visible()
    await expect(page.get_by_text("Distriktssenteret")).to_be_visible()
    await expect(page.get_by_text("mandag 29. mai")).to_be_visible()


async def test_the_enter_key_in_a_field_checks_and_changes_nothing(page: Page, site: Site) -> None:
    await sign_in(page, site, NEW)
    await write(page, page.get_by_label("Tittel (må fylles ut)"), "Et seminar")
    await page.keyboard.press("Enter")

    summary = page.get_by_role("alert")
    await expect(summary).to_be_focused()
    await expect(summary).to_contain_text("Start: må fylles ut")
    await summary.get_by_role("link", name="Start: må fylles ut").click()
    await expect(at(page, "start.date")).to_be_focused()
    await expect(page.get_by_label("Tittel (må fylles ut)")).to_have_value("Et seminar")


async def test_other_languages_are_out_of_the_way_until_they_are_wanted(page: Page, site: Site) -> None:
    await sign_in(page, site, NEW)
    await expect(at(page, "title.nn")).to_be_hidden()
    await page.get_by_label("Skriv også på nynorsk").check()

    await expect(at(page, "title.nn")).to_be_visible()
    await expect(at(page, "title.en")).to_be_hidden()


async def test_before_a_move_is_saved_the_organiser_sees_how_many_will_be_told(
    desk: tuple[Page, Observed], site: Site
) -> None:
    page, observed = desk
    await site.publish("to-be-moved")
    await site.sign_up("to-be-moved", "Told", "online")
    await site.mail("Told")  # so notification knows of it
    await page.goto("/organiser/seminars/to-be-moved/edit")
    await at(page, "start.date").fill("2023-06-02")
    await page.get_by_role("button", name="Sjekk").last.click()

    causes = page.get_by_role("region", name="Hva dette fører til")
    await expect(causes).to_contain_text("Personer som får e-post om det med én gang1")
    await expect(causes).to_contain_text("Påminnelser som flyttes")
    await page.get_by_role("button", name="Lagre endringene").first.click()
    await expect(page.get_by_role("status")).to_have_text("Seminaret er lagret.")
    observed.check()


# --- every kind of it ---


@pytest.fixture(scope="module")
async def desk(chromium: Browser, site: Site) -> AsyncIterator[tuple[Page, Observed]]:
    """A signed-in organiser's page, with JavaScript."""
    async with observe(chromium, site, java_script_enabled=True) as observed:
        await sign_in(observed[0], site)
        yield observed


async def empty(page: Page) -> None:
    await page.goto(NEW)


async def in_english(page: Page) -> None:
    await page.goto(f"{NEW}?lang=en")


async def wrong(page: Page) -> None:
    await page.goto(NEW)
    await at(page, "contact.email").fill("kari@")
    await at(page, "reminders.0.amount").fill("x")
    await page.get_by_role("button", name="Publiser").last.click()
    await expect(page.get_by_role("alert")).to_be_visible()


async def standing(page: Page) -> None:
    await page.goto(EDIT)


async def checked(page: Page) -> None:
    await page.goto(EDIT)
    await at(page, "programme.0.title.nb").fill("Hva vet vi egentlig")
    await page.get_by_role("button", name="Sjekk").last.click()
    await expect(page.get_by_role("status")).to_be_visible()


async def signed_out(page: Page) -> None:
    await page.goto(NEW)
    await page.evaluate("document.querySelector('[name=form_token]').value = 'another'")
    await page.get_by_role("button", name="Publiser").last.click()
    await expect(page.get_by_role("alert")).to_be_visible()


@pytest.mark.parametrize(
    "kind", [empty, wrong, standing, checked, signed_out, in_english], ids=lambda kind: kind.__name__
)
async def test_the_form_is_accessible_and_fits_a_phone(
    kind: Callable[[Page], Awaitable[None]], desk: tuple[Page, Observed], axe: Check
) -> None:
    page, observed = desk
    await page.context.clear_cookies(name="language")
    await page.set_viewport_size(PHONE)
    await kind(page)

    assert await axe(page) == []
    assert await width(page) <= 360
    await page.set_viewport_size({"width": 320, "height": 740})
    assert await width(page) <= 320
    observed.check()


async def test_the_form_is_complete_without_designsystemet(chromium: Browser, site: Site, axe: Check) -> None:
    async with visit(chromium, site, java_script_enabled=True, bypass_csp=True) as page:
        await page.route(
            "**/static/vendor/*", lambda route: route.fulfill(status=200, content_type="text/css", body="")
        )
        await sign_in(page, site, EDIT)

        assert await width(page) <= 360
        assert await axe(page) == []
