"""Keeps processes running: one that dies is started again, sooner or later as it has shown itself able to live."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import structlog

from local.processes import end, end_stranger, to_the_end

ROOT = Path(__file__).parents[1]
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 10.0  # seconds before what has died is started again, doubled each time
STEADY = 10.0  # seconds; what has lived so long starts anew with the shortest pause
POLL = 0.05  # seconds between looks
_GENTLE_THEN_HARD = ((signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0))  # patience in seconds

log = structlog.get_logger()


class Process(Protocol):
    """What can be kept running: a `Program`, PostgreSQL, RabbitMQ."""

    name: str

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        ...

    async def start(self) -> None:
        """Start it unless it runs; raises OSError or RuntimeError."""
        ...


class Program:
    """A command of ours as a process of its own, `python -m local …`, with its log and its process id under `data`."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        data: Path,
        environment: Mapping[str, str] | None = None,
        descriptors: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.log = data / "logs" / f"{name}.log"
        self._record = data / "run" / f"{name}.pid"
        self._command = [sys.executable, "-m", "local", *arguments]
        self._environment = {**os.environ, **(environment or {})}
        self._descriptors = descriptors  # of sockets that it inherits, and that outlive it
        self._process: subprocess.Popen[bytes] | None = None
        for path in (self.log, self._record):
            path.parent.mkdir(parents=True, exist_ok=True)

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    async def start(self) -> None:
        """Start it unless it runs."""
        if not self.pid:
            self._process = self._spawn()
            self._record.write_text(str(self._process.pid))

    def _spawn(self) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - our own command with our own arguments
                self._command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us, who then end everything in good order
                pass_fds=self._descriptors,
            )

    async def stop(self) -> None:
        """End it, gently if it listens."""
        if self._process:
            await end(self._process, _GENTLE_THEN_HARD)
        self._record.unlink(missing_ok=True)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal, if it runs."""
        if self._process and self.pid:
            self._process.send_signal(number)


def end_orphans(data: Path) -> None:
    """End the programs that an earlier, killed run left behind on `data`. Blocks until they are gone."""
    for record in (data / "run").glob("*.pid"):
        with suppress(FileNotFoundError, ValueError):
            end_stranger(int(record.read_text()), "-m local ", _GENTLE_THEN_HARD)
        record.unlink(missing_ok=True)


class Supervisor:
    """Starts processes, keeps them running, and ends the programs among them."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self.programs: dict[str, Program] = {}
        self._report = report  # is told in one line what died
        self._keeping: list[asyncio.Task[None]] = []

    async def add(self, *programs: Program) -> None:
        """Start programs, and keep them running until `stop`."""
        for program in programs:
            self.programs[program.name] = program
            await program.start()
            self.keep(program)

    def keep(self, process: Process) -> None:
        """Start `process` again whenever it dies, until `stop`."""
        self._keeping.append(asyncio.create_task(keep_running(process, self._report), name=process.name))

    async def ended(self) -> None:
        """Wait for ever; raises what ends the keeping of a process, which nothing should."""
        for done in asyncio.as_completed(self._keeping):
            await done

    async def stop(self) -> None:
        """End the programs, all at once, the last started first told; they have no other child."""
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        await to_the_end(_stop_all(list(reversed(self.programs.values()))))


async def _stop_all(programs: Sequence[Program]) -> None:
    await asyncio.gather(*(program.stop() for program in programs))


async def keep_running(process: Process, report: Callable[[str], None]) -> None:
    """Start `process` again whenever it dies, until cancelled."""
    pause, started = SHORTEST_PAUSE, time.monotonic()
    while True:
        while process.pid is not None:  # noqa: ASYNC110 - a process tells nobody of its end
            await asyncio.sleep(POLL)
        if time.monotonic() - started > STEADY:
            pause = SHORTEST_PAUSE
        report(f"{process.name} has ended; starting it again in {pause:g} s")
        log.warning("process ended", process=process.name, pause=pause)
        await asyncio.sleep(pause)
        pause, started = min(2 * pause, LONGEST_PAUSE), time.monotonic()
        try:
            await to_the_end(process.start())
        except (OSError, RuntimeError) as error:
            report(f"{process.name} does not start: {str(error).splitlines()[0]}")
