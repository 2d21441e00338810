"""Notes what becomes of e-mails, for all connections together: one transaction for what has gathered meanwhile.

That an e-mail's DATA begins is committed before its content leaves; what came of the one before it on that connection
is committed at the latest with that. So when this process dies, each connection leaves at most one in doubt.
"""

from asyncio import Future
from collections.abc import Sequence

from services.notification import store_claims as store
from services.notification.model import FIRST_DELAY, State, Verdict, backoff
from services.notification.rendering import message_id
from services.notification.settings import MARGIN, Settings
from services.notification.smtp import Outcome, Result
from services.notification.store_claims import Held
from shared import outbox
from shared.clock import Clock
from shared.database import Connection, Database
from shared.logs import redact
from shared.messages import EmailSnapshot, Message
from shared.together import Together

Entry = tuple[Held, Outcome | Verdict | None]  # None: DATA is to begin

REFUSED = Verdict(State.FAILED, "the server refuses the address or the e-mail")


class Ledger:
    """One for a process, however many connections it has."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._public_url = settings.public_url
        self._margin = settings.smtp_deadline_seconds + MARGIN  # seconds of the lease that must be left
        self._together: Together[Entry, bool] = Together(self._write)

    def begin(self, held: Held) -> Future[bool]:
        """Commit that the content leaves; False if something has changed since the e-mail was looked at."""
        return self._together.submit((held, None))

    def settle(self, held: Held, outcome: Outcome | Verdict) -> Future[bool]:
        """Commit what came of it, or why it is closed unsent, and tell the others of what is final."""
        return self._together.submit((held, outcome))

    async def _write(self, entries: Sequence[Entry]) -> list[bool]:
        """Write what came first first; a connection settles one e-mail before it begins the next."""
        beginning = [held for held, outcome in entries if outcome is None]
        settled = [(held, outcome) for held, outcome in entries if outcome is not None]
        if settled:
            async with self._database.transaction() as connection:
                await self._settle(connection, settled)
                begun = await self._begin(connection, beginning)
        else:
            async with self._database.connection() as connection:
                begun = await self._begin(connection, beginning)
        return [outcome is not None or held.claim.id in begun for held, outcome in entries]

    async def _begin(self, connection: Connection, beginning: list[Held]) -> set[object]:
        return set(await store.begin_data(connection, beginning, self._margin)) if beginning else set()

    async def _settle(self, connection: Connection, settled: list[tuple[Held, Outcome | Verdict]]) -> None:
        sent: list[tuple[Held, str]] = []
        final: list[Message] = []
        for held, outcome in settled:
            match outcome:
                case Outcome(Result.ACCEPTED, reply):
                    sent.append((held, reply))
                case Outcome(_, reply) if await self._note(connection, held, outcome):
                    final.append(self._told(held, "email.failed", reply))
                case Verdict(state) if await store.close(connection, held.claim, outcome) and state is State.FAILED:
                    final.append(self._told(held, "email.failed", None))
        await outbox.record_all(connection, [*await self._mark_sent(connection, sent), *final])

    async def _mark_sent(self, connection: Connection, sent: list[tuple[Held, str]]) -> list[Message]:
        if not sent:
            return []
        ours = await store.mark_sent(connection, [(held.claim, reply) for held, reply in sent], self._clock.now())
        return [self._told(held, "email.sent", reply) for held, reply in sent if held.claim.id in ours]

    async def _note(self, connection: Connection, held: Held, outcome: Outcome) -> bool:
        """Note what came of one that was not sent; return whether it has failed for good."""
        claim = held.claim
        match outcome.result:
            case Result.REFUSED:
                failed = await store.close(connection, claim, REFUSED, outcome.reply)
                if failed:
                    await store.suppress(connection, claim.registration)
                return failed
            case Result.WITHDRAWN:
                await store.give_back(connection, [claim], [0.0])
            case Result.UNREACHED:
                await store.postpone(connection, claim, FIRST_DELAY, outcome.reply, ambiguous=False)
            case result:
                ambiguous = result is Result.AMBIGUOUS
                await store.postpone(
                    connection, claim, backoff(held.email.attempts), outcome.reply, ambiguous=ambiguous
                )
        return False

    def _told(self, held: Held, kind: str, reply: str | None) -> Message:
        claim, email = held
        data = EmailSnapshot(
            id=claim.id,
            registration=claim.registration,
            seminar=email.seminar.slug,
            kind=email.kind,
            generation=email.generation,
            message_id=message_id(claim.id, self._public_url),
            smtp_reply=reply and redact(reply),  # servers quote the address; the row keeps their own words
        )
        return Message(
            source="/notification",
            type=kind,
            subject=str(claim.id),
            time=self._clock.now(),
            correlationid=claim.correlation_id,
            data=data,
        )
