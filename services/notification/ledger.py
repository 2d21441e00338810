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
from services.notification.store_claims import Held, Sent
from shared import outbox
from shared.clock import Clock
from shared.database import Connection, Database
from shared.logs import redact
from shared.messages import EmailSnapshot, Message
from shared.together import Together

Entry = tuple[Held, Outcome | Verdict | None]  # None: DATA is to begin

REFUSED = Verdict(State.FAILED, "the server refuses the address")
REJECTED = Verdict(State.FAILED, "the server refuses the e-mail")


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
        """Write it all in one transaction, so that a connection settles one e-mail no later than it begins the next."""
        beginning = [held for held, outcome in entries if outcome is None]
        sent = [
            Sent(held.claim, outcome.reply, self._told(held, "email.sent", outcome.reply))
            for held, outcome in entries
            if isinstance(outcome, Outcome) and outcome.result is Result.ACCEPTED
        ]
        others = [(held, outcome) for held, outcome in entries if outcome is not None]
        if len(others) > len(sent):
            async with self._database.transaction(hurry=False) as connection:  # nobody waits for email.*
                await self._note_all(connection, others)
                ours = await store.turn(connection, sent, beginning, self._margin, self._clock.now())
        else:
            async with self._database.connection() as connection:
                ours = await store.turn(connection, sent, beginning, self._margin, self._clock.now())
        return [held.claim.id in ours for held, _ in entries]

    async def _note_all(self, connection: Connection, settled: list[tuple[Held, Outcome | Verdict]]) -> None:
        """Note what came of those that were not sent."""
        failed: list[Message] = []
        for held, outcome in settled:
            match outcome:
                case Verdict(state):
                    if await store.close(connection, held.claim, outcome) and state is State.FAILED:
                        failed.append(self._told(held, "email.failed", None))
                case Outcome(_, reply):
                    if await self._note(connection, held, outcome):
                        failed.append(self._told(held, "email.failed", reply))
        await outbox.record_all(connection, failed)

    async def _note(self, connection: Connection, held: Held, outcome: Outcome) -> bool:
        """Note what came of one that was not sent; return whether it has failed for good."""
        claim = held.claim
        match outcome.result:
            case Result.ACCEPTED:
                return False
            case Result.REFUSED:
                failed = await store.close(connection, claim, REFUSED, outcome.reply)
                if failed:
                    await store.suppress(connection, claim.registration)
                return failed
            case Result.REJECTED:
                return await store.close(connection, claim, REJECTED, outcome.reply)
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
