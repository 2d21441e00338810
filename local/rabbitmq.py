"""A private RabbitMQ node from the machine's ``rabbitmq-server`` package: its own name, ports, cookie and folders."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self
from urllib.parse import quote

from local.processes import end, end_stranger, free_port, kept_secret, locked, tail, to_the_end, write_private

ADMIN = "fagseminar"

_USUAL_PLACES = ("/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin", "/opt/homebrew/sbin", "/usr/local/sbin")
_NODE = "fagseminar@localhost"  # its epmd is its own, so it never meets another node of this name
_START_PATIENCE = 90.0  # seconds
_POLL = 0.05  # seconds
_ATTEMPTS = 3
_PASSING = ("eaddrinuse", "address already in use", "dist_port_already_used")
# A stopped process hears nothing else before it is continued. Patience in seconds.
_GENTLE_THEN_HARD = ((signal.SIGCONT, 0.0), (signal.SIGTERM, 30.0), (signal.SIGKILL, 5.0))
_EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}
# Where a node finds nine in ten of the modules it loads at start, most used first.
_MOST_USED = (
    *("kernel", "stdlib", "rabbit", "rabbit_common", "ssl", "inets", "compiler", "xmerl", "mnesia", "ra"),
    *("rabbitmq_prelaunch", "cuttlefish", "ranch", "sasl", "tools", "syntax_tools", "public_key", "osiris"),
)


class RabbitMQError(RuntimeError):
    """The private RabbitMQ node cannot be had or does not obey; the first line says why."""


class RabbitMQMissingError(RabbitMQError):
    """There is no RabbitMQ on this machine; the text says how to install it."""


class _PassingError(RabbitMQError):
    """A failed start that is worth another try."""


@dataclass(frozen=True)
class _Ports:
    amqp: int
    distribution: int
    epmd: int

    @classmethod
    def free(cls) -> Self:
        return cls(free_port(), free_port(), free_port())


class RabbitMQ:
    """A private RabbitMQ node whose data lie under one folder."""

    name = "rabbitmq"

    def __init__(self, server: Path, home: Path, definitions: Mapping[str, object]) -> None:
        self._server = server
        self._home = home
        self._definitions = definitions
        self._secret = kept_secret(home / "secret")
        self._ports = _Ports.free()
        self._answered = False  # since it was last started
        self._node: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        data: Path,
        *,
        definitions: Mapping[str, object] | None = None,
        report: Callable[[str], None] = lambda _: None,
    ) -> AsyncIterator[Self]:
        """Run a node on this state folder (its files go to `rabbitmq` in it) for as long as the context lasts.

        Args:
            data: the state folder; made if absent.
            definitions: users, vhosts, permissions and so on in RabbitMQ's own form. A user without a password gets
                one that `url` knows; a user may do everything in every vhost unless permissions are given.
            report: is told in one line what takes long.

        Raises:
            RabbitMQMissingError: there is no RabbitMQ on this machine.
            RabbitMQError: it does not start, or another process runs it already.
        """
        server = find_server()
        home = await asyncio.to_thread(_made_home, data)
        with locked(home / "lock", RabbitMQError):
            report("starting RabbitMQ")
            node = cls(server, home, definitions or {})
            await asyncio.to_thread(node._end_orphans)
            try:
                await node._start_somewhere()
                yield node
            finally:
                await to_the_end(node._end_all())

    @property
    def pid(self) -> int | None:
        """The process id of the node while it runs."""
        return self._node.pid if self._node and self._node.poll() is None else None

    @property
    def is_up(self) -> bool:
        """Whether the node runs and has begun to accept connections."""
        return self.pid is not None and self._answered

    @property
    def address(self) -> str:
        """Where the node listens."""
        return f"127.0.0.1:{self._ports.amqp}"

    def url(self, vhost: str = "/", user: str | None = None) -> str:
        """Give the URL, password included, with which a user (the administrator unless given) reaches a vhost."""
        name = user or ADMIN
        return f"amqp://{quote(name, safe='')}:{self._password(name)}@{self.address}/{quote(vhost, safe='')}"

    async def add_vhost(self, name: str) -> None:
        """Add a vhost in which every user of the definitions may do everything. One that exists is no error."""
        addition = {"vhosts": [{"name": name}], "permissions": self._permissions([name])}
        await self._control("import_definitions", text=json.dumps(addition))

    async def delete_vhost(self, name: str) -> None:
        """Delete a vhost and all that is in it. Raises RabbitMQError if there is none of that name."""
        await self._control("delete_vhost", name)

    async def start(self) -> None:
        """Start the node again, on the same data and ports, unless it runs. Raises RabbitMQError."""
        if self.pid:
            return
        self._answered = False
        self._prepare()
        self._epmd = await self._start_epmd()
        arguments = [str(self._server), "-noinput"]
        process = self._node = self._spawn(arguments, executable=self._server, record="node.pid")
        if not await _listening(process, self._ports.amqp):
            await self._give_up()
        self._answered = True

    async def stop(self) -> None:
        """Stop the node in an orderly way; its clients lose their connections."""
        if self._node:
            await end(self._node, _GENTLE_THEN_HARD)

    async def restart(self) -> None:
        """Stop the node in an orderly way and start it again, on the same data and ports."""
        await self.stop()
        await self.start()

    async def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send the node a signal, and wait until it is gone if that ends it; `start` brings it back."""
        if not self._node or self._node.poll() is not None:
            return
        if number in (signal.SIGSTOP, signal.SIGCONT):
            self._node.send_signal(number)
        else:
            await end(self._node, ((number, 30.0),))

    async def _start_somewhere(self) -> None:
        """Start on free ports, and on others when somebody else took one of them first."""
        for attempt in range(_ATTEMPTS):
            try:
                return await self.start()
            except _PassingError:
                if attempt == _ATTEMPTS - 1:
                    raise
            await self._end_all()
            self._ports = _Ports.free()
        raise AssertionError

    async def _end_all(self) -> None:
        for process in (self._node, self._epmd):
            if process:
                await end(process, _GENTLE_THEN_HARD)

    def _end_orphans(self) -> None:
        """End what an earlier, killed run left behind on this folder."""
        for record, command in (("node.pid", f"-home {self._erlang_home} "), ("epmd.pid", f"{self._epmd_alias} ")):
            with suppress(FileNotFoundError, ValueError):
                end_stranger(int((self._home / record).read_text()), command, _GENTLE_THEN_HARD)

    async def _start_epmd(self) -> "subprocess.Popen[bytes]":
        """Start this node's own name server as our child: the one Erlang would start daemonises itself and stays."""
        if self._epmd and self._epmd.poll() is None:
            return self._epmd
        arguments = [self._epmd_alias, "-port", str(self._ports.epmd), "-address", "127.0.0.1"]
        process = self._epmd = self._spawn(arguments, executable=_find_epmd(), record="epmd.pid")
        if await _listening(process, self._ports.epmd):
            return process
        raise _PassingError(f"epmd does not start:\n{tail(self._log('epmd.pid'))}")

    def _spawn(self, arguments: Sequence[str], *, executable: Path, record: str) -> "subprocess.Popen[bytes]":
        with self._log(record).open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - the package's own binary with our own arguments
                arguments,
                executable=executable,
                cwd=self._home,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        (self._home / record).write_text(str(process.pid))
        return process

    async def _give_up(self) -> NoReturn:
        log = self._log("node.pid")
        last_words = tail(log, 40)
        kind = _PassingError if any(fault in last_words for fault in _PASSING) else RabbitMQError
        await self.stop()
        raise kind(f"RabbitMQ does not start; the end of {log}:\n{last_words}")

    async def _control(self, *command: str, text: str = "") -> None:
        """Give the node a command of rabbitmqctl; takes half a second."""
        process = await asyncio.create_subprocess_exec(
            *(str(self._server.with_name("rabbitmqctl")), "-q", "-n", _NODE, *command),
            cwd=self._home,
            env=self._environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await process.communicate(text.encode())
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode != 0:
            raise RabbitMQError(f"rabbitmqctl {command[0]} failed: {output.decode(errors='replace').strip()}")

    def _prepare(self) -> None:
        self._erlang_home.mkdir(exist_ok=True)
        (self._home / "enabled_plugins").write_text("[].\n")
        (self._home / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self._ports.amqp}\n"
            "load_definitions = definitions.json\n"
            "log.file = false\n"
            "log.console = true\n"
            "log.console.level = warning\n"
        )
        write_private(self._home / "definitions.json", json.dumps(self._all_definitions()).encode())
        plugins = self._home / "plugins"
        shutil.rmtree(plugins, ignore_errors=True)
        plugins.mkdir()
        for needed in self._package_plugins.glob("rabbit-*"):
            (plugins / needed.name).symlink_to(needed)

    def _environment(self) -> dict[str, str]:
        interface = "-kernel inet_dist_use_interface {127,0,0,1}"
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._erlang_home),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "ERL_EPMD_PORT": str(self._ports.epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_ALLOW_INPUT": "1",  # makes the script become the node: one process, one pid
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(self._home / "rabbitmq.conf"),
            "RABBITMQ_CTL_ERL_ARGS": f"+S 1:1 {interface}",
            "RABBITMQ_DIST_PORT": str(self._ports.distribution),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._home / "enabled_plugins"),
            "RABBITMQ_LOG_BASE": str(self._home / "log"),
            "RABBITMQ_MNESIA_BASE": str(self._home / "mnesia"),
            "RABBITMQ_NODENAME": _NODE,
            # The package brings seventy plugins, and a node looks for every module in all of them first: shown none
            # but itself, and told where to look, it starts in half the time.
            "RABBITMQ_PLUGINS_DIR": str(self._home / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"+S 1:1 +A 1 {interface} {self._search_first()}",
        }

    def _search_first(self) -> str:
        roots = [self._package_plugins]
        if erl := shutil.which("erl"):
            roots.append(Path(erl).resolve().parents[1] / "lib")
        found = [str(path) for name in _MOST_USED for root in roots for path in root.glob(f"{name}-[0-9]*/ebin")]
        # The server's script splits the arguments at blanks, whatever the quotes.
        return "" if not found or any(" " in path for path in found) else " ".join(("-pa", *found))

    def _all_definitions(self) -> dict[str, object]:
        vhosts = [{"name": "/"}, *_items(self._definitions, "vhosts")]
        users = [{"name": ADMIN, "tags": "administrator"}, *_items(self._definitions, "users")]
        everything = self._permissions([vhost["name"] for vhost in vhosts])
        admins = [permission for permission in everything if permission["user"] == ADMIN]
        given = _items(self._definitions, "permissions")
        return {
            **self._definitions,
            "vhosts": vhosts,
            "users": [{"tags": "", **self._hashed(user["name"]), **user} for user in users],
            "permissions": [*admins, *given] if given else everything,
        }

    def _permissions(self, vhosts: Sequence[str]) -> list[dict[str, str]]:
        users = [ADMIN, *(user["name"] for user in _items(self._definitions, "users"))]
        return [{"user": user, "vhost": vhost, **_EVERYTHING} for vhost in vhosts for user in users]

    def _password(self, user: str) -> str:
        return hmac.digest(self._secret, user.encode(), "sha256").hex()

    def _hashed(self, user: str) -> dict[str, str]:
        """Hash a password as RabbitMQ keeps it: a salt of 32 bits, and SHA-256 over salt and password."""
        salt = secrets.token_bytes(4)
        digest = hashlib.sha256(salt + self._password(user).encode()).digest()
        hashing = "rabbit_password_hashing_sha256"
        return {"password_hash": base64.b64encode(salt + digest).decode(), "hashing_algorithm": hashing}

    @property
    def _package_plugins(self) -> Path:
        return self._server.resolve().parents[1] / "plugins"

    @property
    def _erlang_home(self) -> Path:
        return self._home / "erlang"

    @property
    def _epmd_alias(self) -> str:
        return str(self._home / "epmd")

    def _log(self, record: str) -> Path:
        return (self._home / record).with_suffix(".log")


