"""Messages about somebody who is to be forgotten: none stays in an outbox or among the dead letters.

What rests in a retry queue comes back within minutes and is then too old to have an effect, or dies and is found here.
"""

import asyncio
import json
import time
from collections.abc import Iterable, Sequence

import structlog

from shared.broker import RefusedError
from shared.database import Connection, Database
from shared.dead_letters import DeadQueue
from shared.logs import describe

POLL = 60.0  # seconds until the dead letters about somebody who was erased are looked for
INTERVAL = 3600.0  # seconds until they are looked for again, as some may have died since
KEPT = 30  # days after which no message can still turn up

log = structlog.get_logger()


async def forget_unsent(connection: Connection, subjects: Iterable[str]) -> None:
    """Delete what waits for the bus about the subjects: what is told of them next is that they are erased."""
    await connection.execute("DELETE FROM outbox WHERE body::jsonb->>'subject' = ANY($1)", list(subjects))


async def note(connection: Connection, subject: str) -> None:
    """Have the dead letters about the subject dropped, from this transaction's commit on."""
    await connection.execute("INSERT INTO erasures (subject) VALUES ($1) ON CONFLICT DO NOTHING", subject)


async def noted(connection: Connection) -> frozenset[str]:
    """Return the subjects whose messages are to be forgotten."""
    rows = await connection.fetch("SELECT subject FROM erasures")
    return frozenset(row["subject"] for row in rows)


async def is_any_new(connection: Connection) -> bool:
    """Return whether there is a subject whose dead letters nobody has looked for yet."""
    return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM erasures WHERE NOT looked_for)"))


async def settle(connection: Connection, subjects: Iterable[str]) -> None:
    """Note that the dead letters about the subjects were looked for."""
    await connection.execute("UPDATE erasures SET looked_for = true WHERE subject = ANY($1)", list(subjects))


async def forget_old(connection: Connection) -> None:
    """Delete what no message can concern any more."""
    await connection.execute(
        "DELETE FROM erasures WHERE noted_at < clock_timestamp() - make_interval(days => $1)", KEPT
    )


async def run(database: Database, queues: Sequence[DeadQueue]) -> None:
    """Drop the dead letters about whoever was erased, soon and now and then, until cancelled."""
    again = 0.0
    while True:
        async with database.connection() as connection:
            await forget_old(connection)
            is_due = await is_any_new(connection) or time.monotonic() >= again
        if is_due:
            await drop_letters(database, queues)
            again = time.monotonic() + INTERVAL
        await asyncio.sleep(POLL)


async def drop_letters(database: Database, queues: Sequence[DeadQueue]) -> None:
    """Drop the dead letters about whoever was erased; where the broker does not answer, another look is owed."""
    async with database.connection() as connection:
        subjects = await noted(connection)
    try:
        for queue in queues if subjects else ():
            await _drop(queue, subjects)
    except (OSError, RefusedError) as error:  # a TimeoutError is an OSError
        log.warning("dead letters not looked through", why=describe(error))
        return
    async with database.connection() as connection:
        await settle(connection, subjects)


async def _drop(queue: DeadQueue, subjects: frozenset[str]) -> None:
    for letter in await queue.letters():
        if _subject(letter.body) in subjects:
            await queue.drop(letter.id)
            log.info("dead letter dropped", queue=queue.name, message=letter.id, why="its subject is erased")


def _subject(body: str) -> str | None:
    """Return whom a message is about; what is no message has been given up for that, and is about nobody."""
    try:
        return str(json.loads(body)["subject"])
    except (ValueError, LookupError, TypeError):
        return None
