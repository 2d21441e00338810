"""The SQL statements by which organisers act on e-mails, and of the log of what they did."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import structlog

from services.notification.store import RETRIED
from services.notification.store_emails import DOMAIN
from shared.database import Connection


class Deed(NamedTuple):
    """What an organiser did, to which seminar's e-mails, to one person's or all, and to what of them."""

    at: datetime
    by: str
    action: str
    seminar: str
    registration: UUID | None = None
    about: str = ""  # an e-mail's id, a domain or a kind; never an address


async def audit(connection: Connection, deed: Deed) -> None:
    """Write down what was done, in the transaction that does it, under the id of the request."""
    request = structlog.contextvars.get_contextvars().get("correlation_id", "")
    await connection.execute(
        "INSERT INTO audit_log (made_at, made_by, action, seminar, registration, about, request_id)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        *deed,
        request,
    )


class Audited(NamedTuple):
    """A deed as it stands in the log."""

    id: int
    deed: Deed
    request_id: str


async def audit_log(connection: Connection, seminar: str, before: int | None, limit: int) -> list[Audited]:
    """Return what was done, the last first; `before` is the id behind which to go on."""
    rows = await connection.fetch(
        "SELECT id, request_id, made_at, made_by, action, seminar, registration, about FROM audit_log"
        " WHERE seminar = $1 AND id < coalesce($2, 9223372036854775807) ORDER BY id DESC LIMIT $3",
        seminar,
        before,
        limit,
    )
    return [Audited(id_, Deed(*deed), request_id) for id_, request_id, *deed in rows]


async def retry(connection: Connection, email: UUID, seminar: str, registration: UUID) -> bool:
    """Have the person's e-mail tried again now, whatever their address was taken for; False if it is not to be."""
    done = await connection.fetchval(
        f"WITH tried AS (UPDATE emails SET {RETRIED} WHERE id = $1 AND seminar = $2 AND registration = $3"
        "   AND (state IN ('failed', 'bounced') OR state = 'pending' AND retry_at > '-infinity')"
        "   RETURNING registration)"
        " UPDATE registrations g SET suppressed = false FROM tried WHERE g.id = tried.registration RETURNING true",
        email,
        seminar,
        registration,
    )
    return done is not None


async def stop(connection: Connection, email: UUID, seminar: str, registration: UUID, reason: str) -> bool:
    """Close the person's e-mail unsent; False if it does not wait any more."""
    done = await connection.fetchval(
        "UPDATE emails SET state = 'skipped', reason = $4 WHERE id = $1 AND seminar = $2 AND registration = $3"
        " AND state = 'pending' RETURNING true",
        email,
        seminar,
        registration,
        reason,
    )
    return done is not None


async def retry_domain(connection: Connection, seminar: str, domain: str) -> int:
    """Have all that failed or came back at the domain tried again now; return how many that is."""
    return int(
        await connection.fetchval(
            f"WITH there AS (SELECT g.id FROM registrations g WHERE g.seminar = $1 AND {DOMAIN} = $2),"
            f" tried AS (UPDATE emails SET {RETRIED} FROM there WHERE registration = there.id"
            "   AND state IN ('failed', 'bounced') RETURNING registration),"
            " open AS (UPDATE registrations SET suppressed = false WHERE suppressed"
            "   AND id IN (SELECT registration FROM tried) RETURNING 1)"
            " SELECT count(*) FROM tried",
            seminar,
            domain,
        )
    )
