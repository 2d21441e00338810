"""The SQL statements about what mail servers and calendars answer."""

from uuid import UUID

import asyncpg

from shared.database import Connection
from shared.messages import RegistrationSnapshot


async def mark_bounced(connection: Connection, email: UUID, reason: str, diagnostic: str) -> asyncpg.Record | None:
    """Note that the e-mail has not arrived, and return it with its person; None if it has not left, or bounced before.

    One that is about to be sent again, as the reply to its content was lost, has left all the same.
    """
    return await connection.fetchrow(
        "UPDATE emails e SET state = 'bounced', reason = $2, smtp_reply = $3, lease_until = NULL, data_begun_at = NULL"
        " FROM registrations g WHERE g.id = e.registration AND e.id = $1 AND e.attempts > 0"
        " AND e.state IN ('sent', 'sending', 'pending')"
        " RETURNING e.registration, e.seminar, e.kind, e.generation, g.snapshot->>'email' AS address",
        email,
        reason,
        diagnostic,
    )


async def find_confirmed(connection: Connection, seminar: str, address: str) -> RegistrationSnapshot | None:
    """Return the registration of somebody who comes, by the address that they gave."""
    snapshot = await connection.fetchval(
        "SELECT snapshot FROM registrations WHERE seminar = $1 AND status = 'confirmed'"
        " AND lower(snapshot->>'email') = lower($2) ORDER BY id LIMIT 1",
        seminar,
        address,
    )
    return RegistrationSnapshot.model_validate(snapshot) if snapshot else None
