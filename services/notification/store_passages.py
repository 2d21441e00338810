"""The SQL statements about wording: passages of organisers', and e-mails that they send to themselves."""

from collections.abc import Mapping
from datetime import datetime

from services.notification.model import Kind
from services.notification.passages import Passage
from shared.database import Connection
from shared.messages import RegistrationSnapshot


async def of_seminar(connection: Connection, seminar: str) -> dict[str, Passage]:
    """Return the seminar's passages, by kind of e-mail."""
    rows = await connection.fetch("SELECT kind, version, texts FROM passages WHERE seminar = $1", seminar)
    return {kind: Passage(version, texts) for kind, version, texts in rows}


async def get(connection: Connection, seminar: str, kind: Kind) -> Passage:
    """Return one kind's passage."""
    row = await connection.fetchrow(
        "SELECT version, texts FROM passages WHERE seminar = $1 AND kind = $2", seminar, kind
    )
    return Passage(*row) if row else Passage()


async def save(connection: Connection, seminar: str, kind: Kind, texts: Mapping[str, str], read: int) -> bool:
    """Keep the passage in the place of version `read`; False if another has been saved since."""
    done = await connection.fetchval(
        "INSERT INTO passages (seminar, kind, texts) VALUES ($1, $2, $3) ON CONFLICT (seminar, kind) DO UPDATE"
        " SET version = passages.version + 1, texts = excluded.texts WHERE passages.version = $4 RETURNING true",
        seminar,
        kind,
        dict(texts),
        read,
    )
    return done is not None


async def insert_test(connection: Connection, to: RegistrationSnapshot, shows: Kind, now: datetime) -> None:
    """Owe an organiser an e-mail as `to`, who is nobody that signed up, would get it."""
    await connection.execute(
        "WITH nobody AS (INSERT INTO registrations (id, seminar, version, status, attendance, snapshot)"
        "   VALUES ($1, $2, $3, 'test', $4, $5) RETURNING id, seminar)"
        " INSERT INTO emails (registration, seminar, kind, shows, generation, due_at)"
        " SELECT id, seminar, 'preview', $6, 1, $7 FROM nobody",
        to.id,
        to.seminar,
        to.version,
        to.attendance,
        to.model_dump(mode="json"),
        shows,
        now,
    )


async def forget_tests(connection: Connection, before: datetime) -> None:
    """Delete what organisers sent to themselves earlier, with the addresses that they gave."""
    await connection.execute(
        "WITH gone AS (DELETE FROM emails WHERE kind = 'preview' AND due_at < $1 AND state <> 'sending'"
        "   RETURNING registration)"
        " DELETE FROM registrations g USING gone WHERE g.id = gone.registration AND g.status = 'test'",
        before,
    )
