"""One e-mail's dialogue with the SMTP server (RFC 5321), and what is known after it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import Enum, auto
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import aiosmtplib
import idna
import structlog

log = structlog.get_logger()

PERMANENT = 500  # replies from here on are final (RFC 5321, 4.2.1)
PORTS = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}


class Result(Enum):
    """What is known of an e-mail after its dialogue."""

    ACCEPTED = auto()  # the server has taken it over
    WITHDRAWN = auto()  # we thought better of it before DATA
    REFUSED = auto()  # 5xx: for good
    POSTPONED = auto()  # 4xx, or no server: not sent, try again
    AMBIGUOUS = auto()  # the reply to the content was lost: it may have arrived


class Outcome(NamedTuple):
    """The result, and the server's own words if it said any."""

    result: Result
    reply: str


class Pool:
    """A few connections to one server, opened when needed and used again and again."""

    def __init__(self, url: str, connections: int, deadline: float) -> None:
        self._url = urlsplit(url)
        self._deadline = deadline  # seconds for one dialogue
        self._slots = asyncio.Semaphore(connections)
        self._idle: list[aiosmtplib.SMTP] = []

    async def send(
        self, sender: str, recipient: str, content: bytes, may_begin: Callable[[], Awaitable[bool]]
    ) -> Outcome:
        """Bring `content` to the server; right before DATA `may_begin` says whether it still should leave."""
        begun = False

        async def begin() -> bool:
            nonlocal begun
            begun = await may_begin()
            return begun

        try:
            async with self._slots, asyncio.timeout(self._deadline), self._connection() as smtp:
                return await _dialogue(smtp, sender, recipient, content, begin)
        except aiosmtplib.SMTPResponseException as error:
            reply = f"{error.code} {error.message}"
            return Outcome(Result.REFUSED if error.code >= PERMANENT else Result.POSTPONED, reply)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            why = f"{type(error).__name__}: {error}"
            return Outcome(Result.AMBIGUOUS if begun else Result.POSTPONED, why)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """Lend a connection; one whose dialogue did not end well is not used again."""
        smtp = await self._usable()
        try:
            yield smtp
        except BaseException:
            smtp.close()
            raise
        self._idle.append(smtp)

    async def _usable(self) -> aiosmtplib.SMTP:
        while self._idle:
            smtp = self._idle.pop()
            try:
                await smtp.rset()
            except (aiosmtplib.SMTPException, OSError):
                smtp.close()
            else:
                return smtp
        return await self._open()

    async def _open(self) -> aiosmtplib.SMTP:
        smtp = aiosmtplib.SMTP(
            hostname=self._url.hostname,
            port=self._url.port or PORTS[self._url.scheme],
            username=unquote(self._url.username) if self._url.username else None,
            password=unquote(self._url.password) if self._url.password else None,
            use_tls=self._url.scheme == "smtps",
            start_tls=True if self._url.scheme == "smtp+starttls" else None,
            timeout=self._deadline,
        )
        await smtp.connect()
        return smtp

    async def close(self) -> None:
        """Say goodbye on every idle connection."""
        while self._idle:
            smtp = self._idle.pop()
            try:
                await smtp.quit()
            except (aiosmtplib.SMTPException, OSError):
                smtp.close()


async def _dialogue(
    smtp: aiosmtplib.SMTP, sender: str, recipient: str, content: bytes, may_begin: Callable[[], Awaitable[bool]]
) -> Outcome:
    await smtp.mail(sender)
    await smtp.rcpt(_ascii(recipient))
    if not await may_begin():
        return Outcome(Result.WITHDRAWN, "")
    log.info("SMTP data begun")
    reply = await smtp.data(content)
    log.info("SMTP data accepted", code=reply.code)
    return Outcome(Result.ACCEPTED, f"{reply.code} {reply.message}")


def _ascii(address: str) -> str:
    """Return the address with its domain in the form that DNS knows (RFC 5891)."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{idna.encode(domain, uts46=True).decode()}"
