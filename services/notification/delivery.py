"""Brings e-mails to the SMTP server, on every replica at once.

claimed (a lease and a fence, committed) → looked at → MAIL, RCPT → looked at again and DATA begun (committed) → 250 →
sent, where the fence still holds. Exactly once is impossible, as the reply to the content can be lost; but only a row
whose DATA had begun is sent again with the same Message-ID, and that copy is counted as ambiguous.
"""

import asyncio
import os
import socket

import structlog

from services.notification import store
from services.notification.addresses import envelope_sender
from services.notification.figures import Figures
from services.notification.model import Claimed, State, Verdict, backoff, close
from services.notification.rendering import Renderer, message_id
from services.notification.settings import MARGIN, Settings
from services.notification.smtp import Outcome, Pool, Result
from services.notification.store import Claim
from shared import outbox
from shared.background import Nudge, first_of
from shared.clock import Clock
from shared.database import Connection, Database
from shared.logs import redact
from shared.messages import EmailSnapshot, Message

HOLDER = f"{socket.gethostname()}:{os.getpid()}"  # who claims
POLL = 1.0  # seconds between looks when nobody nudges: another replica may have written a row

log = structlog.get_logger()


class Delivery:
    """The loop that sends."""

    def __init__(
        self, database: Database, settings: Settings, clock: Clock, renderer: Renderer, figures: Figures
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._renderer = renderer
        self._figures = figures
        self._pool = Pool(settings.smtp_url, settings.smtp_connections, settings.smtp_deadline_seconds)
        self.nudge = Nudge()

    async def run(self) -> None:
        """Claim and send until cancelled; what is under way then is brought to its end, so that it is not doubtful."""
        try:
            while True:
                batch = asyncio.ensure_future(self._send_batch())
                try:
                    claimed = await asyncio.shield(batch)
                except asyncio.CancelledError:
                    await batch
                    raise
                if not claimed:
                    await first_of(self.nudge.wait(), asyncio.sleep(POLL))
        finally:
            await self._pool.close()

    async def _send_batch(self) -> int:
        now, most = self._clock.now(), 4 * self._settings.smtp_connections
        async with self._database.connection() as connection:
            claims = await store.claim(connection, now, self._settings.lease_seconds, most, HOLDER)
        self._figures.claimed(claims)
        await asyncio.gather(*(self._send(claim) for claim in claims))
        return len(claims)

    async def _send(self, claim: Claim) -> None:
        with structlog.contextvars.bound_contextvars(correlation_id=claim.correlation_id, mail=str(claim.id)):
            async with self._database.connection() as connection:
                email = await store.look_at(connection, claim.id)
                if verdict := close(email, self._clock.now()):
                    await store.close(connection, claim, verdict)
                    self._figures.closed(claim, verdict.state)
                    log.info("e-mail closed unsent", kind=email.kind, state=verdict.state, why=verdict.reason)
                    return
            content = self._render(claim, email)
            if content is None:
                self._figures.closed(claim, State.FAILED)
                await self._fail(claim, Verdict(State.FAILED, "it could not be written"))
                return
            recipient = email.registration.email
            sender = envelope_sender(self._settings, claim.id)
            outcome = await self._pool.send(sender, recipient, content, lambda: self._may_begin(claim))
            self._figures.settled(claim, outcome.result, self._clock.now())
            await self._settle(claim, email.attempts, outcome)

    def _render(self, claim: Claim, email: Claimed) -> bytes | None:
        """Return the content; None if it cannot be written, which must not keep the others from leaving."""
        try:
            return self._renderer.render(claim.id, email, self._clock.now())
        except Exception:
            log.exception("e-mail not rendered", kind=email.kind)
            return None

    async def _may_begin(self, claim: Claim) -> bool:
        """Look again, as close to the content's leaving as can be, and commit that it leaves."""
        async with self._database.transaction() as connection:
            email = await store.look_at(connection, claim.id)
            if verdict := close(email, self._clock.now()):
                await store.close(connection, claim, verdict)
                return False
            return await store.begin_data(connection, claim, self._settings.smtp_deadline_seconds + MARGIN)

    async def _settle(self, claim: Claim, attempts: int, outcome: Outcome) -> None:
        log.info("e-mail settled", result=outcome.result.name.lower(), reply=outcome.reply)
        async with self._database.transaction() as connection:
            match outcome.result:
                case Result.ACCEPTED:
                    if await store.mark_sent(connection, claim, outcome.reply, self._clock.now()):
                        await self._tell(connection, claim, "email.sent", outcome.reply)
                case Result.REFUSED:
                    verdict = Verdict(State.FAILED, "the server refuses the address or the e-mail")
                    if await store.close(connection, claim, verdict, outcome.reply):
                        await store.suppress(connection, claim.registration)
                        await self._tell(connection, claim, "email.failed", outcome.reply)
                case Result.POSTPONED | Result.AMBIGUOUS:
                    ambiguous = outcome.result is Result.AMBIGUOUS
                    delay = backoff(attempts)
                    await store.postpone(connection, claim, delay, outcome.reply, ambiguous=ambiguous)
                case Result.WITHDRAWN:
                    await store.postpone(connection, claim, 0, None, ambiguous=False)

    async def _fail(self, claim: Claim, verdict: Verdict) -> None:
        async with self._database.transaction() as connection:
            if await store.close(connection, claim, verdict):
                await self._tell(connection, claim, "email.failed", None)

    async def _tell(self, connection: Connection, claim: Claim, kind: str, reply: str | None) -> None:
        email = await store.look_at(connection, claim.id)
        data = EmailSnapshot(
            id=claim.id,
            registration=claim.registration,
            seminar=email.seminar.slug,
            kind=email.kind,
            generation=email.generation,
            message_id=message_id(claim.id, self._settings.public_url),
            smtp_reply=reply and redact(reply),  # servers quote the address; the row keeps their own words
        )
        told = Message(source="/notification", type=kind, subject=str(claim.id), time=self._clock.now(), data=data)
        await outbox.record(connection, told)
