"""One e-mail's dialogue with the SMTP server (RFC 5321) over a connection that is kept, and what is known after it."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import aiosmtplib

PERMANENT = 500  # replies from here on are final (RFC 5321, 4.2.1)
NEGATIVE = 400  # replies from here on are refusals; others in their place are no reply at all
AGREED = (250, 251)
GO_ON = 354  # with the content
CLOSING = 421  # the server wants none now, and hangs up (RFC 5321, 3.8)
PORTS = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}
ABOUT_ADDRESS = re.compile(r"\s*5\.[12]\.")  # enhanced status codes (RFC 3463): addressing, mailbox
ENHANCED = re.compile(r"\s*[245]\.\d{1,3}\.\d{1,3}\b")
FAULTS = (aiosmtplib.SMTPException, OSError, TimeoutError)
IDLE = 5.0  # seconds after which a connection is asked whether it still stands before anything depends on it
FIRST_REST, LONGEST_REST = 1.0, 30.0  # seconds that a connection rests when the server wants none


class Result(Enum):
    """What is known of an e-mail after its dialogue."""

    ACCEPTED = auto()  # the server has taken it over
    WITHDRAWN = auto()  # we thought better of it before DATA
    REFUSED = auto()  # 5xx for good, because of the recipient's address
    REJECTED = auto()  # 5xx for good, because of something else about this e-mail
    POSTPONED = auto()  # 4xx: not sent, try again
    UNREACHED = auto()  # no server, or one that wants none now: not sent, and no fault of this e-mail
    AMBIGUOUS = auto()  # the reply to the content was lost: it may have arrived


class Outcome(NamedTuple):
    """The result, and the server's own words if it said any."""

    result: Result
    reply: str


class Envelope(NamedTuple):
    """Whom the server is told that an e-mail is from and for (RFC 5321, 2.3.1), in ASCII."""

    sender: str
    recipient: str


