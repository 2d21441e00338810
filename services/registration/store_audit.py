"""The log of what organisers did: who, when, to whom, and which fields; never what stood in them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import structlog

from shared.database import Connection

Action = Literal[
    "add", "bring_in", "cancel", "check_in", "correct", "export", "give_seat", "move_up", "send_link", "switch",
    "undo_check_in",
]  # fmt: skip


class Deed(NamedTuple):
    """What an organiser did."""

    at: datetime
    by: str
    action: Action
    seminar: str
    registration: UUID | None = None
    fields: tuple[str, ...] = ()


async def audit(connection: Connection, deed: Deed) -> None:
    """Write down what was done, in the transaction that does it, under the id of the request."""
    await audit_all(connection, [deed])


async def audit_all(connection: Connection, deeds: Iterable[Deed]) -> None:
    """Write down many deeds of one request, in their order."""
    request = structlog.contextvars.get_contextvars().get("correlation_id", "")
    await connection.executemany(
        "INSERT INTO audit_log (made_at, made_by, action, seminar, registration, fields, request_id)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        [(*deed, request) for deed in deeds],
    )


class Audited(NamedTuple):
    """A deed as it stands in the log."""

    id: int
    deed: Deed
    request_id: str


async def audit_log(
    connection: Connection, seminar: str, before: int | None, limit: int, *, registration: UUID | None = None
) -> list[Audited]:
    """Return what was done to a seminar's registrations, or to one, the last first; behind `before` if given."""
    rows = await connection.fetch(
        "SELECT id, made_at AS at, made_by AS by, action, seminar, registration, fields, request_id FROM audit_log"
        " WHERE seminar = $1 AND id < coalesce($2, 9223372036854775807) AND ($4::uuid IS NULL OR registration = $4)"
        " ORDER BY id DESC LIMIT $3",
        seminar,
        before,
        limit,
        registration,
    )
    return [_audited(**row) for row in rows]


def _audited(*, id: int, request_id: str, fields: list[str], **deed: Any) -> Audited:  # noqa: A002 - the column's name
    return Audited(id, Deed(**deed, fields=tuple(fields)), request_id)
