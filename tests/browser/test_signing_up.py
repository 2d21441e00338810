"""Signing up as people do: on a phone, by keyboard, without JavaScript, with mistakes, with a change of mind."""

from typing import NamedTuple

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import EXAMPLE, Site, address, tab_to, visit

FORM = f"/register/{EXAMPLE}"


async def fill(page: Page, name: str, attendance: str) -> None:
    await page.get_by_label("Navnet ditt").fill(name)
    await page.get_by_label("E-post", exact=True).fill(address(name))
    await page.get_by_role("radio", name=attendance).check()
    await page.get_by_role("button", name="Meld deg på").click()


class Words(NamedTuple):
    """What the pages say in one language."""

    locale: str
    sign_up: str
    name: str
    email: str
    first: str  # of the ways to attend
    chosen: str
    extra: str
    welcome: str


@pytest.mark.parametrize(
    ("name", "presses", "words"),
    [
        (
            "Kari",
            "Space",
            Words(
                "nb-NO",
                *("Meld deg på", "Navnet ditt", "E-post", "Møte opp", "Møte opp", "Allergier og andre kostbehov"),
                "Du har fått plass. Velkommen!",
            ),
        ),
        (
            "Ola",
            "ArrowUp",
            Words(
                "nn-NO",
                *("Meld deg på", "Namnet ditt", "E-post", "Møte opp", "På nett", "Kor mange ser saman"),
                "Du deltek på nett. Velkomen!",
            ),
        ),
        (
            "Ann",
            "Space",
            Words(
                "en-GB",
                *("Sign up", "Your name", "E-mail", "In person", "In person", "Dietary needs"),
                "You have a seat. Welcome!",
            ),
        ),
    ],
)
async def test_one_can_sign_up_by_keyboard_alone(
    chromium: Browser, site: Site, name: str, presses: str, words: Words
) -> None:
    async with visit(chromium, site, locale=words.locale) as page:
        await page.goto("/")
        await tab_to(page, page.locator(f"a[href='/seminars/{EXAMPLE}']"))
        await page.keyboard.press("Enter")
        await tab_to(page, page.get_by_role("link", name=words.sign_up))
        await page.keyboard.press("Enter")
        await tab_to(page, page.get_by_label(words.name))
        await page.keyboard.type(name)
        await tab_to(page, page.get_by_label(words.email, exact=True))
        await page.keyboard.type(address(name))
        await tab_to(page, page.get_by_role("radio", name=words.first))
        await page.keyboard.press(presses)
        await expect(page.get_by_role("radio", name=words.chosen)).to_be_checked()
        await tab_to(page, page.get_by_label(words.extra))
        await page.keyboard.type("2")
        await tab_to(page, page.get_by_role("button", name=words.sign_up))
        await page.keyboard.press("Enter")

        await expect(page.get_by_role("heading", name=words.welcome)).to_be_visible()
        assert "/my/" not in await page.content(), "the personal link goes to the mailbox and nowhere else"


async def test_the_skip_link_comes_first_and_leads_past_the_header(page: Page) -> None:
    await page.goto(f"/seminars/{EXAMPLE}")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Hopp til innholdet")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")

    await expect(page.get_by_role("link", name="på nett")).to_be_focused()


async def test_every_stop_of_the_tab_key_shows_where_it_is(page: Page) -> None:
    shown = """() => {
        const at = document.activeElement
        const frame = at.type === 'radio' ? [at, at.closest('.choice')] : [at]
        return frame.some(e => getComputedStyle(e).outlineStyle !== 'none' || e.className === 'ds-skip-link')
    }"""
    for path in ("/", f"/seminars/{EXAMPLE}", FORM, "/time-machine"):
        await page.goto(path)
        for _ in range(await page.locator("a, button, input:not([type=hidden])").count() - 3):
            await page.keyboard.press("Tab")

            assert await page.evaluate(shown), await page.evaluate("document.activeElement.outerHTML")


async def test_the_confirmation_is_in_the_mailbox_at_once_as_text_html_and_calendar(page: Page, site: Site) -> None:
    await page.goto("/")
    await page.locator(f"a[href='/seminars/{EXAMPLE}']").click()
    await page.get_by_role("link", name="Meld deg på").click()
    await fill(page, "Berit", "På nett")
    await expect(page.get_by_role("heading", name="Sjekk e-posten din")).to_be_visible()
    await site.mail("Berit")
    await page.goto("/mailbox")
    await page.get_by_role("row", name=address("Berit")).get_by_role("link").click()

    html = page.frame_locator("iframe.mail")
    await expect(html.get_by_role("heading", name="Du er påmeldt")).to_be_visible()
    await expect(html.get_by_role("link", name="Til strømmingen")).to_have_attribute(
        "href", f"{site.url}/seminars/{EXAMPLE}/watch"
    )
    text, calendar = (page.locator("pre").nth(number) for number in (0, 1))
    await expect(text).to_contain_text("Hei Berit,")
    await expect(text).to_contain_text("du er påmeldt og deltar på nett. Velkommen!")
    await expect(calendar).to_contain_text("METHOD:REQUEST")
    await expect(calendar).to_contain_text("DTSTART;TZID=Europe/Oslo:20230601T100000")