def find_server() -> Path:
    """Find the script that starts RabbitMQ as whoever calls it. Raises RabbitMQMissingError."""
    on_path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    for folder in (*_USUAL_PLACES, *on_path):
        server = Path(folder, "rabbitmq-server")
        # Debian's wrapper of the same name runs it as the user rabbitmq, and refuses everybody but root.
        if os.access(server, os.X_OK) and server.resolve().name == "rabbitmq-server":
            return server
    raise RabbitMQMissingError("RabbitMQ is not installed: apt-get install rabbitmq-server (it need not run)")


def _made_home(data: Path) -> Path:
    home = data.resolve() / "rabbitmq"
    home.mkdir(parents=True, exist_ok=True)
    return home


async def _listening(process: "subprocess.Popen[bytes]", port: int) -> bool:
    """Wait until a process accepts connections; False if it ends first, or takes too long."""
    deadline = time.monotonic() + _START_PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True
        await asyncio.sleep(_POLL)
    return False


def _find_epmd() -> Path:
    found = shutil.which("epmd")
    if not found and (erl := shutil.which("erl")):
        beside = Path(erl).resolve().with_name("epmd")
        found = str(beside) if beside.exists() else None
    if not found:
        raise RabbitMQMissingError("Erlang's epmd is not installed: apt-get install erlang-base")
    return Path(found)


def _items(definitions: Mapping[str, object], kind: str) -> list[dict[str, Any]]:
    found = definitions.get(kind, [])
    if not isinstance(found, list):
        raise TypeError(f"the definitions' {kind} must be a list")
    return found
