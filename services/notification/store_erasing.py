"""The statements by which people are forgotten."""

from uuid import UUID

from shared.database import Connection
from shared.messages import RegistrationSnapshot


async def erase(connection: Connection, nobody: RegistrationSnapshot) -> None:
    """Put what is kept of somebody who is forgotten in the place of who they were."""
    await connection.execute(
        "INSERT INTO registrations (id, seminar, version, status, attendance, snapshot) VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (id) DO UPDATE SET version = excluded.version, status = excluded.status, confirmed_at = NULL,"
        " snapshot = excluded.snapshot",
        nobody.id,
        nobody.seminar,
        nobody.version,
        nobody.status,
        nobody.attendance,
        nobody.model_dump(mode="json"),
    )


async def close_emails(connection: Connection, registration: UUID) -> None:
    """Close what has not left, and forget what mail servers said, who may have repeated the address."""
    await connection.execute(
        "UPDATE emails SET smtp_reply = NULL,"
        " reason = CASE WHEN state = 'pending' THEN 'the recipient is erased' ELSE reason END,"
        " state = CASE WHEN state = 'pending' THEN 'skipped' ELSE state END WHERE registration = $1",
        registration,
    )
