"""Brings e-mails to the SMTP server, on every replica at once.

claimed (a lease and a fence, committed) → looked at → MAIL, RCPT → still so and DATA begun (committed) → 250 → sent,
where the fence still holds. Exactly once is impossible, as the reply to the content can be lost; but only a row whose
DATA had begun is sent again with the same Message-ID, and that copy is counted as ambiguous.
"""

import asyncio
import os
import socket
import time
from collections.abc import Sequence

import structlog

from services.notification import store_claims as store
from services.notification.addresses import envelope_sender
from services.notification.figures import Figures
from services.notification.ledger import Ledger
from services.notification.model import State, Verdict, close
from services.notification.rates import Rates
from services.notification.rendering import Renderer, ascii_address
from services.notification.settings import MARGIN, Settings
from services.notification.smtp import Envelope, Line, Outcome, Result
from services.notification.store_claims import Held
from shared.background import Nudge, first_of
from shared.clock import Clock
from shared.database import Database

HOLDER = f"{socket.gethostname()}:{os.getpid()}"  # who claims
POLL = 1.0  # seconds between looks when nobody nudges: another replica may have written a row
AHEAD = 16  # claims a connection, so that none waits for the database between two e-mails
PATIENCE = 2.0  # seconds that an e-mail waits here for its turn; for a longer wait it is given back
ALIVE = 10.0  # seconds between the signs of life that the organisers' board looks at
SILENT = 60.0  # seconds without an e-mail after which the server is asked whether it is there, before a moment needs it
UNWRITTEN = Verdict(State.FAILED, "it could not be written")

log = structlog.get_logger()


class UnwritableError(ValueError):
    """The e-mail's content cannot be made."""


