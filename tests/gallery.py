"""Makes the pictures of the e-mails in docs/, as a phone shows them by day and by night: `python -m tests.gallery`."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.async_api import Browser, async_playwright

from local.postgres import remove
from local.up import running
from services.notification.model import TO_PEOPLE, Kind
from shared.messages import Attendance

DOCS = Path(__file__).parents[1] / "docs"
SEMINAR = "planstrategi-4-0"
PHONE = 360  # pixels
TALLEST = 1100  # pixels of an e-mail that are shown
SHEET = """<body style="margin:0;padding:24px;display:grid;grid-template-columns:repeat(5,1fr);gap:24px;
background:{ground};color:{ink};font:600 22px sans-serif">{pictures}"""
PICTURE = """<figure style="margin:0"><figcaption style="padding-bottom:8px">{kind}</figcaption>
<div style="max-height:{tallest}px;overflow:hidden"><img width="{phone}" src="file://{path}"></div></figure>"""
GROUNDS = {"light": ("#d5dbe1", "#111"), "dark": ("#30363d", "#eee")}
EXAMPLES: dict[Kind, dict[str, Any]] = {
    Kind.REMINDER: {"attendance": Attendance.ONLINE, "rule": "before_start:PT15M"},
    Kind.RECORDING: {"attendance": Attendance.ONLINE},
    Kind.CUT_OFF: {"attendance": Attendance.ONLINE},
}


async def main() -> None:
    """Photograph every kind of e-mail about the example seminar, as an organiser can look at it."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        async with running(data, 0, durable=False) as up, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            for scheme in GROUNDS:
                await _photograph(browser, data, up.url, up.organiser_token, scheme)
        remove(data)


async def _photograph(browser: Browser, data: Path, url: str, token: str, scheme: Any) -> None:
    """Make the sheet of one colour scheme."""
    phone = await browser.new_context(
        base_url=url, viewport={"width": PHONE, "height": 640}, color_scheme=scheme, locale="nb-NO"
    )
    await phone.set_extra_http_headers({"Authorization": f"Bearer {token}"})
    page, pictures = await phone.new_page(), []
    for kind in TO_PEOPLE:
        query = urlencode({"kind": kind, "language": "nb"} | EXAMPLES.get(kind, {}))
        await page.goto(f"/organiser/emails/{SEMINAR}/preview?{query}")
        path = data / f"{kind}-{scheme}.png"
        await page.screenshot(path=path, full_page=True)
        pictures.append(PICTURE.format(kind=kind.replace("_", " "), tallest=TALLEST, phone=PHONE, path=path))
    ground, ink = GROUNDS[scheme]
    sheet = data / f"{scheme}.html"
    sheet.write_text(SHEET.format(ground=ground, ink=ink, pictures="".join(pictures)), encoding="utf-8")
    wall = await browser.new_page(viewport={"width": 5 * (PHONE + 24) + 24, "height": 800})
    await wall.goto(f"file://{sheet}")
    await wall.screenshot(path=DOCS / f"e-mails-{scheme}.png", full_page=True)


if __name__ == "__main__":
    asyncio.run(main())
