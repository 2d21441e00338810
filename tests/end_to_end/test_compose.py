"""What `docker compose up` runs, without Docker: the image's steps in a folder, the file's commands as processes."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from local.importing import read_document
from local.mailbox import Mailbox
from local.postgres import Postgres, _pginstall
from local.rabbitmq import RabbitMQ
from local.up import EXAMPLE
from tests import name_server
from tests.compose import ROOT, SERVICES, TRY_OUT, read
from tests.containers import Container, Containers, start_caddy
from tests.end_to_end.conftest import SEMINAR
from tests.eventually import eventually
from tests.image import Stage, build

LOOPBACK = "127.0.0.0/8"  # the network that the containers are in here
JOBS = tuple(f"migrate-{service}" for service in SERVICES)
IMPORT_ALL = """
import importlib, pkgutil, services, shared
for package in (services, shared):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
            print(module.name)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs all of 127.0.0.0/8, for an address a container")


def need(*programs: str) -> None:
    """Skip, in CI fail, where one of `programs` is not installed."""
    missing = [program for program in programs if not shutil.which(program)]
    if missing and os.environ.get("CI"):
        pytest.fail(f"CI must have {missing}")
    if missing:
        pytest.skip(f"NOT TESTED, not installed here: {missing}")


@pytest.fixture(scope="module")
async def building(tmp_path_factory: pytest.TempPathFactory) -> "asyncio.Task[Stage]":
    """Begin with the image, which takes longer than PostgreSQL and RabbitMQ, and beside them."""
    need("npm")
    return asyncio.create_task(asyncio.to_thread(build, tmp_path_factory.mktemp("image")))


class Site(NamedTuple):
    """Everything in the file, up and migrated; two replicas each of registration and notification."""

    containers: Containers
    jobs: list[int]
    proxy: Container
    registration: list[Container]
    mailbox: Mailbox
    client: aiohttp.ClientSession

    async def get(self, path: str) -> tuple[int, str]:
        async with self.client.get(path) as answer:
            return answer.status, await answer.text()

    async def sign_up(self, name: str) -> int:
        body = {"seminar": SEMINAR, "name": name, "email": f"{name}@karasjok.example.no", "attendance": "online"}
        async with self.client.post("/api/registrations", json=body) as answer:
            return answer.status


