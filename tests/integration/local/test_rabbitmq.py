import asyncio
import os
import pwd
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import aio_pika
import aiormq.exceptions
import pytest
from yarl import URL

from local import rabbitmq as module
from local.processes import command_of
from local.rabbitmq import RabbitMQ, RabbitMQError, RabbitMQMissingError, find_server
from tests.conftest import demand_rabbitmq
from tests.eventually import eventually
from tests.ordinary_user import AS_ROOT, CHECKOUT, copied_for_nobody, python_for_all

RUN = """
import asyncio, signal, sys
from pathlib import Path
from local.rabbitmq import RabbitMQ

async def main():
    async with RabbitMQ.running(Path(sys.argv[1])) as node:
        print(node.pid, node.url(), flush=True)
        await asyncio.Event().wait()

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell in the background has us ignore
asyncio.run(main())
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc for what is left running")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give a state folder for a node of the test's own."""
    demand_rabbitmq()
    return tmp_path / "state"


@asynccontextmanager
async def channel_to(url: str) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    connection = await aio_pika.connect(url, timeout=10)
    async with connection:
        yield await connection.channel()


async def log_in(url: str) -> None:
    """Connect and hang up; `aio_pika.connect` would leave a refused connection to the garbage collector, who warns."""
    connection = aio_pika.Connection(URL(url))
    try:
        await connection.connect(timeout=10)
    finally:
        await connection.close()


async def publish_lasting(url: str, body: bytes) -> None:
    async with channel_to(url) as channel:
        await channel.declare_queue("lasting", durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, "lasting", timeout=10)


async def fetch_lasting(url: str) -> bytes:
    async with channel_to(url) as channel:
        queue = await channel.get_queue("lasting")
        async with queue.iterator(timeout=20) as messages:
            message = await anext(messages)
            await message.ack()
        return message.body


async def nothing_is_left_of(data: Path) -> None:
    """Wait for the node's own helpers, which notice a moment later that it is gone."""

    async def look() -> bool:
        return left_of(data) == []

    await eventually(look)


def left_of(data: Path) -> list[str]:
    """Command lines of the processes that have this node's home in their environment: all it ever starts."""
    mark = f"HOME={data.resolve()}/rabbitmq/erlang".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in process.joinpath("environ").read_bytes().split(b"\0"):
                found.append(command_of(int(process.name)) or process.name)
        except OSError:
            continue
    return found


