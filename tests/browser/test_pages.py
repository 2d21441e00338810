"""Every kind of page: accessible, readable on a phone, complete without Designsystemet's CSS, silent towards others."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.conftest import EXAMPLE, PHONE, Check, Observed, Site, address, observe, visit, width

RECORDING = {"url": "https://video.example.org/planstrategi-4-0"}
PAST = {"start": "2023-05-15T10:00", "end": "2023-05-15T13:15", "attendance": {"online": {}}, "reminders": []}
LIVE = {"start": "2023-05-22T08:45", "end": "2023-05-22T13:15", "programme": [], "reminders": []}
TALKS = [
    {
        "title": "Hva vet vi",
        "start": "08:45",
        "end": "10:00",
        "talks": [{"title": "Forventningene", "start": "08:45", "end": "08:55"}, {"title": "Plan", "start": "08:55"}],
    },
    {"pause": True, "start": "10:00", "end": "10:15"},
]
CHAPTERS = [{"title": "Hva vet vi", "start": "10:00", "end": "11:00", "talks": [{"title": "Plan", "start": "10:30"}]}]
SEMINARS: dict[str, dict[str, Any]] = {  # by slug, what differs from the example; the clock stands at 22 May 2023 09:00
    "live": {**LIVE, "attendance": {"in_person": {}, "online": {}}},
    "live-without-stream": {**LIVE, "attendance": {"in_person": {}}, "livestream": None},
    "live-talks": {**LIVE, "programme": TALKS, "attendance": {"online": {}}},
    "live-guarded": {
        **LIVE,
        "attendance": {"online": {}},
        "livestream": {"url": RECORDING["url"], "access": "registered"},
    },
    "chapters": PAST | {"programme": CHAPTERS, "recording": RECORDING | {"starts": "09:58"}},
    "moved": {"start": "2023-06-02T10:00", "end": "2023-06-02T13:15"},
    "only-in-nynorsk": {"title": {"nn": "Berre på nynorsk"}, "audience": {"nn": "Alle saman"}},
    "completed": PAST,
    "recorded": PAST | {"recording": RECORDING},
    "cancelled": {},
    "too-late": {"attendance": {"in_person": {"deadline": "2023-05-20T23:59:59"}, "online": {}}},
    "not-yet-open": {"opens": "2023-05-25T08:00:00+02:00"},
    "no-seats": {"attendance": {"in_person": {"capacity": 0}, "online": {}}},
    "two-days": {"end": "2023-06-02T13:15", "programme": [], "audience": None, "serving": None, "contact": None},
}
LIVES = (EXAMPLE, *SEMINARS)
Open = Callable[[Page, Site], Awaitable[object]]


async def form_with_errors(page: Page, _: Site) -> None:
    await page.goto(f"/register/{EXAMPLE}")
    await page.get_by_label("Virksomhet").fill("x" * 200)
    await page.get_by_role("button", name="Meld deg på").click()
    await expect(page.get_by_role("alert")).to_be_visible()


async def form_refused(page: Page, _: Site) -> None:
    """What one sees whose deadline passed while the form was open."""
    await page.goto("/register/too-late")
    await page.get_by_role("radio", name="Møte opp").evaluate(
        "radio => { radio.disabled = false; radio.checked = true }"
    )
    await page.get_by_label("Navnet ditt").fill("Kari")
    await page.get_by_label("E-post", exact=True).fill(address("Kari"))
    await page.get_by_role("button", name="Meld deg på").click()
    await expect(page.get_by_role("alert")).to_be_visible()


async def time_machine_with_an_error(page: Page, _: Site) -> None:
    await page.goto("/time-machine")
    await page.get_by_label("Dato og klokkeslett i Oslo").fill("2023-05-01T10:00")
    await page.get_by_role("button", name="Still klokka").click()
    await expect(page.get_by_text("Klokka kan bare stilles fram.")).to_be_visible()


async def message_page(page: Page, site: Site) -> None:
    await page.goto(f"/mailbox/{(await site.mail('Confirmed'))[0]['id']}")


async def message_itself(page: Page, site: Site) -> None:
    await page.goto(f"/mailbox/{(await site.mail('Confirmed'))[0]['id']}/html")


def at(path: str) -> Open:
    async def open_it(page: Page, _: Site) -> None:
        await page.goto(path)

    return open_it


def mine(name: str, count: int = 1, done: str = "") -> Open:
    async def open_it(page: Page, site: Site) -> None:
        await page.goto(await site.link(name, "my", count) + done)

    return open_it


EVERY: dict[str, Open] = {
    **{f"API of {service}": at(f"/api/{service}/") for service in ("catalog", "registration", "notification")},
    "list": at("/"),
    "list, searched": at("/?q=plan&year=2023&organiser=distrikt&life=published"),
    "list, nothing found": at("/?q=nowhere"),
    "watch, dead link": at("/seminars/live-guarded/watch/AAAAAAAAAAAAAAAAAAAAAAAA"),
    **{f"seminar {slug}": at(f"/seminars/{slug}") for slug in LIVES},
    **{f"watch {slug}": at(f"/seminars/{slug}/watch") for slug in LIVES},
    **{f"form {slug}": at(f"/register/{slug}") for slug in LIVES},
    "form in English": at(f"/register/{EXAMPLE}?lang=en"),
    "form with errors": form_with_errors,
    "form refused": form_refused,
    "received, a seat": at(f"/register/{EXAMPLE}/received?outcome=confirmed&attendance=in_person"),
    "received, online": at(f"/register/{EXAMPLE}/received?outcome=confirmed&attendance=online"),
    "received, waiting": at(f"/register/{EXAMPLE}/received?outcome=waitlisted&attendance=in_person"),
    "my, confirmed": mine("Confirmed"),
    "my, online": mine("Online"),
    "my, waitlisted": mine("Waiting"),
    "my, switched": mine("Online", done="?done=switched"),
    "my, cancelled": mine("Withdrawn", done="?done=cancelled"),
    "mailbox": at("/mailbox"),
    "message": message_page,
    "time machine": at("/time-machine"),
    "time machine with an error": time_machine_with_an_error,
    "no such page": at("/no-such-page"),
    "no such registration": at("/my/AAAA"),
}


@pytest.fixture(scope="module")
async def filled(site: Site, chromium: Browser) -> Site:
    """The site with a seminar in each life and a registration in each state."""
    await asyncio.gather(*(site.publish(slug, **changes) for slug, changes in SEMINARS.items()))
    await site.cancel("cancelled")
    await site.publish("moved", read=1)
    await site.sign_up(EXAMPLE, "Confirmed", "in_person", organisation="Statsforvalteren i Møre og Romsdal")
    await site.sign_up(EXAMPLE, "Online", "online")
    await site.sign_up("no-seats", "Waiting", "in_person")
    await site.sign_up(EXAMPLE, "Withdrawn", "in_person")
    async with visit(chromium, site) as page:
        await page.goto(await site.link("Withdrawn", "my"))
        await page.get_by_role("button", name="Meld meg av").click()
        await expect(page.get_by_role("status")).to_be_visible()
    return site


@pytest.fixture(scope="module")
async def phone(filled: Site, chromium: Browser) -> AsyncIterator[tuple[Page, Observed]]:
    """One page for all kinds, as a visitor has; its policy (CSP) stands, or nothing would be heard of violations."""
    async with observe(chromium, filled, java_script_enabled=True) as observed:
        yield observed


@pytest.mark.parametrize("kind", EVERY)
async def test_a_page_is_accessible_fits_a_phone_and_asks_nobody_else(
    kind: str, phone: tuple[Page, Observed], filled: Site, axe: Check
) -> None:
    page, observed = phone
    await page.context.clear_cookies()
    await page.set_viewport_size(PHONE)
    await EVERY[kind](page, filled)

    assert await axe(page) == []
    assert await width(page) <= 360
    await page.set_viewport_size({"width": 320, "height": 740})  # WCAG 2.1, 1.4.10; the same as 1280 at 400 %
    assert await width(page) <= 320
    observed.check()


async def test_an_e_mail_is_accessible(chromium: Browser, filled: Site, axe: Check) -> None:
    async with visit(chromium, filled, java_script_enabled=True, bypass_csp=True) as page:
        await message_itself(page, filled)

        assert await axe(page, "wcag2a", "wcag2aa", "wcag21a", "wcag21aa") == []  # it is no page: without landmarks


@pytest.mark.parametrize(
    "kind", ["list", f"seminar {EXAMPLE}", "form with errors", "my, confirmed", "mailbox", "message"]
)
async def test_a_page_is_complete_without_designsystemet(
    kind: str, chromium: Browser, filled: Site, axe: Check
) -> None:
    async def refuse(route: Route) -> None:
        await route.fulfill(status=200, content_type="text/css", body="")

    async with visit(chromium, filled, java_script_enabled=True, bypass_csp=True) as page:
        await page.route("**/static/vendor/*", refuse)
        await EVERY[kind](page, filled)

        assert await width(page) <= 360
        assert await axe(page) == []
        for control in await page.locator(".ds-button, .ds-input").all():
            if await control.is_visible():
                size = await control.bounding_box()
                assert size is not None
                assert size["height"] >= 24, "WCAG 2.2, 2.5.8"
        assert await page.locator("body").evaluate("body => parseFloat(getComputedStyle(body).fontSize)") >= 16


async def test_a_button_looks_like_one_with_and_without_designsystemet(chromium: Browser, filled: Site) -> None:
    colours = []
    for pattern in ("**/static/nothing", "**/static/vendor/*"):
        async with visit(chromium, filled) as page:
            await page.route(pattern, lambda route: route.fulfill(content_type="text/css", body=""))
            await page.goto(f"/seminars/{EXAMPLE}")
            button = page.get_by_role("link", name="Meld deg på")
            colours.append(await button.evaluate("b => getComputedStyle(b).backgroundColor"))

    assert colours == ["rgb(0, 98, 186)"] * 2


async def test_the_printed_page_has_the_programme_and_nothing_to_press(page: Page) -> None:
    await page.emulate_media(media="print")
    await page.goto(f"/seminars/{EXAMPLE}")

    await expect(page.get_by_text("Hildegunn Nordtug")).to_be_visible()
    for gone in (
        page.get_by_role("link", name="Meld deg på"),
        page.get_by_role("navigation"),
        page.get_by_role("contentinfo"),
    ):
        await expect(gone).to_be_hidden()
