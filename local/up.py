"""Everything on one machine behind one port: PostgreSQL, mailbox, time machine and the three services on either bus."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import aiohttp
import typer

from local import over_local_bus, over_rabbitmq
from local.importing import import_file
from local.over_rabbitmq import REPLICAS, Processes
from local.postgres import Postgres
from local.services import SERVICES, Environment, Ground, migrated_databases
from local.time_machine import OSLO, KeptClock
from shared.web.server import listen

EXAMPLE = Path(__file__).parents[1] / "examples" / "planstrategi-4-0.yaml"
BROKERS = ("local", "rabbitmq")
PATIENCE = 60.0  # seconds for all services to be ready, and then for the example to get from catalog to registration
POLL = 0.02  # seconds
NOTHING: Mapping[str, str] = MappingProxyType({})


class Running(NamedTuple):
    """What is up, and where."""

    url: str
    environments: dict[str, Environment]
    clock: KeptClock
    processes: Processes | None  # over RabbitMQ
    ended: Callable[[], Awaitable[None]]  # raises RuntimeError when what should run for ever has ended

    @property
    def organiser_token(self) -> str:
        """The first organiser's token."""
        return self.environments["catalog"]["ORGANISER_TOKENS"].split(",")[0].rpartition(":")[2]


@asynccontextmanager
async def running(
    data: Path,
    port: int,
    *,
    broker: str = "local",
    replicas: Mapping[str, int] = REPLICAS,
    durable: bool = True,
    extra: Mapping[str, str] = NOTHING,
) -> AsyncIterator[Running]:
    """Have everything up while the caller's block runs, with its state under `data`; all that was started ends with it.

    `extra` goes into every service's environment. Raises OSError when the port is taken, PostgresError when PostgreSQL
    can't be had, RabbitMQError when RabbitMQ can't.
    """
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(listen("127.0.0.1", port))
        smtp = stack.enter_context(listen("127.0.0.1", 0))
        postgres = await stack.enter_async_context(Postgres.running(data, durable=durable, report=typer.echo))
        clock = KeptClock(data / "clock.json")
        ground = Ground(data, listener, smtp, clock, postgres, await migrated_databases(postgres), extra)
        up = await stack.enter_async_context(_started(ground, broker, replicas))
        await _become_ready(up)
        await _import_example(up, data)
        yield up


@asynccontextmanager
async def _started(ground: Ground, broker: str, replicas: Mapping[str, int]) -> AsyncIterator[Running]:
    if broker == "rabbitmq":
        async with over_rabbitmq.running(ground, replicas, typer.echo) as (environments, processes):
            yield Running(ground.url, environments, ground.clock, processes, processes.supervisor.ended)
    else:
        environments = ground.environments(dict.fromkeys(SERVICES, "local:"))
        async with over_local_bus.running(ground, environments) as ended:
            yield Running(ground.url, environments, ground.clock, None, ended)


async def _become_ready(up: Running) -> None:
    """Wait until every service answers; raises RuntimeError if one takes too long."""
    async with aiohttp.ClientSession() as session:
        try:
            async with asyncio.timeout(PATIENCE):
                while not await _is_ready(session, up.url):  # noqa: ASYNC110 - over HTTP
                    await asyncio.sleep(POLL)
        except TimeoutError:
            raise RuntimeError(f"not every service is ready after {PATIENCE:g} s; the logs say why") from None


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    async with session.get(f"{url}/health/ready") as answer:
        return answer.ok


async def _import_example(up: Running, data: Path) -> None:
    """Import the example seminar, once for these data: who removes or changes it has the last word."""
    done = data / "example-imported"
    if done.exists():
        return
    async with aiohttp.ClientSession() as session:
        await import_file(session, up.url, up.organiser_token, EXAMPLE)
        async with asyncio.timeout(PATIENCE):
            while not await _can_be_signed_up_for(session, up.url):  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(POLL)
    done.touch()


async def _can_be_signed_up_for(session: aiohttp.ClientSession, url: str) -> bool:
    async with session.get(f"{url}/register/{EXAMPLE.stem}") as answer:
        return answer.ok


async def up(data: Path, port: int, broker: str, replicas: Mapping[str, int]) -> None:
    """Run until cancelled; raises RuntimeError when a loop of a service in this process ends."""
    async with running(data, port, broker=broker, replicas=replicas) as everything:
        typer.echo(_summary(everything, data))
        await everything.ended()


def _summary(up: Running, data: Path) -> str:
    moment = up.clock.now().astimezone(OSLO)
    return f"""
Fagseminar is up. It is {moment:%d %B %Y %H:%M} in Oslo, by the clock of the time machine.

  {up.url}/                              the seminars
  {up.url}/seminars/planstrategi-4-0     the example: its page, and from there the sign-up
  {up.url}/mailbox                       every e-mail that was sent
  {up.url}/time-machine                  move the clock, and see the reminders arrive

{_what_runs_where(up, data)}
  PostgreSQL    one database and one role a service
  SMTP          {up.environments["notification"]["SMTP_URL"]}
  organiser     Authorization: Bearer {up.organiser_token}

Ctrl-C ends it all and keeps the data; `make clean` removes them.
"""


def _what_runs_where(up: Running, data: Path) -> str:
    if up.processes is None:
        return f"""\
  services      catalog, registration, notification: in this process, on the local bus
  state         {data.resolve()} (logs: fagseminar.log)"""
    programs = "\n".join(
        f"  {name:<13} process {program.pid}" for name, program in up.processes.supervisor.programs.items()
    )
    return f"""\
{programs}
  RabbitMQ      process {up.processes.broker.pid}, {up.processes.broker.address}; a user a service
  state         {data.resolve()} (logs: logs/*.log)"""
