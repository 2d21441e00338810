"""The demo as one sees it: a progress bar, a timeline, and the table at the end."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import aiohttp
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from local.demo.count import Found, doubled, lost, oversold, tally
from local.demo.evidence import Evidence
from local.demo.faults import Death, Faults
from local.demo.story import ANSWERS, SCENES, Story
from local.demo.visitors import Visitors
from local.up import Running, remove, running

# Seconds of a lease and of an SMTP dialogue: what a dead sender held is another's soon, or it would all take minutes.
HASTE = {"LEASE_SECONDS": "12", "SMTP_DEADLINE_SECONDS": "6"}
REPORT = "demo.json"  # in DATA: what was counted; also marks what another demo may begin anew
MOST_LINES = 20  # of what was lost or doubled


class OccupiedError(RuntimeError):
    """DATA holds something that is no demo's."""


class Outcome(NamedTuple):
    """What the demo came to."""

    found: Found
    deaths: Sequence[Death]
    answered_without_broker: int
    tries_again: int
    lost: list[str]
    doubled: list[str]
    oversold: int

    @property
    def is_well(self) -> bool:
        """Whether nothing was lost, nothing doubled, and no seat sold that there is not."""
        return not (self.lost or self.doubled or self.oversold)


async def demo(data: Path, port: int, broker: str) -> bool:
    """Play the story on fresh state under `data`, and show it; return whether it came out well.

    Raises what `running` raises.
    """
    console = Console(highlight=False)
    async with running(data, port, broker=broker, extra=HASTE) as up, aiohttp.ClientSession() as session:
        outcome = await _play(up, Visitors(session, up.url, up.organiser_token), console)
    (data / REPORT).write_text(json.dumps(_report(outcome), indent=2))
    _show(console, outcome)
    console.print(f"\nLook at it all: make run DATA={data}" + (f" BROKER={broker}" if broker != "local" else ""))
    console.print(f"lost {len(outcome.lost)}\ndoubled {len(outcome.doubled)}")
    return outcome.is_well


def begin_anew(data: Path) -> None:
    """Remove an earlier demo; raises OccupiedError for what is no demo's, RuntimeError while one is being played."""
    if (data / "clock.json").exists() and not (data / REPORT).exists():
        raise OccupiedError(f"{data} holds what is no demo's; choose another folder: make demo DATA={data}-demo")
    remove(data)
    data.mkdir(parents=True)
    (data / REPORT).touch()


async def _play(up: Running, visitors: Visitors, console: Console) -> Outcome:
    faults = Faults(up.processes, up.environments["notification"]["DATABASE_URL"]) if up.processes else None
    evidence = Evidence(up.environments, up.clock)
    story = Story(visitors, evidence, faults)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
    with bar:
        going_on = bar.add_task("sign-ups and scenes", total=ANSWERS + len(SCENES))
        story.tell = lambda: bar.advance(going_on)
        for scene in SCENES:
            line = await story.play(scene)
            console.print(f"  {scene.at:%d %b %H:%M}  {line}", soft_wrap=True)
            bar.advance(going_on)
    found = await evidence.gather(visitors)
    return Outcome(
        found,
        faults.deaths if faults else (),
        story.answered_without_broker,
        visitors.tries_again,
        lost(found),
        doubled(found),
        oversold(found),
    )


def _show(console: Console, outcome: Outcome) -> None:
    table = Table("counted", "where", "how many", title="Counted afterwards")
    table.columns[2].justify = "right"
    for what, where, number in tally(outcome.found):
        table.add_row(what, where, str(number))
    if outcome.deaths:
        table.add_section()
        table.add_row("processes killed", "supervisor", str(len(outcome.deaths)))
        table.add_row("e-mails in their hands", "notification", str(sum(death.claimed for death in outcome.deaths)))
        table.add_row("sign-ups answered without a broker", "HTTP", str(outcome.answered_without_broker))
        table.add_row("requests sent again", "HTTP", str(outcome.tries_again))
    console.print(table)
    for line in (*outcome.lost, *outcome.doubled)[:MOST_LINES]:
        console.print(f"  {line}", soft_wrap=True)
    if outcome.oversold:
        console.print(f"  {outcome.oversold} have a seat that there is not")


def _report(outcome: Outcome) -> dict[str, object]:
    return {
        "counted": {what: number for what, _, number in tally(outcome.found)},
        "deaths": [death._asdict() for death in outcome.deaths],
        "answered_without_broker": outcome.answered_without_broker,
        "tries_again": outcome.tries_again,
        "lost": outcome.lost,
        "doubled": outcome.doubled,
        "oversold": outcome.oversold,
    }