class Line:
    """A connection to one server, opened when needed and used again and again; one dialogue at a time."""

    def __init__(self, url: str, deadline: float) -> None:
        self._url = urlsplit(url)
        self._deadline = deadline  # seconds for one dialogue, opening included
        self._smtp: aiosmtplib.SMTP | None = None
        self._eight_bit = False
        self._content_left = False  # so that the server may have it, whatever we hear or not
        self._mid_dialogue = False  # the server remembers a sender that came to nothing
        self._used_at = 0.0
        self._unreached = 0  # times in a row

    @property
    def rest(self) -> float:
        """Seconds to leave the server alone, as it was not to be reached last time or wanted none."""
        return min(LONGEST_REST, FIRST_REST * 2.0 ** (self._unreached - 1)) if self._unreached else 0.0

    async def send(
        self, envelope: Envelope, write: Callable[[bool], bytes], may_begin: Callable[[], Awaitable[bool]]
    ) -> Outcome:
        """Bring an e-mail to the server.

        `write` gives the content, told whether it may be 8BITMIME; right before DATA `may_begin` says whether it still
        should leave. What these raise is raised; the connection is not used again then.
        """
        self._content_left = False
        try:
            async with asyncio.timeout(self._deadline):
                outcome = await self._dialogue(envelope, write, may_begin)
        except FAULTS as error:
            outcome = self._judge(error)
        except BaseException:
            self.close()
            raise
        self._unreached = self._unreached + 1 if outcome.result is Result.UNREACHED else 0
        return outcome

    async def knock(self) -> Outcome:
        """Find out whether the server is there and takes our name and password, and hang up."""
        try:
            async with asyncio.timeout(self._deadline):
                await self._usable()
            await self.quit()
        except FAULTS as error:
            return Outcome(Result.UNREACHED, self._judge(error).reply)
        return Outcome(Result.ACCEPTED, "")

    def _judge(self, error: Exception) -> Outcome:
        if not isinstance(error, aiosmtplib.SMTPResponseException) or error.code < NEGATIVE:
            self.close()
            return Outcome(self._unanswered(), f"{type(error).__name__}: {error}")
        reply = f"{error.code} {error.message}"
        connecting = isinstance(error, aiosmtplib.SMTPConnectError | aiosmtplib.SMTPAuthenticationError)
        if error.code == CLOSING or connecting or self._smtp is None:
            self.close()
            return Outcome(Result.UNREACHED, reply)
        if error.code < PERMANENT:
            return Outcome(Result.POSTPONED, reply)
        if isinstance(error, aiosmtplib.SMTPSenderRefused):  # which concerns us, and every other e-mail as much
            self.close()
            return Outcome(Result.UNREACHED, reply)
        return Outcome(_refusal(error), reply)

    async def _dialogue(
        self, envelope: Envelope, write: Callable[[bool], bytes], may_begin: Callable[[], Awaitable[bool]]
    ) -> Outcome:
        smtp = await self._usable()
        content = write(self._eight_bit)
        self._mid_dialogue = True
        body = [b"BODY=8BITMIME"] if self._eight_bit else []
        reply = await smtp.execute_command(b"MAIL", _path(b"FROM:", envelope.sender), *body)
        if reply.code not in AGREED:
            raise aiosmtplib.SMTPSenderRefused(reply.code, reply.message, envelope.sender)
        reply = await smtp.execute_command(b"RCPT", _path(b"TO:", envelope.recipient))
        if reply.code not in AGREED:
            raise aiosmtplib.SMTPRecipientRefused(reply.code, reply.message, envelope.recipient)
        if not await may_begin():
            return Outcome(Result.WITHDRAWN, "")
        reply = await self._data(smtp, content)
        self._mid_dialogue = False
        self._used_at = time.monotonic()
        return Outcome(Result.ACCEPTED, f"{reply.code} {reply.message}")

    async def _data(self, smtp: aiosmtplib.SMTP, content: bytes) -> aiosmtplib.SMTPResponse:
        """Send content whose lines end with CRLF (RFC 5321, 4.5.2); the library's own way takes longer than sending."""
        reply = await smtp.execute_command(b"DATA")
        protocol = smtp.protocol
        if reply.code != GO_ON or protocol is None:
            raise aiosmtplib.SMTPDataError(reply.code, reply.message)
        self._content_left = True
        protocol.write(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        reply = await protocol.read_response()
        if reply.code not in AGREED:
            raise aiosmtplib.SMTPDataError(reply.code, reply.message)
        return reply

    def _unanswered(self) -> Result:
        return Result.AMBIGUOUS if self._content_left else Result.UNREACHED

    async def _usable(self) -> aiosmtplib.SMTP:
        if self._smtp and self._smtp.is_connected and (self._mid_dialogue or time.monotonic() > self._used_at + IDLE):
            try:
                await self._smtp.rset()
                self._mid_dialogue = False
            except (aiosmtplib.SMTPException, OSError):
                self.close()
        if self._smtp is None or not self._smtp.is_connected:
            self._smtp = await self._open()
        return self._smtp

    async def _open(self) -> aiosmtplib.SMTP:
        self.close()
        smtp = aiosmtplib.SMTP(
            hostname=self._url.hostname,
            port=self._url.port or PORTS[self._url.scheme],
            username=unquote(self._url.username) if self._url.username else None,
            password=unquote(self._url.password) if self._url.password else None,
            use_tls=self._url.scheme == "smtps",
            start_tls=True if self._url.scheme == "smtp+starttls" else None,
            timeout=None,  # the dialogue has a deadline as a whole
        )
        try:
            await smtp.connect()
            await smtp.rset()  # which also says EHLO
        except BaseException:
            smtp.close()
            raise
        self._eight_bit, self._mid_dialogue = smtp.supports_extension("8bitmime"), False
        return smtp

    def close(self) -> None:
        """Hang up."""
        if self._smtp:
            self._smtp.close()
            self._smtp = None

    async def quit(self) -> None:
        """Say goodbye and hang up, in bounded time."""
        if self._smtp and self._smtp.is_connected:
            try:
                async with asyncio.timeout(self._deadline):
                    await self._smtp.quit()
            except FAULTS:
                pass
        self.close()


def _path(verb: bytes, address: str) -> bytes:
    """Return an address as commands have it (RFC 5321, 4.1.1.2); raises ValueError for what would end it."""
    if set(address) & set("<> \r\n"):
        raise ValueError("an address must not contain < > or spaces")
    return verb + b"<" + address.encode("ascii") + b">"


def _refusal(error: aiosmtplib.SMTPResponseException) -> Result:
    """Say what a 5xx reply is about, by its enhanced status code, else by whether it answers the recipient's name."""
    if ENHANCED.match(error.message):
        return Result.REFUSED if ABOUT_ADDRESS.match(error.message) else Result.REJECTED
    return Result.REFUSED if isinstance(error, aiosmtplib.SMTPRecipientRefused) else Result.REJECTED
