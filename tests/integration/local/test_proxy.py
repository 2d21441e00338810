import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import NamedTuple

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, unused_port
from yarl import URL

from local import proxy
from shared.metrics import Metrics
from shared.web.clients import read_networks
from shared.web.keys import METRICS
from shared.web.middleware import MIDDLEWARES

Client = TestClient[web.Request, web.Application]


async def echo(request: web.Request) -> web.StreamResponse:
    """Say what arrived; stream it, as something larger would be."""
    response = web.StreamResponse(status=207, headers={"X-Served-By": request.app[NAME], "Connection": "close"})
    response.cookies["seen"] = "yes"
    await response.prepare(request)
    said = [request.method, request.raw_path, request.host, request.headers.get("X-Forwarded-For", "")]
    await response.write("\n".join([*said, (await request.read()).decode()]).encode())
    return response


NAME = web.AppKey("NAME", str)


@pytest.fixture
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """The proxy, which trusts who the test says, with catalog and registration behind it and notification away."""
    upstreams = {"notification": URL(f"http://127.0.0.1:{unused_port()}")}
    async with AsyncExitStack() as stack:
        for name in ("catalog", "registration"):
            upstream = web.Application()
            upstream[NAME] = name
            upstream.router.add_route("*", "/{path:.*}", echo)
            server = await stack.enter_async_context(TestServer(upstream))
            upstreams[name] = server.make_url("/")
        front = web.Application(middlewares=MIDDLEWARES)
        front[METRICS] = Metrics()
        proxy.add_proxy(front, upstreams, read_networks(getattr(request, "param", "")))
        yield await stack.enter_async_context(TestClient(TestServer(front)))


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/", "catalog"),
        ("/seminars/planstrategi-4-0/watch", "catalog"),
        ("/seminars.ics", "catalog"),
        ("/api/seminars/x/cancel", "catalog"),
        ("/static/fagseminar.css", "catalog"),
        ("/organiser/seminars", "catalog"),
        ("/register/planstrategi-4-0", "registration"),
        ("/my/token/cancel", "registration"),
        ("/api/registrations", "registration"),
        ("/api/registrations/mine", "registration"),
        ("/organiser/registrations/x", "registration"),
        ("/organiser/check-in/ticket", "registration"),
        ("/api/emails", "notification"),
        ("/api/reminders", "notification"),
        ("/api/rehearsals", "notification"),
        ("/unsubscribe/token", "notification"),
        ("/organiser/emails/x", "notification"),
    ],
)
def test_each_path_belongs_to_one_service(path: str, service: str) -> None:
    assert proxy.service_of(path) == service


async def test_a_request_passes_with_its_method_path_query_body_host_and_cookies(client: Client) -> None:
    path = URL("/api/registrations?a=%C3%A6%2F&b=1", encoded=True)
    answer = await client.post(path, data="kropp æ", headers={"Host": "seminar.example.no"})
    said = (await answer.text()).split("\n")

    assert (answer.status, answer.headers["X-Served-By"], answer.cookies["seen"].value) == (207, "registration", "yes")
    assert said == ["POST", "/api/registrations?a=%C3%A6%2F&b=1", "seminar.example.no", "127.0.0.1", "kropp æ"]


@pytest.mark.parametrize("written", ["192.0.2.1", "127.0.0.1, 192.0.2.1", "unknown", ""])
async def test_what_a_client_says_of_its_address_goes_no_further(client: Client, written: str) -> None:
    answer = await client.get("/", headers={"X-Forwarded-For": written})

    assert (await answer.text()).split("\n")[3] == "127.0.0.1"


@pytest.mark.parametrize("client", ["127.0.0.1"], indirect=True)
async def test_a_proxy_before_it_is_believed_where_it_is_trusted(client: Client) -> None:
    answer = await client.get("/", headers={"X-Forwarded-For": "198.51.100.9, 192.0.2.1"})

    assert (await answer.text()).split("\n")[3] == "192.0.2.1"


@pytest.mark.parametrize("target", ["//example.org/path", "http://example.org/path", "@example.org/"])
async def test_nothing_that_is_asked_for_leads_to_another_host(client: Client, target: str) -> None:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    status = (await reader.readline()).split()[1]
    answer = await reader.read()
    writer.close()

    assert status == b"400" or b"X-Served-By: catalog" in answer


async def test_a_service_that_is_away_is_said_so_and_the_others_serve_on(client: Client) -> None:
    away, there = await client.get("/api/emails"), await client.get("/")

    assert (away.status, (await away.json())["type"], there.status) == (502, "/problems/service-away", 207)


async def test_health_is_every_services_together(client: Client) -> None:
    answer = await client.get("/health/ready")

    assert answer.status == 503
    assert (await answer.json()) == {
        "status": "unready",
        "services": {"catalog": True, "registration": True, "notification": False},
    }


# --- answers that go on ---


class Source(NamedTuple):
    """A service behind the proxy that sends what a test puts in, until it is told to break off."""

    front: Client
    sent: asyncio.Queue[bytes | None]


@pytest.fixture
async def source() -> AsyncIterator[Source]:
    sent: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def events(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        while chunk := await sent.get():
            await response.write(chunk)
        assert request.transport
        request.transport.abort()
        return response

    upstream, front = web.Application(), web.Application(middlewares=MIDDLEWARES)
    upstream.add_routes([web.get("/{path:.*}", events)])
    front[METRICS] = Metrics()
    async with TestServer(upstream) as server:
        proxy.add_proxy(front, dict.fromkeys(("catalog", "registration", "notification"), server.make_url("/")))
        async with TestClient(TestServer(front)) as client:
            yield Source(client, sent)
        sent.put_nowait(None)


async def test_what_a_service_sends_bit_by_bit_passes_bit_by_bit(source: Source) -> None:
    async with asyncio.timeout(10), source.front.get("/") as answer:
        for part in (b"data: 1\n\n", b"data: 2\n\n"):
            source.sent.put_nowait(part)

            assert await answer.content.readuntil(b"\n\n") == part


async def test_an_answer_that_goes_on_does_not_keep_the_proxy_from_ending(source: Source) -> None:
    async with source.front.get("/") as answer:
        source.sent.put_nowait(b"data: 1\n\n")
        await answer.content.readuntil(b"\n\n")

        async with asyncio.timeout(5):
            await source.front.server.close()
            with pytest.raises(aiohttp.ClientError):
                await answer.content.read()


async def test_an_answer_that_its_service_broke_off_is_not_taken_for_the_whole(source: Source) -> None:
    async with asyncio.timeout(10), source.front.get("/") as answer:
        source.sent.put_nowait(b"data: 1\n\n")
        await answer.content.readuntil(b"\n\n")
        source.sent.put_nowait(None)

        with pytest.raises(aiohttp.ClientError):
            await answer.content.read()
