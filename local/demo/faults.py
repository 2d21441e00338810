"""Deaths in the middle of the story: each kind of service once, and the broker, all by SIGKILL."""

import asyncio
import signal
from typing import NamedTuple

import asyncpg

from local.over_rabbitmq import Processes
from local.supervisor import Program

PATIENCE = 30.0  # seconds to catch a sender with e-mails in its hands, and for what was killed to be back
POLL = 0.005  # seconds; an e-mail is in somebody's hands for a few hundredths
GONE = 0.2  # seconds after which the last words of a killed process have reached the database
HELD = "SELECT count(*) FROM emails WHERE state = 'sending' AND split_part(claimed_by, ':', 2) = $1"


class Death(NamedTuple):
    """Who was killed, and what it held."""

    process: str
    pid: int
    claimed: int = 0  # e-mails that were its own when it died


class Faults:
    """Kills processes and remembers it."""

    def __init__(self, processes: Processes, notification_database: str) -> None:
        self._processes = processes
        self._database = notification_database
        self.deaths: list[Death] = []

    def kill(self, service: str) -> Death:
        """Kill the first replica of a service, as it is."""
        program = self._replicas(service)[0]
        pid = program.pid
        if pid is None:
            raise RuntimeError(f"{program.name} does not run")
        program.kill()
        return self._remember(Death(program.name, pid))

    async def kill_broker(self) -> Death:
        """Kill the broker, which loses every connection."""
        pid = self._processes.broker.pid
        if pid is None:
            raise RuntimeError("the broker does not run")
        await self._processes.broker.kill()
        return self._remember(Death("rabbitmq", pid))

    async def kill_sender(self) -> Death:
        """Kill a replica of notification while e-mails are claimed by it; raises RuntimeError if none ever holds any.

        It is stopped first, so that what it holds when it is looked at is what it holds when it dies.
        """
        connection = await asyncpg.connect(self._database)
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    for program in self._replicas("notification"):
                        if program.pid and (death := await _kill_if_it_holds(connection, program, program.pid)):
                            self._remember(death)
                            if death.claimed:
                                return death
                    await asyncio.sleep(POLL)
        except TimeoutError:
            raise RuntimeError(f"no replica of notification held an e-mail within {PATIENCE:g} s") from None
        finally:
            await connection.close()

    def broker_is_away(self) -> bool:
        """Return whether there is no broker just now."""
        return not self._processes.broker.is_up

    def _replicas(self, service: str) -> list[Program]:
        programs = self._processes.supervisor.programs.values()
        return [program for program in programs if program.name.startswith(f"{service}-")]

    def _remember(self, death: Death) -> Death:
        self.deaths.append(death)
        return death


async def _kill_if_it_holds(
    connection: "asyncpg.Connection[asyncpg.Record]", program: Program, pid: int
) -> Death | None:
    if not await connection.fetchval(HELD, str(pid)):
        return None
    program.kill(signal.SIGSTOP)
    if not await connection.fetchval(HELD, str(pid)):
        program.kill(signal.SIGCONT)
        return None
    program.kill()
    await asyncio.sleep(GONE)
    return Death(program.name, pid, int(await connection.fetchval(HELD, str(pid))))
