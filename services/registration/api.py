"""Registration's JSON API."""

import hashlib
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from services.registration import commands, erasing, exports, signing_up, store, store_waiting_list
from services.registration.answers import InPerson, Mine, Online, Outcome, Registered, Registrations, Summary
from services.registration.exports import asked_seminar
from services.registration.figures import count_sign_up
from services.registration.group_commit import GROUP_COMMIT, OverloadedError
from services.registration.idempotency import Key, KeyInProgressError, KeyReusedError
from services.registration.links import DeadLinkError, follow
from services.registration.model import Correction, Details, Refusal, RefusedError, Registration, SignUp
from services.registration.questions import UnfitError
from services.registration.signing_up import Submission, UnknownSeminarError
from services.registration.suggestions import Suggestions, Wanted, suggest
from shared.database import Connection
from shared.messages import Attendance, SeminarSnapshot
from shared.web.bodies import fit, json_answer, read_json, read_object
from shared.web.keys import CLOCK, DATABASE, REQUEST_ID, SETTINGS
from shared.web.limiting import limit_address, limit_client
from shared.web.openapi import routes
from shared.web.operations import Answer, Operation
from shared.web.organiser import organiser_of
from shared.web.preconditions import etag, if_match
from shared.web.problems import Problem, not_found
from shared.web.queries import BIGINT, ListingOfSeminar, OfSeminar, Query, asked, cursor, number_behind

PAGE = 100  # registrations in one answer
LONGEST_KEY = 255  # characters of an Idempotency-Key
LARGEST = 32 * 1024  # bytes of what somebody tells of themselves, which is a few hundred

RETRY_AFTER = {"Retry-After": "2"}  # seconds, in which what waits is done
REPLAYED = {"Idempotent-Replayed": "true"}
REFUSALS = {
    Refusal.NOT_OFFERED: "The seminar cannot be attended that way",
    Refusal.NOT_OPEN: "Sign-up has not opened yet",
    Refusal.DEADLINE_PASSED: "The deadline for attending in person has passed",
    Refusal.FULL: "All seats are taken, and the waiting list is closed",
    Refusal.OVER: "The seminar is over",
    Refusal.CANCELLED: "The seminar is cancelled",
}


class Deletion(Query):
    """What is to become of one's registration."""

    erase: bool = False
    """Forget who it was for good, rather than keep that they have cancelled."""


async def sign_up(request: web.Request) -> web.Response:
    """Take a sign-up: 202 with a reference and the outcome, the same for known addresses and new ones."""
    limit_client(request)
    given = await read_json(request, SignUp, most=LARGEST)
    limit_address(request, given.email)
    outcome = await run(admitted(request, given, await _idempotency_key(request)))
    answer = Outcome(id=outcome.id, outcome=outcome.status)
    return json_answer(answer, status=202, headers=REPLAYED if outcome.replayed else None)


async def admitted(request: web.Request, given: SignUp, key: Key | None = None) -> signing_up.Outcome:
    """Sign somebody up, and count what comes of it; raises what `GroupCommit.sign_up` does."""
    try:
        outcome = await request.app[GROUP_COMMIT].sign_up(Submission(given, key, request[REQUEST_ID]))
    except RefusedError as error:
        count_sign_up(request, given.attendance, error.refusal)
        raise
    if not outcome.replayed:
        count_sign_up(request, given.attendance, outcome.status)
    return outcome


async def _idempotency_key(request: web.Request) -> Key | None:
    name = request.headers.get("Idempotency-Key")
    if name is None:
        return None
    if not (0 < len(name) <= LONGEST_KEY and name.isprintable()):
        detail = f"1 to {LONGEST_KEY} printable characters"
        raise Problem(422, "invalid", "A header does not fit", errors=[{"field": "Idempotency-Key", "detail": detail}])
    return Key(name, hashlib.sha256(await request.read()).digest())


async def run(command: Any) -> Any:
    """Await a command and say over HTTP what the domain saw."""
    try:
        return await command
    except UnknownSeminarError:
        raise not_found("seminar") from None
    except KeyInProgressError:
        raise Problem(409, "request-in-progress", "A request with this Idempotency-Key is being worked on") from None
    except KeyReusedError:
        raise Problem(422, "idempotency-key-reused", "This Idempotency-Key came with another body before") from None
    except OverloadedError:
        raise Problem(503, "unavailable", "Very many sign up just now", headers=RETRY_AFTER) from None
    except RefusedError as error:
        raise Problem(409, error.refusal, REFUSALS[error.refusal]) from None
    except UnfitError as error:
        errors = [{"field": fault.field, "detail": fault.detail} for fault in error.faults]
        raise Problem(422, "invalid", "The body does not fit", errors=errors) from None
    except commands.VersionConflictError:
        raise Problem(412, "precondition-failed", "The registration has changed since") from None


async def get_mine(request: web.Request) -> web.Response:
    """Answer with one's registration and its version as ETag."""
    async with request.app[DATABASE].connection() as connection:
        registration, _ = await bearer(request, connection)
        place = await store_waiting_list.place_in_queue(connection, registration.id)
    return _mine(registration, place)


