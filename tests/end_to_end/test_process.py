"""`make run` as a process: what it prints, how it ends, what it leaves."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from local.postgres import home_of
from local.processes import command_of, free_port
from tests.end_to_end.conftest import SEMINAR, forget
from tests.eventually import eventually

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def started(data: Path, port: int, **environment: str) -> AsyncIterator["subprocess.Popen[str]"]:
    process = launch(data, port, **environment)
    try:
        async with aiohttp.ClientSession() as client:

            async def ready() -> bool:
                assert process.poll() is None, process.communicate()
                try:
                    async with client.get(f"http://localhost:{port}/health/ready") as answer:
                        return answer.ok
                except aiohttp.ClientConnectionError:
                    return False

            await eventually(ready, within=60)
            yield process
    finally:
        if process.poll() is None:
            process.terminate()
        await asyncio.to_thread(process.communicate, timeout=30)


def launch(data: Path, port: int, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "local", "up"],
        cwd=ROOT,
        env=os.environ | {"DATA": str(data), "PORT": str(port)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left_behind(data: Path) -> list[str]:
    """Return the command lines of processes that concern `data`, our own aside."""
    places = (str(data), str(home_of(data)))
    commands = [command_of(pid) for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if pid != os.getpid()]  # noqa: PTH208 - names of processes
    return [command for command in commands if any(place in command for place in places)]


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "state"
    forget(tmp_path / "state")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_everything_that_was_started(data: Path, number: signal.Signals) -> None:
    async with started(data, free_port()) as process:
        assert left_behind(data)

        process.send_signal(number)
        await asyncio.to_thread(process.wait, 30)

    assert (process.returncode, left_behind(data)) == (0, [])


async def test_what_runs_where_is_printed_with_the_organisers_token(data: Path) -> None:
    port = free_port()
    async with started(data, port, ORGANISER_TOKENS="anna:a-token-of-annas") as process:
        await address(process)
        process.terminate()
        assert process.stdout
        printed = await asyncio.to_thread(process.stdout.read)

    for expected in (
        f"/seminars/{SEMINAR}",
        f"http://localhost:{port}/mailbox",
        "/time-machine",
        "Bearer a-token-of-annas",
    ):
        assert expected in printed


async def test_a_taken_port_is_one_clear_line(data: Path) -> None:
    with taken_port() as port:
        _, error = await asyncio.to_thread(launch(data, port).communicate, timeout=60)

    assert error.splitlines() == [f"fagseminar: port {port} is taken; choose another, such as PORT={port + 1}"]


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("BROKER", "kafka", "fagseminar: BROKER: 'kafka' is none of local, rabbitmq"),
        ("REPLICAS", "mail=2", "fagseminar: REPLICAS: 'mail=2' is not one of catalog, registration, notification with"),
        ("REPLICAS", "catalog=0", "fagseminar: REPLICAS: 'catalog=0' is not one of"),
        ("RATE_LIMIT", "much", "fagseminar: RATE_LIMIT: wants `off`, or limits such as"),
        ("TRUSTED_PROXIES", "near", "fagseminar: TRUSTED_PROXIES: wants comma-separated networks or addresses"),
    ],
)
async def test_what_is_not_offered_is_one_clear_line(data: Path, variable: str, value: str, line: str) -> None:
    _, error = await asyncio.to_thread(launch(data, free_port(), **{variable: value}).communicate, timeout=60)

    assert len(error.splitlines()) == 1
    assert error.startswith(line)


async def test_a_second_run_on_the_same_data_is_one_clear_line(data: Path) -> None:
    async with started(data, free_port()):
        second = launch(data, free_port())
        _, error = await asyncio.to_thread(second.communicate, timeout=60)

    assert len(error.splitlines()) == 1
    assert "in use by process" in error


async def test_a_killed_run_loses_nothing_and_the_next_one_takes_over(data: Path) -> None:
    async with started(data, free_port()) as process:
        url = await address(process)
        await sign_up(url, "ole")
        process.kill()
    port = free_port()
    async with started(data, port), aiohttp.ClientSession() as client:

        async def confirmed() -> list[str] | None:
            async with client.get(f"http://localhost:{port}/mailbox/messages") as answer:
                return [message["headers"]["Message-ID"] for message in (await answer.json())["items"]] or None

        ids = await eventually(confirmed)

    assert len(set(ids)) == 1


async def test_the_logs_follow_a_sign_up_to_the_smtp_dialogue_and_name_nobody(data: Path) -> None:
    async with started(data, free_port()) as process:
        url = await address(process)
        await sign_up(url, "hemmelig", request_id="the-sign-up-in-question")

        async def settled() -> list[dict[str, Any]] | None:
            lines = [json.loads(line) for line in (data / "fagseminar.log").read_text().splitlines()]
            ours = [line for line in lines if line.get("correlation_id") == "the-sign-up-in-question"]
            return ours if any(line["event"] == "e-mail settled" for line in ours) else None

        lines = await eventually(settled)
        async with aiohttp.ClientSession() as client, client.get(f"{url}/mailbox/messages") as answer:
            (message,) = (await answer.json())["items"]
        async with aiohttp.ClientSession() as client, client.get(f"{url}/mailbox/messages/{message['id']}") as answer:
            found = re.search(r"/my/([\w-]+)", (await answer.text()).replace("=\r\n", "").replace("=\n", ""))
            assert found
        async with aiohttp.ClientSession() as client, client.get(f"{url}/my/{found[1]}") as answer:
            assert answer.ok
    log = (data / "fagseminar.log").read_text()

    assert {(line["service"], line["event"]) for line in lines} >= {
        ("registration", "request"),
        ("registration", "message published"),
        ("notification", "message handled"),
        ("notification", "e-mail settled"),
    }
    assert "hemmelig" not in log.lower()
    assert found[1] not in log


async def address(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    for line in iter(process.stdout.readline, ""):
        if found := re.search(r"http://localhost:\d+", line):
            return found[0]
    raise AssertionError("no address was printed")


async def sign_up(url: str, name: str, request_id: str = "") -> None:
    body = {
        "seminar": SEMINAR,
        "name": name.title(),
        "email": f"{name}@karasjok.example.no",
        "attendance": "online",
    }

    async with aiohttp.ClientSession(headers={"X-Request-ID": request_id}) as client:

        async def taken() -> bool:
            async with client.post(f"{url}/api/registrations", json=body) as answer:
                return answer.status == 202

        await eventually(taken)


async def test_what_make_run_answers_to_is_on_the_disk(data: Path) -> None:
    async with started(data, free_port()):
        # A server that has just been forked from it still has its command line.
        (server,) = {command for command in left_behind(data) if "postgres -D" in command}

    assert "fsync" not in server
    assert "synchronous_commit" not in server
