"""The organisers' pages about people in a real browser: accessible on a phone, also when something is wrong."""

from pathlib import Path

from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import Check, Site, visit, width
from tests.browser.test_organiser import sign_in

LIST = (
    "navn;epost;virksomhet;deltakelse;rolle;uleselig\n"
    "Åse Ødegård;ase@example.org;Nord-Aurdal kommune;fysisk;Rådgiver;x\n"
    "Bård;no address;;med tog;;\n"
    "Kari;kari@karasjok.example.no;;;;\n"
)


async def test_people_are_found_added_brought_in_and_acted_on_with_a_phone(
    chromium: Browser, site: Site, axe: Check, tmp_path: Path
) -> None:
    await site.publish("people", attendance={"in_person": {"capacity": 1}, "online": {"capacity": None}})
    for name in ("Kari", "Waiting"):
        await site.sign_up("people", name, "in_person", organisation="Karasjok kommune – Kárášjoga gielda")
    (tmp_path / "list.csv").write_text(LIST, encoding="windows-1252")
    here = "/organiser/registrations/people"

    async with visit(chromium, site, java_script_enabled=True) as page:

        async def sound() -> None:
            assert await axe(page) == []
            assert await width(page) <= 360

        await sign_in(page, site, f"{here}/people")
        await page.goto(f"{here}/people?q=karasjok")
        await sound()
        await page.get_by_role("link", name="Waiting").click()
        await sound()
        await _press(page, "Endre til på nett")
        await expect(page.get_by_role("status")).to_contain_text("Det er endret.")
        await page.get_by_label("E-post").fill("no address")
        await _press(page, "Lagre")
        await expect(page.get_by_role("alert")).to_contain_text("Skriv en e-postadresse")
        await sound()

        await page.goto(f"{here}/add")
        await page.get_by_label("Navn").fill("Anne")
        await page.get_by_label("E-post").fill("kari@karasjok.example.no")
        await page.get_by_label("Møte opp").check()
        await _press(page, "Meld på")
        await expect(page.get_by_role("alert")).to_contain_text("påmeldt med denne adressen")
        await sound()

        await page.goto(f"{here}/import")
        await sound()
        await page.get_by_label("Listen", exact=True).set_input_files(tmp_path / "list.csv")
        await _press(page, "Se hva som vil skje")
        await expect(page.get_by_role("row", name="Åse Ødegård")).to_contain_text("Kommer på venteliste")
        await sound()
        await _press(page, "Meld på én person")
        await expect(page.get_by_role("status")).to_contain_text("Påmeldt: 1.")

        await page.goto(f"{here}/log")
        await expect(page.get_by_role("row", name="Hentet inn med en liste")).to_be_visible()
        await sound()


async def _press(page: Page, name: str) -> None:
    await page.get_by_role("button", name=name, exact=True).click()