def listeners(pids: Iterable[int]) -> set[str]:
    """Give the addresses, as the kernel's hexadecimal, at which processes accept TCP connections."""
    sockets = set()
    for pid in pids:
        sockets |= {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    addresses = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and f"socket:[{rest[5]}]" in sockets:
                addresses.add(local.split(":")[0])
    return addresses


async def announced(process: Process) -> tuple[int, str]:
    assert process.stdout
    line = await asyncio.wait_for(process.stdout.readline(), 60)
    pid, url = line.decode().split()
    return int(pid), url


async def test_a_vhost_is_there_for_every_test_that_asks_and_gone_afterwards(rabbitmq: RabbitMQ) -> None:
    name = "tests / æøå"
    await rabbitmq.add_vhost(name)
    await rabbitmq.add_vhost(name)
    async with channel_to(rabbitmq.url(name)) as channel:
        await channel.declare_queue("mine", exclusive=True)

    await rabbitmq.delete_vhost(name)

    with pytest.raises(aio_pika.exceptions.AMQPError):
        await log_in(rabbitmq.url(name))
    with pytest.raises(RabbitMQError, match="delete_vhost"):
        await rabbitmq.delete_vhost(name)


async def test_a_wrong_password_is_refused(rabbitmq: RabbitMQ) -> None:
    password = rabbitmq.url().split(":")[2].split("@")[0]

    with pytest.raises(aio_pika.exceptions.ProbableAuthenticationError):
        await log_in(rabbitmq.url().replace(password, "guess"))


async def test_a_node_is_reached_on_the_loopback_alone(rabbitmq: RabbitMQ) -> None:
    assert rabbitmq.pid

    assert listeners([rabbitmq.pid]) == {f"{socket.htonl(0x7F000001):08X}"}


async def test_a_node_keeps_its_messages_through_restart_and_kill_and_leaves_nothing_running(
    tmp_path: Path, data: Path
) -> None:
    """One long walk, because every start takes seconds. The folder is long and has odd letters."""
    folder = tmp_path / f"en mappe på nynorsk {'x' * 180}" / data.name
    definitions = {
        "users": [{"name": "catalog"}, {"name": "watcher"}],
        "vhosts": [{"name": "seminars"}],
        "permissions": [
            {"user": "catalog", "vhost": "seminars", "configure": ".*", "write": ".*", "read": ".*"},
            {"user": "watcher", "vhost": "seminars", "configure": "", "write": "", "read": ".*"},
        ],
    }
    async with RabbitMQ.running(folder, definitions=definitions) as node:
        url = node.url("seminars", user="catalog")
        with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
            await publish_lasting(node.url("seminars", user="watcher"), b"not allowed")

        await publish_lasting(url, b"through a restart")
        await node.restart()
        assert await fetch_lasting(url) == b"through a restart"

        await publish_lasting(url, b"through a kill")
        await node.kill()
        assert node.pid is None
        await node.start()
        assert await fetch_lasting(url) == b"through a kill"
        assert left_of(folder) != []
    await nothing_is_left_of(folder)


async def test_a_second_run_is_refused_while_the_first_lives_and_takes_over_when_it_was_killed(data: Path) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", RUN, data, cwd=CHECKOUT, stdout=PIPE)
    orphan, url = await announced(process)
    await publish_lasting(url, b"kept")
    with pytest.raises(RabbitMQError, match=rf"in use by process {process.pid} ") as refusal:
        async with RabbitMQ.running(data):
            pass
    assert "\n" not in str(refusal.value)
    process.kill()
    await process.wait()
    assert command_of(orphan)

    async with RabbitMQ.running(data) as node:
        assert not command_of(orphan)
        assert await fetch_lasting(node.url("/")) == b"kept"

    await nothing_is_left_of(data)


async def test_a_start_that_is_cancelled_leaves_nothing_running(data: Path) -> None:
    async def run() -> None:
        async with RabbitMQ.running(data):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(run(), 0.8)

    await nothing_is_left_of(data)


async def test_a_node_that_cannot_start_says_why_and_leaves_nothing_running(data: Path) -> None:
    (data / "rabbitmq").mkdir(parents=True)
    (data / "rabbitmq" / "mnesia").write_text("a file where a folder must be")

    with pytest.raises(RabbitMQError, match="RabbitMQ does not start"):
        async with RabbitMQ.running(data):
            pass

    await nothing_is_left_of(data)


async def test_an_ordinary_user_runs_a_node() -> None:
    """Root runs this as `nobody`, with copies of what `nobody` could not reach; anybody else runs it as is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process = await asyncio.create_subprocess_exec(
            *(python_for_all(), "-c", RUN, folder / "state"),
            cwd=copied_for_nobody(folder, "asyncpg"),
            stdout=PIPE,
            user="nobody" if AS_ROOT else None,
            group=pwd.getpwnam("nobody").pw_gid if AS_ROOT else None,
            extra_groups=[] if AS_ROOT else None,
        )
        pid, url = await announced(process)
        owner = await asyncio.to_thread(Path(f"/proc/{pid}").owner)
        await publish_lasting(url, b"from root to nobody")
        process.send_signal(signal.SIGINT)
        await process.wait()

        assert owner == ("nobody" if AS_ROOT else pwd.getpwuid(os.geteuid()).pw_name)
        await nothing_is_left_of(folder / "state")


def test_debians_wrapper_which_refuses_ordinary_users_is_not_taken_for_the_server() -> None:
    try:
        found = find_server()
    except RabbitMQMissingError:
        pytest.skip("NOT TESTED, no RabbitMQ here")

    assert found.resolve().name == "rabbitmq-server"


def test_a_machine_without_rabbitmq_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_USUAL_PLACES", ())
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(RabbitMQMissingError, match="apt-get install rabbitmq-server") as missing:
        find_server()

    assert "\n" not in str(missing.value)
