"""What an operator does with dead letters; each command returns what it has to say."""

import json
from collections.abc import Sequence
from datetime import datetime

from shared.dead_letters import DeadQueue


class UnknownDeadLetterError(RuntimeError):
    """No dead letter has that id."""


async def listed(queues: Sequence[DeadQueue]) -> str:
    """Return a table of all dead letters, without what the messages say."""
    letters = [letter for queue in queues for letter in await queue.letters()]
    rows = [(x.queue, x.id, x.type, str(x.attempts), _moment(x.since), x.error) for x in letters]
    return _table([("queue", "id", "type", "attempts", "since", "error"), *rows]) if rows else "no dead letters"


async def shown(queues: Sequence[DeadQueue], chosen: str) -> str:
    """Return the whole message as JSON, personal data and all; raises UnknownDeadLetterError."""
    for queue in queues:
        for letter in await queue.letters():
            if letter.id == chosen:
                return json.dumps(_content(letter.body), ensure_ascii=False, indent=2)
    raise _unknown(chosen)


async def retry(queues: Sequence[DeadQueue], chosen: str | None) -> str:
    """Bring one, or all, to their queues again, and say how many; raises UnknownDeadLetterError."""
    return f"retried {_some(sum([await queue.retry(chosen) for queue in queues]), chosen)}"


async def drop(queues: Sequence[DeadQueue], chosen: str | None) -> str:
    """Remove one, or all, for good, and say how many; raises UnknownDeadLetterError."""
    return f"dropped {_some(sum([await queue.drop(chosen) for queue in queues]), chosen)}"


def _some(count: int, chosen: str | None) -> int:
    if chosen and not count:
        raise _unknown(chosen)
    return count


def _unknown(chosen: str) -> UnknownDeadLetterError:
    return UnknownDeadLetterError(f"no dead letter has the id {chosen}")


def _content(body: str) -> object:
    try:
        return json.loads(body)
    except ValueError:  # why it is a dead letter, perhaps
        return body


def _moment(since: datetime | None) -> str:
    return since.isoformat(timespec="seconds") if since else "unknown"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
