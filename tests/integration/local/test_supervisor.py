"""What dies is started again; what ends stays ended; nobody else's process is touched."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local import supervisor as module
from local.processes import command_of
from local.supervisor import Program, Supervisor, end_orphans
from tests.eventually import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc for what runs")

SLEEP = ("serve", "catalog", "--clock", "none", "--socket", "0")  # the command line alone matters; see `sleeping`


def sleeping(name: str, data: Path, script: str = "import time; time.sleep(60)") -> Program:
    """Return a program that only waits, under a command line such as ours."""
    program = Program(name, SLEEP, data)
    program._command = [sys.executable, "-c", script, "-m local ", name]
    return program


class Counted(Program):
    """A program that cannot start."""

    starts = 0

    async def start(self) -> None:
        self.starts += 1
        raise OSError("no such thing")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
async def supervisor(said: list[str]) -> AsyncIterator[Supervisor]:
    made = Supervisor(said.append)
    yield made
    await made.stop()


async def test_a_killed_program_is_started_again_and_that_is_said(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    program = sleeping("one", tmp_path)
    await supervisor.add(program)
    first = program.pid

    program.kill()

    async def another() -> bool:
        return program.pid not in (None, first)

    await eventually(another)
    assert said == ["one has ended; starting it again in 0.1 s"]


async def test_what_dies_at_once_is_started_again_later_and_later(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    await supervisor.add(sleeping("one", tmp_path, "pass"))

    async def three() -> bool:
        return len(said) >= 3

    await eventually(three)
    assert [line.rpartition(" in ")[2] for line in said[:3]] == ["0.1 s", "0.2 s", "0.4 s"]


async def test_what_has_lived_steadily_starts_anew_with_the_shortest_pause(
    supervisor: Supervisor, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STEADY", 0.0)
    await supervisor.add(sleeping("one", tmp_path, "pass"))

    async def three() -> bool:
        return len(said) >= 3

    await eventually(three)
    assert [line.rpartition(" in ")[2] for line in said[:3]] == ["0.1 s"] * 3


async def test_what_does_not_start_is_said_and_tried_again(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    program = Counted("one", SLEEP, tmp_path)
    supervisor.keep(program)

    async def twice() -> bool:
        return program.starts >= 2

    await eventually(twice)
    assert "one does not start: no such thing" in said


async def test_stopping_ends_every_program_and_starts_none_again(said: list[str], tmp_path: Path) -> None:
    made = Supervisor(said.append)
    programs = [sleeping("one", tmp_path), sleeping("two", tmp_path)]
    await made.add(*programs)

    await made.stop()

    assert [program.pid for program in programs] == [None, None]
    assert said == []
    assert list((tmp_path / "run").iterdir()) == []


async def test_what_a_killed_run_left_behind_is_ended(tmp_path: Path) -> None:
    program = sleeping("one", tmp_path)
    await program.start()
    pid = program.pid
    assert pid

    async def shown() -> bool:  # the kernel lets go of whoever starts a program before it shows its command line
        return "-m local " in command_of(pid)

    await eventually(shown)
    await asyncio.to_thread(end_orphans, tmp_path)

    async def gone() -> bool:
        return program.pid is None

    await eventually(gone)  # it has been killed, and is waited for here
    assert list((tmp_path / "run").iterdir()) == []


def test_a_process_that_has_got_the_pid_of_ours_by_now_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        record = tmp_path / "run" / "one.pid"
        record.parent.mkdir()
        record.write_text(str(stranger.pid))

        end_orphans(tmp_path)

        assert stranger.poll() is None
        stranger.kill()