class Delivery:
    """The loop that claims, and one for each connection that sends."""

    def __init__(
        self, database: Database, settings: Settings, clock: Clock, renderer: Renderer, figures: Figures
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._renderer = renderer
        self._figures = figures
        self._ledger = Ledger(database, settings, clock)
        self._lines = [
            Line(settings.smtp_url, settings.smtp_deadline_seconds) for _ in range(settings.smtp_connections)
        ]
        self._rates = Rates(settings.smtp_rate, settings.smtp_domain_rate)
        self._held: asyncio.Queue[tuple[Held, float] | None] = (
            asyncio.Queue()
        )  # and until when the lease is long enough
        self._last_reply: str | None = None
        self._door = Line(settings.smtp_url, settings.smtp_deadline_seconds)  # to knock at
        self._heard_at = time.monotonic()
        self._reachable = True
        self.nudge = Nudge()
        self._hungry = Nudge()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Claim and send until cancelled; what is under way then is brought to its end, so that it is not doubtful."""
        loops = [asyncio.create_task(self._claim()), asyncio.create_task(self._say_alive())]
        lines = [asyncio.create_task(self._work(line)) for line in self._lines]
        try:
            ended, _ = await asyncio.wait({*loops, *lines}, return_when=asyncio.FIRST_COMPLETED)
            for loop in ended:
                loop.result()
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            self._stopping.set()
            left = self._take_all()
            for _ in lines:
                self._held.put_nowait(None)
            await asyncio.gather(*lines, self._give_back(left, [0.0] * len(left)), return_exceptions=True)

    # --- claiming ---

    async def _claim(self) -> None:
        most = AHEAD * len(self._lines)
        while True:
            wanted = most - self._held.qsize()
            if wanted < most / 2:
                await self._hungry.wait()
            elif await self._claim_some(wanted) < wanted:
                await first_of(self.nudge.wait(), asyncio.sleep(POLL))

    async def _claim_some(self, most: int) -> int:
        until = time.monotonic() + self._settings.lease_seconds - self._settings.smtp_deadline_seconds - MARGIN
        async with self._database.connection() as connection:
            claims = await store.claim(connection, self._clock.now(), self._settings.lease_seconds, most, HOLDER)
            emails = await store.look_at(connection, [claim.id for claim in claims]) if claims else {}
        self._figures.claimed(claims)
        await self._queue([Held(claim, emails[claim.id]) for claim in claims if claim.id in emails], until)
        return len(claims)

    async def _queue(self, claimed: Sequence[Held], until: float) -> None:
        """Give each to the connections when it is its domain's turn, or back to the database until then."""
        late: list[tuple[Held, float]] = []
        for held in claimed:
            wait = self._rates.book(held.email.registration.email.rpartition("@")[2].lower(), PATIENCE)
            if wait > PATIENCE:
                late.append((held, wait))
            elif wait:
                asyncio.get_running_loop().call_later(wait, self._held.put_nowait, (held, until))
            else:
                self._held.put_nowait((held, until))
        await self._give_back([held for held, _ in late], [wait for _, wait in late])

    async def _give_back(self, held: Sequence[Held], delays: Sequence[float]) -> None:
        if held:
            async with self._database.connection() as connection:
                await store.give_back(connection, [claim for claim, _ in held], delays)

    def _take_all(self) -> list[Held]:
        entries = [self._held.get_nowait() for _ in range(self._held.qsize())]
        return [entry[0] for entry in entries if entry]

    async def _say_alive(self) -> None:
        while True:
            resting = all(line.rest for line in self._lines) or not await self._is_reachable()
            async with self._database.connection() as connection:
                await store.say_alive(connection, HOLDER, "resting" if resting else "ready", self._last_reply)
            await asyncio.sleep(ALIVE)

    async def _is_reachable(self) -> bool:
        """Return whether the server was there lately; when nothing has been sent for a while it is asked."""
        if not self._reachable or time.monotonic() > self._heard_at + SILENT:
            self._heard(await self._door.knock())
        return self._reachable

    def _heard(self, outcome: Outcome) -> None:
        self._heard_at, self._reachable = time.monotonic(), outcome.result is not Result.UNREACHED
        self._last_reply = outcome.reply or None

    # --- sending ---

    async def _work(self, line: Line) -> None:
        """Send what is held, one after the other; what came of one is committed before the next one's DATA begins."""
        before: asyncio.Future[bool] | None = None
        try:
            while entry := await self._next():
                held, until = entry
                if time.monotonic() < until:  # else the lease has become too short, and somebody will claim it anew
                    before = await self._send(line, held, before)
                if line.rest:
                    await first_of(self._stopping.wait(), asyncio.sleep(line.rest))
            if before:
                await before
        finally:
            await line.quit()

    async def _next(self) -> tuple[Held, float] | None:
        entry = await self._held.get()
        if self._held.qsize() < AHEAD * len(self._lines) / 2:
            self._hungry()
        return entry

    async def _send(self, line: Line, held: Held, before: asyncio.Future[bool] | None) -> asyncio.Future[bool]:
        if verdict := close(held.email, self._clock.now()):
            return self._close(held, verdict)

        async def may_begin() -> bool:
            begun = not close(held.email, self._clock.now()) and await self._ledger.begin(held)
            if before:
                await before
            return begun

        try:
            envelope = Envelope(
                envelope_sender(self._settings, held.claim.id), ascii_address(held.email.registration.email)
            )
            outcome = await line.send(envelope, lambda eight_bit: self._write(held, eight_bit=eight_bit), may_begin)
        except UnwritableError:
            return self._close(held, UNWRITTEN)
        if outcome.result is Result.WITHDRAWN:
            return await self._withdraw(held)
        return self._settle(held, outcome)

    def _write(self, held: Held, *, eight_bit: bool) -> bytes:
        """Return the content; raises UnwritableError, which must not keep the others from leaving."""
        try:
            return self._renderer.render(held.claim.id, held.email, self._clock.now(), eight_bit=eight_bit)
        except Exception as error:
            log.exception("e-mail not rendered", kind=held.email.kind, **_of(held))
            raise UnwritableError from error

    async def _withdraw(self, held: Held) -> asyncio.Future[bool]:
        """Close the e-mail, or give it back, by what has changed since it was looked at."""
        async with self._database.connection() as connection:
            emails = await store.look_at(connection, [held.claim.id])
        verdict = close(emails.get(held.claim.id, held.email), self._clock.now())
        return self._close(held, verdict) if verdict else self._settle(held, Outcome(Result.WITHDRAWN, ""))

    def _settle(self, held: Held, outcome: Outcome) -> asyncio.Future[bool]:
        # What a request led to can be followed; of what left by itself the table tells, and lines would cost a tenth.
        say = log.info if held.claim.correlation_id or outcome.result is not Result.ACCEPTED else log.debug
        say("e-mail settled", result=outcome.result.name.lower(), reply=outcome.reply, **_of(held))
        self._heard(outcome)
        self._figures.settled(held.claim, outcome.result, self._clock.now())
        return self._ledger.settle(held, outcome)

    def _close(self, held: Held, verdict: Verdict) -> asyncio.Future[bool]:
        log.info("e-mail closed unsent", kind=held.email.kind, state=verdict.state, why=verdict.reason, **_of(held))
        self._figures.closed(held.claim, verdict.state)
        return self._ledger.settle(held, verdict)


def _of(held: Held) -> dict[str, str]:
    """Return what a line of the log says of whose it is."""
    return {"correlation_id": held.claim.correlation_id, "mail": str(held.claim.id)}
