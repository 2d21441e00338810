"""The containers of docker-compose.yml as processes: the same commands and environment, a loopback address each."""

import asyncio
import json
import os
import random
import re
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.compose import ROOT, SERVICES
from tests.image import Stage

CADDY = ("caddy", "run", "--config", "{file}", "--adapter", "caddyfile")  # the image's own command
PATIENCE = 60.0  # seconds for a job, or for an end in good order


class Container(NamedTuple):
    """A started service of the file."""

    address: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def served(self, route: str) -> int:
        """Return how many requests for `route` it has answered."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return sum(line.get("route") == route for line in lines)

    async def wait(self) -> int:
        return await asyncio.to_thread(self.process.wait, PATIENCE)


class Containers:
    """Starts services of a project from their image.

    Args:
        project: the file, read.
        image: what the Dockerfile makes.
        hosts: where on this machine the hosts are that are no services of ours: `name` or `name:port` to `host:port`.
        folder: for what they print, and the proxy's files.
    """

    def __init__(self, project: dict[str, Any], image: Stage, hosts: Mapping[str, str], folder: Path) -> None:
        self._services = project["services"]
        self._image = image
        self._hosts = hosts
        self._folder = folder
        # A network of our own, so that a second run of the tests has the same ports free.
        self._network = f"127.{random.randrange(1, 255)}.{random.randrange(1, 255)}"
        self.all: list[Container] = []
        self.replicas: dict[str, list[str]] = {}
        """What the name server knows: addresses by service."""

    def start(self, name: str) -> Container:
        """Start one more replica of a service, or a job."""
        address, log = self._place(name)
        command = [*self._image.entrypoint, *self._services[name]["command"]]
        process = self._image.start(command, {"HOST": address} | self.environment(name), log)
        return self._started(name, Container(address, process, log))

    def start_proxy(self, name_server: int) -> Container:
        """Start Caddy on the file that the proxy mounts, with its address and name server in it."""
        mounted = self._services["proxy"]["volumes"][0].partition(":")[0]
        address, log = self._place("proxy")
        subnet = self.environment("proxy")["SUBNET"]
        process = start_caddy((ROOT / mounted).read_text(), address, name_server, log, subnet)
        return self._started("proxy", Container(address, process, log))

    def environment(self, name: str) -> dict[str, str]:
        """Return what the file gives a service, with the other servers where they are here."""
        given: dict[str, str] = self._services[name]["environment"]
        return {variable: self._on_loopback(value) for variable, value in given.items()}

    async def healthy(self, name: str, address: str) -> bool:
        """Run the file's health check as in the container at `address`."""
        _, *command = [word.replace("127.0.0.1", address) for word in self._services[name]["healthcheck"]["test"]]
        check = self._image.start if name in SERVICES else _start_here
        process = check(command, {}, self._folder / "health.log")
        return await asyncio.to_thread(process.wait, PATIENCE) == 0

    async def stop(self) -> list[int]:
        """End in good order whatever runs, and return every container's exit status, in the order of their starts."""
        for container in reversed(self.all):
            if container.process.poll() is None:
                container.process.send_signal(signal.SIGTERM)
        return [await container.wait() for container in self.all]

    def _place(self, name: str) -> tuple[str, Path]:
        """Return an address and a log that are nobody's yet."""
        number = len(self.all) + 1
        return f"{self._network}.{number}", self._folder / f"{number}-{name}.log"

    def _started(self, name: str, container: Container) -> Container:
        self.all.append(container)
        self.replicas.setdefault(name, []).append(container.address)
        return container

    def _on_loopback(self, value: str) -> str:
        for host, place in self._hosts.items():
            value = re.sub(rf"(?<=[@/]){host}(?=/|$)", place, value)
        return value


def _start_here(command: list[str], environment: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("wb") as output:
        return subprocess.Popen(command, env=os.environ | environment, stdout=output, stderr=subprocess.STDOUT)


def start_caddy(
    file: str, address: str, name_server: int, log: Path, subnet: str, **instead: str
) -> "subprocess.Popen[bytes]":
    """Start Caddy with `file`, bound to `address` and asking the name server on that port of 127.0.0.1."""
    changes = {
        ":8080 {": f":8080 {{\n\tbind {address}",
        "refresh 1s": f"refresh 1s\n\t\t\tresolvers udp/127.0.0.1:{name_server}",
    }
    for text, changed in (changes | instead).items():
        assert file.count(text) == 1, text
        file = file.replace(text, changed)
    home = log.with_suffix("")
    home.mkdir()
    (home / "Caddyfile").write_text(file)
    command = [word.format(file=home / "Caddyfile") for word in CADDY]
    return _start_here(command, {"HOME": str(home), "SUBNET": subnet}, log)
