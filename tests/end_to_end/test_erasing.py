"""A canary: somebody signs up, is written to, erases themselves, and is nowhere any more but in their own mailbox."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from local.postgres import home_of
from local.up import Running, running
from tests.end_to_end.conftest import SEMINAR, Site, forget
from tests.eventually import eventually

CANARY = "kanarifugl"
TOLD = {
    "organisation": f"{CANARY} as",
    "role": CANARY,
    "dietary_needs": CANARY,
    "accessibility_needs": CANARY,
    "municipality": "5437",
}


@pytest.fixture
async def up(tmp_path: Path) -> AsyncIterator[tuple[Running, Site]]:
    async with running(tmp_path, 0, durable=False) as up, aiohttp.ClientSession() as client:
        yield up, Site(up.url, up.organiser_token, client)
    forget(tmp_path)


async def tables(up: Running) -> str:
    """Return all that stands in the three databases."""
    found = []
    for environment in up.environments.values():
        connection = await asyncpg.connect(environment["DATABASE_URL"])
        try:
            for (name,) in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
                found += [row["t"] for row in await connection.fetch(f"SELECT t::text FROM {name} t")]
        finally:
            await connection.close()
    return "\n".join(found)


def logs(data: Path) -> str:
    """Return what PostgreSQL and other processes have logged."""
    files = [*data.glob("*.log"), *home_of(data).glob("*.log")]
    assert files
    return "\n".join(file.read_text(errors="replace") for file in files)


async def test_who_erases_is_nowhere_any_more(
    up: tuple[Running, Site], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program, site = up
    await site.sign_up(CANARY, "in_person", email=f"{CANARY}@example.org", **TOLD)
    await site.sign_up(CANARY, "in_person", email=f"{CANARY}@example.org", **TOLD)  # who gets the link to what stands
    found = await site.mail(**{CANARY: 2})
    message = (await site.raw(found[CANARY][0])).decode()
    token = re.search(r"/my/([\w-]+)", message.replace("=\r\n", ""))
    assert token
    await site.send("PATCH", "/api/registrations/mine", {"role": f"{CANARY} to"}, token=token[1])
    assert CANARY in await tables(program)

    status, _ = await site.send("DELETE", "/api/registrations/mine?erase=true", token=token[1])

    async def gone() -> bool:
        return CANARY not in (await tables(program)).lower()

    assert status == 204
    await eventually(gone)
    await site.move_clock("2023-06-01T13:20:00+02:00")  # by when everybody has been reminded
    assert len((await site.get("/mailbox/messages"))["items"]) == 2
    figures = await site.get("/api/registrations/summary", organiser=True, seminar=SEMINAR)
    assert figures["cancelled"] == 1
    assert CANARY not in logs(tmp_path).lower()
    out, err = capfd.readouterr()
    assert "registration.erased" in out + err, "what the services say of themselves is looked at"
    assert CANARY not in (out + err).lower()
