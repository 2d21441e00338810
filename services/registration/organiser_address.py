"""An organiser's correction of somebody's address: the confirmation goes to the new one, the old one's link dies.

The form stands on notification's page about a person's e-mails, and that is where it leads back to.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from services.registration import store
from services.registration.api import LARGEST
from services.registration.model import Email, Registration
from services.registration.store_audit import Deed, audit
from services.registration.telling import tell
from shared.database import Connection
from shared.messages import RegistrationStatus
from shared.web.bodies import read_form
from shared.web.keys import CLOCK, DATABASE
from shared.web.organiser import organiser_of, organiser_page
from shared.web.pages import redirect
from shared.web.problems import Problem, not_found
from shared.web.session import confirm_form

EMAIL: TypeAdapter[str] = TypeAdapter(Email)


class TakenError(ValueError):
    """Somebody else stands with that address."""


class WithdrawnError(ValueError):
    """The registration is cancelled, and nobody is written to for it."""


async def correct_address(
    connection: Connection, seminar: str, registration: UUID, email: str, by: str, now: datetime
) -> Registration:
    """Give a standing registration another address and tell of it; no link that was mailed before works any more.

    Raises LookupError, WithdrawnError, TakenError.
    """
    await store.lock_seminar(connection, seminar)  # as sign-ups do, so that nobody takes the address meanwhile
    standing = await store.get(connection, registration)
    if standing is None or standing.seminar != seminar:
        raise LookupError(str(registration))
    if standing.status is RegistrationStatus.CANCELLED:
        raise WithdrawnError
    if standing.details.email == email:
        return standing
    corrected = await store.readdress(connection, registration, email)
    if corrected is None:
        raise TakenError
    await audit(connection, Deed(now, by, "correct", seminar, registration, ("email",)))
    await tell(connection, corrected, "registration.changed", now, cause="organiser")
    return corrected


async def correct(request: web.Request) -> web.Response:
    """Take the form; what is wrong with an address is said beside it, with what was typed."""
    by, form = organiser_of(request), await read_form(request, most=LARGEST)
    confirm_form(request, form)
    slug, typed = request.match_info["slug"], form.get("email", "")
    try:
        registration = UUID(request.match_info["id"])
        email = EMAIL.validate_python(typed)
        async with request.app[DATABASE].transaction() as connection:
            await correct_address(connection, slug, registration, email, by, request.app[CLOCK].now())
    except ValidationError:
        return _again(request, typed, "invalid", 422)
    except TakenError:
        return _again(request, typed, "taken", 409)
    except WithdrawnError:
        raise Problem(409, "registration-cancelled", "The registration is cancelled") from None
    except (LookupError, ValueError):
        raise not_found("registration") from None
    return redirect(f"/organiser/emails/{slug}/people/{registration}?done=address")


def _again(request: web.Request, typed: str, wrong: str, status: int) -> web.Response:
    context = {"slug": request.match_info["slug"], "person": request.match_info["id"], "typed": typed, "wrong": wrong}
    return organiser_page(request, "organiser/address.html", context, status=status)


ROUTES: Iterable[web.RouteDef] = (web.post("/organiser/registrations/{slug}/people/{id}/email", correct),)
