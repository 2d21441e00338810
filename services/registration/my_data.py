"""What people do with what is kept of them, by the mailed link: take a copy along, have it erased."""

from collections.abc import Iterable

from aiohttp import web

from services.registration import erasing
from services.registration.answers import Registered
from services.registration.pages import about_seminar, follow_link
from shared.web.keys import CLOCK, DATABASE
from shared.web.limiting import limit_client
from shared.web.pages import redirect, render


async def take_along(request: web.Request) -> web.Response:
    """Answer with all that is kept of one here, as a file (GDPR, article 20)."""
    async with request.app[DATABASE].connection() as connection:
        registration, _ = await follow_link(request, connection)
    name = f'attachment; filename="{registration.seminar}.json"'
    body = Registered.of(registration).model_dump_json(indent=2)
    return web.Response(text=body, content_type="application/json", headers={"Content-Disposition": name})


async def erase_page(request: web.Request) -> web.Response:
    """Say what erasing means, and ask."""
    async with request.app[DATABASE].connection() as connection:
        registration, seminar = await follow_link(request, connection)
    context = {
        "seminar": seminar,
        "mine": f"/my/{request.match_info['token']}",
        "withdraws": registration.status != "cancelled" and request.app[CLOCK].now() < seminar.end,
    }
    return render(request, "erase.html", context)


async def erase(request: web.Request) -> web.Response:
    """Forget whoever has the link, which leads nowhere from then on (GDPR, article 17)."""
    limit_client(request)
    async with request.app[DATABASE].transaction() as connection:
        registration, seminar = await follow_link(request, connection)
        await erasing.erase(connection, registration.id, request.app[CLOCK].now())
    return redirect(f"/register/{seminar.slug}/erased")


async def erased(request: web.Request) -> web.Response:
    """Say that it is done; nobody is known any more by then."""
    return render(request, "erased.html", await about_seminar(request))


ROUTES: Iterable[web.RouteDef] = (
    web.get("/my/{token}/data", take_along),
    web.get("/my/{token}/erase", erase_page),
    web.post("/my/{token}/erase", erase),
    web.get("/register/{slug}/erased", erased),
)
