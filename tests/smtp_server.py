"""An SMTP server that misbehaves as it is told: each misbehaviour is taken once, in order, and then all is well."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

Misbehaviour = Literal[
    "421 to connect",
    "530 to MAIL",
    "421 to RCPT",
    "451 to RCPT",
    "550 to RCPT",
    "550 5.7.1 to RCPT",
    "451 to DATA",
    "drops before the content",
    "554 after the dot",
    "550 5.1.1 after the dot",
    "drops after the dot",
    "stalls",
]


class ScriptedSmtp:
    """Speaks enough of RFC 5321 to be a server, on a free port of loopback."""

    def __init__(self, *script: Misbehaviour) -> None:
        self.script = list(script)
        self.received: list[bytes] = []  # what came before the final dot, also of those that it then dropped
        self.before_data = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.port = 0
        self.connections = 0
        self.extensions: list[str] = []
        self.options: list[bytes] = []  # of each MAIL

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["ScriptedSmtp"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.may_go_on.set()

    def _takes(self, *misbehaviours: Misbehaviour) -> Misbehaviour | None:
        return self.script.pop(0) if self.script and self.script[0] in misbehaviours else None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.connections += 1
            if self._takes("421 to connect"):
                writer.write(b"421 not now\r\n")
                return await writer.drain()
            writer.write(b"220 scripted\r\n")
            while line := await reader.readline():
                verb = line.split()[0].upper() if line.split() else b""
                if not await self._answer(verb, line, reader, writer):
                    break
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _answer(
        self, verb: bytes, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if verb == b"RCPT":
            self.before_data.set()
            await self.may_go_on.wait()
            bad = self._takes("421 to RCPT", "451 to RCPT", "550 to RCPT", "550 5.7.1 to RCPT")
            address = line.partition(b":")[2].strip()  # which servers like to repeat
            writer.write(b"%s %s: no\r\n" % (bad.partition(" to")[0].encode(), address) if bad else b"250 ok\r\n")
            await writer.drain()
            return bad != "421 to RCPT"
        if verb == b"DATA":
            return await self._take_data(reader, writer)
        if verb == b"EHLO":
            writer.write("".join(f"250-{name}\r\n" for name in ("scripted", *self.extensions)).encode())
        if verb == b"MAIL":
            self.options.append(line.partition(b">")[2].strip())
            if self._takes("530 to MAIL"):
                writer.write(b"530 who are you?\r\n")
                return True
        writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
        await writer.drain()
        return verb != b"QUIT"

    async def _take_data(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if self._takes("451 to DATA"):
            writer.write(b"451 later\r\n")
            return True
        if self._takes("drops before the content"):
            return False
        writer.write(b"354 go on\r\n")
        self.received.append(await reader.readuntil(b"\r\n.\r\n"))
        bad = self._takes("554 after the dot", "550 5.1.1 after the dot", "drops after the dot", "stalls")
        if bad == "stalls":
            await asyncio.sleep(3600)
        if bad != "drops after the dot":
            writer.write(b"%s no\r\n" % bad.partition(" after")[0].encode() if bad else b"250 taken\r\n")
        await writer.drain()
        return bad != "drops after the dot"
