"""An organiser's correction of somebody's address: the confirmation goes to the new one, the old one's link dies.

The form stands on notification's page about a person's e-mails, and that is where it leads back to.
"""

from collections.abc import Iterable
from uuid import UUID

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from services.registration import deeds, store_door
from services.registration.deeds import KnownError, Organiser, WithdrawnError
from services.registration.model import Email
from services.registration.organiser_people import asked_form
from shared.database import Connection
from shared.web.keys import DATABASE
from shared.web.organiser import organiser_page
from shared.web.pages import redirect
from shared.web.problems import Problem, not_found

EMAIL: TypeAdapter[str] = TypeAdapter(Email)


async def correct(request: web.Request) -> web.Response:
    """Take the form; what is wrong with an address is said beside it, with what was typed."""
    by, form = await asked_form(request)
    slug, typed = request.match_info["slug"], form.get("email", "")
    try:
        registration = UUID(request.match_info["id"])
        email = EMAIL.validate_python(typed)
        async with request.app[DATABASE].transaction() as connection:
            await _readdress(connection, slug, registration, email, by)
    except ValidationError:
        return _again(request, typed, "invalid", 422)
    except KnownError:
        return _again(request, typed, "taken", 409)
    except WithdrawnError:
        raise Problem(409, "registration-cancelled", "The registration is cancelled") from None
    except ValueError:
        raise not_found("registration") from None
    return redirect(f"/organiser/emails/{slug}/people/{registration}?done=address")


async def _readdress(connection: Connection, slug: str, registration: UUID, email: str, by: Organiser) -> None:
    person = await store_door.standing(connection, slug, registration)
    if person is None:
        raise not_found("registration")
    await deeds.correct(connection, registration, person.details.model_copy(update={"email": email}), by)


def _again(request: web.Request, typed: str, wrong: str, status: int) -> web.Response:
    context = {"slug": request.match_info["slug"], "person": request.match_info["id"], "typed": typed, "wrong": wrong}
    return organiser_page(request, "organiser/address.html", context, status=status)


ROUTES: Iterable[web.RouteDef] = (web.post("/organiser/registrations/{slug}/people/{id}/email", correct),)
