"""`make demo` as a process: what it shows, what it counts, and what it leaves to look at."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from local.processes import free_port
from tests.end_to_end.conftest import SEMINAR, forget
from tests.end_to_end.test_process import address, started

ROOT = Path(__file__).parents[2]
PATIENCE = 110  # seconds, of the two minutes that a test has


def play(data: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Play it to its end; one that takes too long is told to end, and ends all that it has started."""
    command = [sys.executable, "-m", "local", "demo"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"DATA": str(data), "PORT": str(free_port())} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            if process.poll() is None:
                process.terminate()
                process.communicate(timeout=30)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def report(data: Path) -> Any:
    return json.loads((data / "demo.json").read_text())


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "state"
    forget(tmp_path / "state")


async def test_the_story_comes_out_well_and_stays_to_be_looked_at(data: Path) -> None:
    played = await asyncio.to_thread(play, data)

    assert played.returncode == 0, played.stdout + played.stderr
    assert {"lost 0", "doubled 0"} < set(played.stdout.splitlines())
    counted = report(data)["counted"]
    assert (counted["sign-ups"], counted["with a seat"], counted["on the waiting list"]) == (300, 58, 0)
    assert counted["e-mails: confirmation"] + counted["e-mails: waiting_list"] == 300
    assert (counted["e-mails: promoted"], counted["covered by an earlier e-mail"]) == (14, 20)
    async with started(data, free_port()) as process, aiohttp.ClientSession() as client:
        url = await address(process)
        async with client.get(f"{url}/", params={"lang": "nb"}) as answer:
            assert SEMINAR in (await answer.text()).partition("Gjennomførte arrangementer")[2]
        async with client.get(f"{url}/mailbox/messages") as answer:
            assert len((await answer.json())["items"]) == counted["e-mails in all"]


def test_what_is_no_demos_is_not_played_over(data: Path) -> None:
    data.mkdir()
    (data / "clock.json").write_text('{"offset_seconds": 0}')

    played = play(data)

    assert (played.returncode, len(played.stderr.splitlines())) == (1, 1)
    assert "holds what is no demo's" in played.stderr
    assert (data / "clock.json").exists()