async def test_errors_are_announced_lead_to_their_fields_and_lose_nothing(page: Page) -> None:
    await page.goto(FORM)
    await page.get_by_label("Navnet ditt").fill("Solveig <Sørensen>")
    await page.get_by_label("E-post", exact=True).fill("solveig@")
    await page.get_by_label("Virksomhet").fill("Solund kommune")
    await page.get_by_role("button", name="Meld deg på").click()

    summary = page.get_by_role("alert")
    await expect(page).to_have_title(
        "Feil: Meld deg på: Planstrategi 4.0 – småkommuner og de gode hjelperne – Fagseminar"
    )
    await expect(summary).to_be_focused()
    await expect(summary.get_by_role("link")).to_have_text(
        ["Skriv e-postadressen din, for eksempel kari@example.org.", "Velg hvordan du vil delta."]
    )
    email = page.get_by_label("E-post", exact=True)
    await expect(email).to_have_attribute("aria-invalid", "true")
    await expect(email).to_have_accessible_description(
        "Hit sender vi bekreftelsen og lenken. Skriv e-postadressen din, for eksempel kari@example.org."
    )
    await expect(email).to_have_value("solveig@")
    await expect(page.get_by_label("Navnet ditt")).to_have_value("Solveig <Sørensen>")
    await expect(page.get_by_label("Virksomhet")).to_have_value("Solund kommune")
    await summary.get_by_role("link").first.click()
    await expect(email).to_be_focused()
    await summary.get_by_role("link").last.click()
    await expect(page.get_by_role("radio", name="Møte opp")).to_be_focused()


async def test_what_is_asked_depends_on_how_one_attends(page: Page) -> None:
    await page.goto(FORM)
    diet, heads = page.get_by_label("Allergier"), page.get_by_label("Hvor mange ser sammen")

    for chosen, asked in ((None, ()), ("Møte opp", (diet,)), ("På nett", (heads,))):
        if chosen:
            await page.get_by_role("radio", name=chosen).check()
        for field in (diet, heads):
            await expect(field).to_be_visible(visible=field in asked)


async def test_organisations_are_suggested_while_one_writes(chromium: Browser, site: Site) -> None:
    async with visit(chromium, site, java_script_enabled=True) as page:
        await page.goto(FORM)
        await page.get_by_label("Virksomhet").press_sequentially("kárášj")

        suggested = page.locator("datalist option")
        await expect(suggested).to_have_attribute("value", "Karasjok kommune")
        assert await suggested.evaluate("option => option.label") == "Kárášjohka"


async def test_browsers_are_told_what_belongs_in_the_fields(page: Page) -> None:
    await page.goto(FORM)

    for label, purpose in (("Navnet ditt", "name"), ("E-post", "email"), ("Virksomhet", "organization")):
        await expect(page.get_by_label(label)).to_have_attribute("autocomplete", purpose)


async def test_who_comes_to_a_full_seminar_is_put_on_the_waiting_list(page: Page, site: Site) -> None:
    await site.publish("full", attendance={"in_person": {"capacity": 1}, "online": {}})
    await site.sign_up("full", "Aase", "in_person")
    await page.goto("/register/full")
    await expect(page.get_by_text("Alle plassene er tatt. Du blir satt på venteliste.")).to_be_visible()
    await fill(page, "Nils", "Møte opp")

    await expect(page.get_by_role("heading", name="Du står på venteliste")).to_be_visible()
    await page.goto(await site.link("Nils", "my"))
    await expect(page.get_by_text("Nummer 1 på ventelista")).to_be_visible()


async def test_the_mailed_link_lets_one_switch_cancel_and_come_back(page: Page, site: Site) -> None:
    await site.sign_up(EXAMPLE, "Marit", "in_person")
    await page.goto(await site.link("Marit", "my"))
    await expect(page.get_by_text("Du har plass")).to_be_visible()

    await page.get_by_role("button", name="Delta på nett i stedet").click()
    await expect(page.get_by_role("status")).to_contain_text("Påmeldingen din er endret.")
    await expect(page.get_by_text("Du deltar på nett")).to_be_visible()
    await expect(page.get_by_role("link", name="Til strømmingen")).to_be_visible()

    await page.get_by_role("button", name="Meld meg av").click()
    await expect(page.get_by_role("status")).to_contain_text("Du er meldt av.")
    await expect(page.get_by_role("button")).to_have_count(0)
    assert [m["subject"].partition(":")[0] for m in await site.mail("Marit", 3)] == [
        "Du er påmeldt",
        "Påmeldingen din er endret",
        "Du er meldt av",
    ]
    await page.get_by_role("link", name="Meld deg på igjen").click()
    await expect(page.get_by_role("heading", name="Meld deg på")).to_be_visible()


async def test_the_language_is_chosen_once_and_kept(page: Page) -> None:
    for name, language, heading, sign_up in (
        ("Nynorsk", "nn", "Kommande arrangement", "Korleis vil du delta?"),
        ("English", "en", "Coming up", "How will you attend?"),
        ("Bokmål", "nb", "Kommende arrangementer", "Hvordan vil du delta?"),
    ):
        await page.goto("/")
        await page.get_by_role("link", name=name, exact=True).click()
        await expect(page.get_by_role("heading", name=heading)).to_be_visible()
        await page.goto(FORM)

        await expect(page.locator("html")).to_have_attribute("lang", language)
        await expect(page.get_by_role("group", name=sign_up)).to_be_visible()
        await expect(page.get_by_role("link", name=name, exact=True)).to_have_attribute("aria-current", "true")


async def test_a_browser_that_wants_nynorsk_gets_it_and_so_does_its_e_mail(chromium: Browser, site: Site) -> None:
    async with visit(chromium, site, locale="nn-NO") as page:
        await page.goto(FORM)
        await page.get_by_label("Namnet ditt").fill("Gunn")
        await page.get_by_label("E-post", exact=True).fill(address("Gunn"))
        await page.get_by_role("radio", name="På nett").check()
        await page.get_by_role("button", name="Meld deg på").click()
        await expect(page.get_by_role("heading", name="Du deltek på nett. Velkomen!")).to_be_visible()

    assert (await site.mail("Gunn"))[0]["subject"].startswith("Du er påmeld:")
