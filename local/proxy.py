"""One origin for the three services: a streaming reverse proxy by path, and their health and metrics together."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping

import aiohttp
import structlog
from aiohttp import hdrs, web
from multidict import CIMultiDict
from prometheus_client import CONTENT_TYPE_LATEST
from yarl import URL

from local.metrics import together
from shared.web.clients import Networks, client_address
from shared.web.problems import Problem

# Each path belongs to one service; the longest prefix decides.
PREFIXES: Mapping[str, str] = {
    "/": "catalog",
    "/api/registrations": "registration",
    "/api/organisations": "registration",
    "/register/": "registration",
    "/my/": "registration",
    "/organiser/registrations": "registration",
    "/organiser/check-in/": "registration",
    "/api/registration/": "registration",
    "/api/emails": "notification",
    "/api/reminders": "notification",
    "/api/rehearsals": "notification",
    "/unsubscribe/": "notification",
    "/organiser/emails": "notification",
    "/api/notification/": "notification",
}
BY_LENGTH = sorted(PREFIXES.items(), key=lambda entry: -len(entry[0]))

EVENTS = "text/event-stream"
HOP_BY_HOP = frozenset(  # RFC 9110, 7.6.1
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
PATIENCE = aiohttp.ClientTimeout(total=None, connect=5, sock_read=60)  # seconds; a stream says something now and then

TRUSTED = web.AppKey("TRUSTED", tuple)  # networks of the proxies before this one
UPSTREAMS = web.AppKey("UPSTREAMS", dict[str, URL])
CLIENT = web.AppKey("CLIENT", aiohttp.ClientSession)
UNDER_WAY = web.AppKey("UNDER_WAY", set[aiohttp.ClientResponse])  # services' answers that go on and on


def service_of(path: str) -> str:
    """Return the service that answers at `path`."""
    return next(service for prefix, service in BY_LENGTH if path.startswith(prefix))


def add_proxy(app: web.Application, upstreams: dict[str, URL], trusted: Networks = ()) -> None:
    """Have `app` pass on whatever it has no route of its own for; `trusted` are the proxies before it, if any are."""
    app[UPSTREAMS], app[TRUSTED], app[UNDER_WAY] = upstreams, trusted, set()
    app.cleanup_ctx.append(_client)
    app.on_shutdown.append(_end_streams)
    app.add_routes(ROUTES)


async def _client(app: web.Application) -> AsyncIterator[None]:
    # No connection is used twice: one that its service dropped, by ending, would cost the next request.
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    async with aiohttp.ClientSession(
        auto_decompress=False, timeout=PATIENCE, cookie_jar=aiohttp.DummyCookieJar(), connector=connector
    ) as session:
        app[CLIENT] = session
        yield


async def _end_streams(app: web.Application) -> None:
    """End what would not end by itself: the server waits for it."""
    for answer in app[UNDER_WAY]:
        answer.close()


async def pass_on(request: web.Request) -> web.StreamResponse:
    """Stream the request to its service and the answer back; 502 when the service is away."""
    upstream = request.app[UPSTREAMS][service_of(request.path)]
    try:
        async with request.app[CLIENT].request(
            request.method,
            URL(f"{upstream.origin()}{request.rel_url.raw_path_qs}", encoded=True),
            headers=_forwarded(request),
            data=request.content if request.can_read_body else None,
            allow_redirects=False,
            skip_auto_headers={hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING},
        ) as answer:
            return await _stream(request, answer)
    except (aiohttp.ClientConnectionError, TimeoutError) as error:
        raise Problem(502, "service-away", "The service does not answer just now") from error


def _forwarded(request: web.Request) -> CIMultiDict[str]:
    headers = _end_to_end(request.headers)
    # The client alone: what it may have written there itself ends here.
    named = request.headers.getall("X-Forwarded-For", ())
    headers["X-Forwarded-For"] = client_address(request.remote, named, request.app[TRUSTED])
    headers["X-Request-ID"] = structlog.contextvars.get_contextvars()["correlation_id"]
    return headers


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in HOP_BY_HOP)


async def _stream(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=_end_to_end(answer.headers))
    await response.prepare(request)
    if answer.content_type == EVENTS:
        request.app[UNDER_WAY].add(answer)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    except aiohttp.ClientError:  # one end is gone: the other must not take what it got for the whole
        if request.transport:
            request.transport.abort()
    finally:
        request.app[UNDER_WAY].discard(answer)
    return response


async def health(request: web.Request) -> web.Response:
    """Answer with every service's health: 200 when all are well."""
    upstreams: dict[str, URL] = request.app[UPSTREAMS]
    answers = await asyncio.gather(*(_is_well(request.app, url / request.path[1:]) for url in upstreams.values()))
    well = request.path.rpartition("/")[2]  # live, or ready
    body = {"status": well if all(answers) else "unready", "services": dict(zip(upstreams, answers, strict=True))}
    return web.json_response(body, status=200 if all(answers) else 503)


async def metrics(request: web.Request) -> web.Response:
    """Answer with what every service tells of itself; of replicas that share a socket with what one of them does."""
    upstreams: dict[str, URL] = request.app[UPSTREAMS]
    texts = await asyncio.gather(*(_text(request.app, url / "metrics") for url in upstreams.values()))
    body = together(dict(zip(upstreams, texts, strict=True)))
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _text(app: web.Application, url: URL) -> str | None:
    try:
        async with app[CLIENT].get(url) as answer:
            return await answer.text() if answer.ok else None
    except (aiohttp.ClientConnectionError, TimeoutError):
        return None


async def _is_well(app: web.Application, url: URL) -> bool:
    try:
        async with app[CLIENT].get(url) as answer:
            return answer.ok
    except (aiohttp.ClientConnectionError, TimeoutError):
        return False


ROUTES: Iterable[web.RouteDef] = (
    web.get("/health/live", health),
    web.get("/health/ready", health),
    web.get("/metrics", metrics),
    web.route("*", "/{path:.*}", pass_on),
)
