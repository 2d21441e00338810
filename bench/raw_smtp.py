"""The least that aiosmtplib can do: one ready e-mail sent again and again, by a process of its own.

`python -m bench.raw_smtp PORT MESSAGES CONNECTIONS` prints how many a second, and the microseconds of CPU for each.
"""

import asyncio
import sys
import time

import aiosmtplib
import uvloop

from bench.populated import an_email


async def _send(port: int, content: bytes, messages: "list[None]") -> None:
    smtp = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, timeout=None)
    await smtp.connect()
    while messages:
        messages.pop()
        await smtp.mail("fagseminar@example.no", options=["BODY=8BITMIME"])
        await smtp.rcpt("kari@solund.example.no")
        await smtp.data(content)
    await smtp.quit()


async def main(port: int, messages: int, connections: int) -> None:
    """Send, and print the figures."""
    content, left = an_email(), [None] * messages
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(_send(port, content, left) for _ in range(connections)))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    sys.stdout.write(f"{messages / seconds} {cpu / messages * 1e6}\n")


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*map(int, sys.argv[1:4])))
