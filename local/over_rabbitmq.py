"""The services as processes of their own over a private RabbitMQ, each in as many replicas as wanted, and supervised.

The replicas of a service accept from one socket, which is the supervisor's: whoever connects while all of them are
dead waits until one is back.
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from socket import socket
from typing import NamedTuple

from local.postgres import Postgres
from local.rabbitmq import RabbitMQ
from local.services import SERVICES, Environment, Ground
from local.supervisor import Program, Supervisor
from shared.broker import declare
from shared.topology import EXCHANGE, permissions
from shared.web.server import listen

VHOST = "/"
REPLICAS = {"catalog": 1, "registration": 1, "notification": 2}
MOST_REPLICAS = 16  # of one service on one machine


class ReplicasError(ValueError):
    """What was wanted of replicas cannot be had; the text names the part at fault."""


def read_replicas(text: str) -> dict[str, int]:
    """Return the replicas of each service as in `notification=3,registration=2`; raises ReplicasError."""
    replicas = dict(REPLICAS)
    for part in filter(None, (part.strip() for part in text.split(","))):
        found = re.fullmatch(r"(\w+)=(\d{1,3})", part)
        if not found or found[1] not in SERVICES or not 1 <= int(found[2]) <= MOST_REPLICAS:
            raise ReplicasError(f"{part!r} is not one of {', '.join(SERVICES)} with = and 1 to {MOST_REPLICAS}")
        replicas[found[1]] = int(found[2])
    return replicas


class Processes(NamedTuple):
    """What was started: who keeps it running, and the servers that it stands on."""

    supervisor: Supervisor
    broker: RabbitMQ
    postgres: Postgres


@asynccontextmanager
async def running(
    ground: Ground, replicas: Mapping[str, int], report: Callable[[str], None]
) -> AsyncIterator[tuple[dict[str, Environment], Processes]]:
    """Have the services up while the caller's block runs.

    Raises RabbitMQMissingError where there is no RabbitMQ, RabbitMQError when it does not start.
    """
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(
            RabbitMQ.running(ground.data, definitions=broker_definitions(), report=report)
        )
        await declare(node.url())
        environments = ground.environments({name: node.url(VHOST, name) for name in SERVICES})
        sockets = {name: stack.enter_context(listen("127.0.0.1", 0)) for name in SERVICES}
        supervisor = Supervisor(report)
        stack.push_async_callback(supervisor.stop)
        for name, environment in environments.items():
            for number in range(1, replicas[name] + 1):
                await supervisor.add(_replica(ground, name, number, environment, sockets[name]))
        await supervisor.add(_front(ground, sockets))
        supervisor.keep(node)
        supervisor.keep(ground.postgres)
        yield environments, Processes(supervisor, node, ground.postgres)


def broker_definitions() -> dict[str, object]:
    """Return a broker user a service, who may do its own part and no more."""
    permitted = {name: permissions(name) for name in SERVICES}
    return {
        "users": [{"name": name} for name in SERVICES],
        "permissions": [
            {"user": name, "vhost": VHOST, "configure": may.configure, "write": may.write, "read": may.read}
            for name, may in permitted.items()
        ],
        "topic_permissions": [
            {"user": name, "vhost": VHOST, "exchange": EXCHANGE, "write": may.publish, "read": may.bind}
            for name, may in permitted.items()
        ],
    }


def _replica(ground: Ground, service: str, number: int, environment: Environment, listener: socket) -> Program:
    arguments = ("serve", service, "--clock", str(ground.clock.file), "--socket", str(listener.fileno()))
    return Program(f"{service}-{number}", arguments, ground.data, environment, (listener.fileno(),))


def _front(ground: Ground, sockets: Mapping[str, socket]) -> Program:
    upstreams = {name: f"http://127.0.0.1:{listener.getsockname()[1]}" for name, listener in sockets.items()}
    descriptors = (ground.listener.fileno(), ground.smtp.fileno())
    arguments = ("front", json.dumps(upstreams), *map(str, descriptors), "--data", str(ground.data))
    return Program("proxy", arguments, ground.data, descriptors=descriptors)