@pytest.fixture(scope="module")
async def site(
    building: "asyncio.Task[Stage]", postgres: Postgres, rabbitmq: RabbitMQ, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    need("caddy", "wget")
    folder = tmp_path_factory.mktemp("containers")
    project, mailbox = read(TRY_OUT, LOG_LEVEL="DEBUG", SUBNET=LOOPBACK), Mailbox(folder / "mailbox")
    async with AsyncExitStack() as stack:
        smtp_port = await stack.enter_async_context(mailbox.serving())
        stack.push_async_callback(forget, postgres, rabbitmq)
        await prepare(project["configs"], postgres, rabbitmq)
        hosts = {
            "postgres": f"127.0.0.1:{postgres.port}",
            "rabbitmq": f"127.0.0.1:{URL(rabbitmq.url()).port}",
            "mailpit:1025": f"127.0.0.1:{smtp_port}",
        }
        containers = Containers(project, await building, hosts, folder)
        stack.push_async_callback(containers.stop)
        jobs = await asyncio.gather(*[containers.start(job).wait() for job in JOBS])
        proxy = containers.start_proxy(await stack.enter_async_context(name_server.serving(containers.replicas)))
        started = [containers.start(name) for name in ("catalog", *2 * ("registration", "notification"))]
        client = await stack.enter_async_context(aiohttp.ClientSession(f"http://{proxy.address}:8080"))
        yield Site(containers, jobs, proxy, started[1::2], mailbox, client)


async def prepare(configs: dict[str, dict[str, str]], postgres: Postgres, rabbitmq: RabbitMQ) -> None:
    """Give both servers what their containers read when they first start."""
    command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", postgres.admin_dsn(), "-f", "-"]
    run_postgres_tool(*command, text=configs["databases"]["content"])
    await rabbitmq._control("import_definitions", text=configs["broker-users"]["content"])


def run_postgres_tool(program: str, *arguments: str, text: str = "") -> None:
    subprocess.run([_pginstall() / "bin" / program, *arguments], input=text.encode(), check=True)


async def forget(postgres: Postgres, rabbitmq: RabbitMQ) -> None:
    """Leave the servers, which other tests use, as they were."""
    for name in SERVICES:
        await postgres.drop_database(name)
    run_postgres_tool("psql", "-X", "-q", "-d", postgres.admin_dsn(), "-c", f"DROP ROLE {', '.join(SERVICES)}")
    await asyncio.gather(
        rabbitmq.delete_vhost("fagseminar"),
        *(rabbitmq._control("delete_user", user) for user in ("deployer", *SERVICES)),
    )


def future_example() -> dict[str, Any]:
    """Return the example as if it were to come: these services have the machine's own clock."""
    document: dict[str, Any] = json.loads(json.dumps(read_document(EXAMPLE)).replace("2023-", "2093-"))
    return document


async def test_everything_comes_up_by_the_files_own_health_checks(
    site: Site, postgres: Postgres, rabbitmq: RabbitMQ
) -> None:
    places = [(name, address) for name in (*SERVICES, "proxy") for address in site.containers.replicas[name]]

    async def healthy() -> bool:
        return all(await asyncio.gather(*(site.containers.healthy(*place) for place in places)))

    assert site.jobs == [0, 0, 0]
    await asyncio.gather(eventually(healthy, within=30), asyncio.to_thread(check_servers, postgres, rabbitmq))
    assert not await site.containers.healthy("catalog", "127.0.0.254")


def check_servers(postgres: Postgres, rabbitmq: RabbitMQ) -> None:
    """Run the health checks of the two containers whose images are not ours."""
    services = read(TRY_OUT)["services"]
    _, ready, *arguments = services["postgres"]["healthcheck"]["test"]
    run_postgres_tool(ready, *arguments, "-p", str(postgres.port))
    _, diagnostics, *arguments = services["rabbitmq"]["healthcheck"]["test"]
    command = [rabbitmq._server.with_name(diagnostics), *arguments]
    subprocess.run(command, env=rabbitmq._environment(), check=True, capture_output=True)


async def test_a_service_cannot_enter_anothers_database(site: Site) -> None:
    catalogs = URL(site.containers.environment("catalog")["DATABASE_URL"])

    await (await asyncpg.connect(str(catalogs))).close()
    for other in ("registration", "notification"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(str(catalogs.with_path(other)))


async def test_a_seminar_is_put_up_signed_up_for_and_confirmed_through_the_proxy(site: Site) -> None:
    tokens = read(TRY_OUT)["services"]["catalog"]["environment"]["ORGANISER_TOKENS"]
    headers = {"Authorization": f"Bearer {tokens.rpartition(':')[2]}"}
    async with site.client.put(f"/api/seminars/{SEMINAR}", json=future_example(), headers=headers) as answer:
        assert answer.status == 201, await answer.text()

    async def taken() -> bool:
        return await site.sign_up("ole") == 202

    async def confirmed() -> list[str]:
        return [message.to for message in site.mailbox.received.values()]

    await eventually(taken, within=30)

    assert await eventually(confirmed, within=30) == ["ole@karasjok.example.no"]


async def test_the_proxy_shows_pages_with_their_styles_and_nothing_of_the_inside(site: Site) -> None:
    page = (await site.get("/"))[1]

    assert "/static/vendor/designsystemet.css" in page
    for path in ("/static/vendor/designsystemet.css", "/static/vendor/theme.css", "/health/live"):
        assert (await site.get(path))[0] == 200
    for path in ("/health/ready", "/metrics", "/%6detrics", "/health"):
        assert (await site.get(path))[0] == 404


async def test_replicas_share_the_requests_and_come_and_go_unnoticed(site: Site) -> None:
    route, statuses = "/register/{slug}", []
    gone, stays = site.registration

    async def answered_by(*replicas: Container) -> bool:
        statuses.append((await site.get(f"/register/{SEMINAR}"))[0])
        return all(replica.served(route) for replica in replicas)

    await eventually(lambda: answered_by(gone, stays), within=30)
    gone.process.kill()  # and its address stays known for a while
    before = stays.served(route)
    for _ in range(10):
        await answered_by(stays)
    assert stays.served(route) == before + 10
    site.containers.replicas["registration"].remove(gone.address)
    new = site.containers.start("registration")
    await eventually(lambda: answered_by(new), within=30)

    assert set(statuses) == {200}


async def test_a_path_is_not_logged_when_its_service_is_away(tmp_path: Path) -> None:
    need("caddy")
    address, log = "127.0.77.1", tmp_path / "proxy.log"
    file = (ROOT / "ops/compose/Caddyfile").read_text()
    process = start_caddy(file, address, 9, log, LOOPBACK, **{"lb_try_duration 5s": "lb_try_duration 0s"})

    async def away() -> bool:
        try:
            async with client.get(
                f"http://{address}:8080/my/a-secret", headers={"Authorization": "a-secret"}
            ) as answer:
                return answer.status >= 500
        except aiohttp.ClientConnectionError:
            return False

    async with aiohttp.ClientSession() as client:
        await eventually(away, within=30)
    process.terminate()

    assert await asyncio.to_thread(process.wait, 10) == 0
    assert "http.log.error" in log.read_text()
    assert "a-secret" not in log.read_text()


@pytest.mark.parametrize(
    ("network", "forwarded"), [("127.0.0.0/8", "192.0.2.1, 127.0.0.1"), ("192.0.2.0/24", "127.0.0.1")]
)
async def test_the_proxy_passes_on_who_the_client_is_and_believes_it_only_of_its_own_network(
    tmp_path: Path, network: str, forwarded: str
) -> None:
    need("caddy")
    place = f"127.0.78.{1 + len(forwarded)}"

    async def echo(request: web.Request) -> web.Response:
        return web.Response(text=request.headers["X-Forwarded-For"])

    async def answered() -> str | None:
        try:
            async with client.get(f"http://{place}:8080/", headers={"X-Forwarded-For": "192.0.2.1"}) as answer:
                return await answer.text() if answer.ok else None
        except aiohttp.ClientConnectionError:
            return None

    file = (ROOT / "ops/compose/Caddyfile").read_text().replace("{service} 8080", "{service} 8081")
    async with AsyncExitStack() as stack:
        app = web.Application()
        app.router.add_get("/", echo)
        await stack.enter_async_context(TestServer(app, host=place, port=8081))
        port = await stack.enter_async_context(name_server.serving({"catalog": [place]}))
        client = await stack.enter_async_context(aiohttp.ClientSession())
        process = start_caddy(file, place, port, tmp_path / "proxy.log", network)
        stack.callback(process.wait, 10)
        stack.callback(process.terminate)

        assert await eventually(answered, within=30) == forwarded


async def test_all_end_in_good_order(site: Site) -> None:
    statuses = await site.containers.stop()

    killed = site.containers.all.index(site.registration[0])
    assert [status for number, status in enumerate(statuses) if number != killed] == [0] * (len(statuses) - 1)


async def test_the_image_has_all_that_services_import_and_no_more(
    building: "asyncio.Task[Stage]", tmp_path: Path
) -> None:
    image = await building
    log = tmp_path / "imports.log"

    assert image.start(["python", "-c", IMPORT_ALL], {}, log).wait(60) == 0, log.read_text()
    assert "services.notification.smtp" in log.read_text().splitlines()
    assert sorted(path.name for path in image.at(".").iterdir()) == ["services", "shared"]


async def test_the_image_without_settings_says_in_one_line_which_are_missing(
    building: "asyncio.Task[Stage]", tmp_path: Path
) -> None:
    image = await building
    log = tmp_path / "start.log"
    status = image.start([*image.entrypoint, *image.command], {}, log).wait(60)

    assert (status, len(log.read_text().splitlines())) == (1, 1)
    assert log.read_text().startswith("settings: DATABASE_URL: missing")


async def test_the_image_runs_as_nobody_in_particular(building: "asyncio.Task[Stage]") -> None:
    assert (await building).user.split(":")[0].isdecimal()
    assert (await building).user.split(":")[0] != "0"
