"""What every private server on this machine needs: locks, secrets, ports, and processes that end."""

import asyncio
import fcntl
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")

_POLL = 0.02  # seconds


@contextmanager
def locked(path: Path, error: type[Exception]) -> Iterator[None]:
    """Hold a lock file; raises the given error, naming the holder, if another process does. A kill releases it."""
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise error(f"{path.parent} is in use by process {file.read().strip() or '(unknown)'}") from None
        file.truncate(0)
        command = " ".join(command_of(os.getpid()).split())
        file.write(f"{os.getpid()} ({command[:200]})")
        file.flush()
        yield


def kept_secret(path: Path) -> bytes:
    """Give the secret kept in a file, making it up the first time. Only the file's owner can read it."""
    if not path.exists():
        fresh = path.with_name(path.name + ".new")
        write_private(fresh, secrets.token_hex(32).encode())
        fresh.rename(path)
    return path.read_bytes()


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, in place of one that may be there."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def free_port() -> int:
    """Give a TCP port that was free on 127.0.0.1 a moment ago; somebody else may take it first."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def tail(log: Path, lines: int = 15) -> str:
    """Give the last lines of a log, or an empty text if there is none."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


async def end(process: "subprocess.Popen[bytes]", signals: Sequence[tuple[signal.Signals, float]]) -> None:
    """End a child: send each signal in turn, until it is gone, giving it that many seconds."""
    for number, patience in signals:
        if process.poll() is not None:
            return
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(process.wait, patience)


def end_stranger(pid: int, command: str, signals: Sequence[tuple[signal.Signals, float]]) -> None:
    """End a process that is not our child, if its command line contains that text. Blocks until it is gone."""
    for number, patience in signals:
        if command not in command_of(pid):
            return
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + patience
        while command in command_of(pid) and time.monotonic() < deadline:
            time.sleep(_POLL)


def command_of(pid: int) -> str:
    """Give a process's command line, its words parted by blanks; empty if there is none such."""
    if Path("/proc/self/cmdline").exists():
        with suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="surrogateescape")
        return ""
    listing = ["ps", "-ww", "-o", "args=", "-p", str(pid)]
    return subprocess.run(listing, capture_output=True, text=True, check=False).stdout  # noqa: S603 - no outside input


async def to_the_end(work: Coroutine[Any, Any, Result]) -> Result:
    """Await work that must not be left half done: a cancellation takes effect only when it has finished."""
    task = asyncio.ensure_future(work)
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation:
        raise cancellation
    return task.result()