async def patch_mine(request: web.Request) -> web.Response:
    """Correct one's registration: any of the sign-up's fields but seminar and address."""
    limit_client(request)
    fields = await read_object(request, most=LARGEST)
    for fixed in ("seminar", "email"):
        if fixed in fields:
            error = {"field": fixed, "detail": "cannot be changed; cancel, and sign up anew"}
            raise Problem(422, "invalid", "The body does not fit", errors=[error])
    async with request.app[DATABASE].transaction() as connection:
        standing, _ = await bearer(request, connection)
        details = fit(Details, standing.details.model_dump(mode="json") | fields)
        read, now = if_match(request), request.app[CLOCK].now()
        changed: Registration = await run(commands.change(connection, standing.id, details, now, read=read))
        place = await store_waiting_list.place_in_queue(connection, changed.id)
    return _mine(changed, place)


async def delete_mine(request: web.Request) -> web.Response:
    """Cancel one's registration, or have it forgotten (GDPR, article 17)."""
    limit_client(request)
    wanted = asked(request, Deletion)
    async with request.app[DATABASE].transaction() as connection:
        standing, _ = await bearer(request, connection)
        if wanted.erase:
            await erasing.erase(connection, standing.id, request.app[CLOCK].now())
            return web.Response(status=204)
        cancelled: Registration = await run(commands.cancel(connection, standing.id, request.app[CLOCK].now()))
    return _mine(cancelled, None)


async def bearer(request: web.Request, connection: Connection) -> tuple[Registration, SeminarSnapshot]:
    """Return whose token the request bears; raises a 401 Problem."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    bare = token.strip() if scheme.lower() == "bearer" else ""
    try:
        return await follow(connection, request.app[SETTINGS].keys, bare, request.app[CLOCK].now())
    except DeadLinkError:
        challenge = {"WWW-Authenticate": 'Bearer realm="registration"'}
        raise Problem(401, "unauthorised", "This needs the token of a mailed link", headers=challenge) from None


def _mine(registration: Registration, place: int | None) -> web.Response:
    return json_answer(Mine.of(registration, place=place), headers=etag(registration.version))


# --- for organisers ---


async def list_registrations(request: web.Request) -> web.Response:
    """Answer with the seminar's registrations as they came."""
    organiser_of(request)
    async with request.app[DATABASE].connection() as connection:
        seminar = await asked_seminar(request, connection)
        rows = await store.listing(connection, seminar.slug, number_behind(request, most=BIGINT) or 0, PAGE + 1)
    items = tuple(Registered.of(store.to_registration(row)) for row in rows[:PAGE])
    following = cursor(rows[PAGE - 1]["place"]) if len(rows) > PAGE else None
    return json_answer(Registrations(items=items, next=following))


async def summarise(request: web.Request) -> web.Response:
    """Answer with how many come, wait and have withdrawn."""
    organiser_of(request)
    async with request.app[DATABASE].connection() as connection:
        seminar = await asked_seminar(request, connection)
        in_person = await store_waiting_list.standing(connection, seminar.slug, Attendance.IN_PERSON)
        online = await store_waiting_list.standing(connection, seminar.slug, Attendance.ONLINE)
        cancelled = await store.count_cancelled(connection, seminar.slug)
    mode = seminar.attendance.get(Attendance.IN_PERSON)
    room = InPerson(**in_person._asdict(), capacity=mode.capacity if mode else 0)
    return json_answer(Summary(in_person=room, online=Online(confirmed=online.confirmed), cancelled=cancelled))


ABOUT = "Who comes to a seminar: signing up, one's own registration, and what organisers see of them all."
EXAMPLE = {
    "seminar": "planstrategi-4-0",
    "name": "Kari Nordmann",
    "email": "kari@example.org",
    "attendance": "in_person",
    "organisation": "Solund kommune",
}
LATE = (Refusal.OVER, Refusal.CANCELLED, Refusal.NOT_OFFERED, Refusal.NOT_OPEN, Refusal.DEADLINE_PASSED)
LIMITED = {429: ("rate-limited",)}

OPERATIONS = (
    Operation(
        web.post("/api/registrations", sign_up),
        answers={202: Answer(Outcome, headers=("Idempotent-Replayed",))},
        headers=("Idempotency-Key",),
        body=SignUp,
        example=EXAMPLE,
        problems=LIMITED | {404: ("not-found",), 409: (*LATE, "request-in-progress"), 422: ("idempotency-key-reused",)},
    ),
    Operation(
        web.get("/api/registrations", list_registrations),
        answers={200: Answer(Registrations)},
        callers=("organiser",),
        query=ListingOfSeminar,
        problems={404: ("not-found",)},
    ),
    Operation(
        web.get("/api/registrations/summary", summarise),
        answers={200: Answer(Summary)},
        callers=("organiser",),
        query=OfSeminar,
        problems={404: ("not-found",)},
    ),
    *exports.OPERATIONS,
    Operation(
        web.get("/api/organisations", suggest),
        answers={200: Answer(Suggestions)},
        query=Wanted,
    ),
    Operation(
        web.get("/api/registrations/mine", get_mine),
        answers={200: Answer(Mine, headers=("ETag",))},
        callers=("link",),
    ),
    Operation(
        web.patch("/api/registrations/mine", patch_mine),
        answers={200: Answer(Mine, headers=("ETag",))},
        callers=("link",),
        headers=("If-Match",),
        body=Correction,
        example={"organisation": "Solund kommune"},
        problems=LIMITED | {409: LATE},
    ),
    Operation(
        web.delete("/api/registrations/mine", delete_mine),
        answers={200: Answer(Mine, headers=("ETag",)), 204: Answer(None)},
        callers=("link",),
        query=Deletion,
        problems=LIMITED | {409: (Refusal.OVER,)},
    ),
)
ROUTES: Iterable[web.RouteDef] = routes("registration", ABOUT, OPERATIONS)
