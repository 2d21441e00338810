"""Whether every reminder will go out, and afterwards whether it did: what the organisers' board says in one sentence.

The numbers are the database's; what they mean is decided here.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from operator import attrgetter
from typing import Literal, NamedTuple

from services.notification.model import RuleState
from shared.messages import Attendance

UNSEEN = 30.0  # seconds without a sign of life after which a sender is taken for gone: three that it has missed
FEW = 3  # refusals that may be the addresses' own fault

Stand = Literal["waiting", "sent", "failed", "bounced", "covered", "unsubscribed", "suppressed", "others"]
MISSED: tuple[Stand, ...] = ("failed", "bounced", "suppressed")


class Reminded(NamedTuple):
    """A rule for one way to attend, and how its people stand."""

    rule: str
    attendance: Attendance
    due_at: datetime
    state: RuleState
    people: Counter[Stand]


class Moment(NamedTuple):
    """All rules that are due at one moment, and their people together."""

    due_at: datetime
    rules: tuple[Reminded, ...]

    @property
    def people(self) -> Counter[Stand]:
        """How they stand."""
        return sum((rule.people for rule in self.rules), Counter())

    @property
    def closed(self) -> bool:
        """Whether nothing is sent for it, as it was past when it was set or its rule is gone."""
        return all(rule.state is RuleState.CLOSED for rule in self.rules)


class Health(NamedTuple):
    """How sending goes just now."""

    alive: int  # senders seen lately
    resting: int  # of those, whom the mail server wants nothing from
    unseen: float | None  # seconds since the last sign of life of any; None: there has never been one
    stands: bool  # whether something should have left a minute ago and nobody has it in hand
    unwritten: bool  # whether a reminder's moment was over a minute ago and its e-mails are not written
    accepted: int  # e-mails of the last day that the mail server took
    refused: int  # and that it refused, or put off and that have not left yet
    reply: str | None  # its last refusal, else whatever it said last


class Case(StrEnum):
    """What can be said."""

    NO_SENDER = "no_sender"
    REFUSED = "refused"
    STANDS = "stands"
    CANCELLED = "cancelled"
    NO_REMINDERS = "no_reminders"
    FOR_NOBODY = "for_nobody"
    WAS_FOR_NOBODY = "was_for_nobody"
    ALL_WILL = "all_will"
    SOME_WILL = "some_will"
    CLOSED = "closed"
    UNDER_WAY = "under_way"
    ALL_SENT = "all_sent"
    SOME_SENT = "some_sent"


class Colour(StrEnum):
    """How bad it is, by Designsystemet's names."""

    GOOD = "success"
    NEUTRAL = "info"
    WARNING = "warning"
    BAD = "danger"


COLOURS = {
    Case.NO_SENDER: Colour.BAD,
    Case.REFUSED: Colour.BAD,
    Case.STANDS: Colour.BAD,
    Case.SOME_WILL: Colour.WARNING,
    Case.SOME_SENT: Colour.WARNING,
    Case.ALL_WILL: Colour.GOOD,
    Case.ALL_SENT: Colour.GOOD,
}


class Verdict(NamedTuple):
    """What is said, and what fills the sentence."""

    case: Case
    due_at: datetime | None = None
    number: int = 0
    others: int = 0  # who will not get it, did not, or have not yet
    unseen: float | None = None
    reply: str | None = None

    @property
    def colour(self) -> Colour:
        """How bad it is."""
        return COLOURS.get(self.case, Colour.NEUTRAL)


def moments(rules: Iterable[Reminded]) -> list[Moment]:
    """Return the rules by their moments, the first one first."""
    ordered = sorted(rules, key=lambda rule: (rule.due_at, rule.rule, rule.attendance))
    return [Moment(due_at, tuple(those)) for due_at, those in groupby(ordered, attrgetter("due_at"))]


def trouble(health: Health) -> Verdict | None:
    """Return what keeps e-mails from leaving, None if nothing does: said before a moment comes, not after it."""
    if not health.alive:
        return Verdict(Case.NO_SENDER, unseen=health.unseen)
    if health.resting == health.alive or (health.refused >= FEW and health.refused > health.accepted):
        return Verdict(Case.REFUSED, number=health.refused, reply=health.reply)
    if health.stands or health.unwritten:
        return Verdict(Case.STANDS, reply=health.reply)
    return None


def outcome(moment: Moment, now: datetime) -> Verdict:
    """Return what will come of the moment, or has."""
    people = moment.people
    missed = sum(people[stand] for stand in MISSED)
    if moment.closed:
        return Verdict(Case.CLOSED, moment.due_at)
    if moment.due_at > now:
        return _foreseen(moment.due_at, people["waiting"], missed)
    if people["waiting"]:
        return Verdict(Case.UNDER_WAY, moment.due_at, people["sent"], people["waiting"])
    if missed:
        return Verdict(Case.SOME_SENT, moment.due_at, people["sent"], missed)
    return Verdict(Case.ALL_SENT if people["sent"] else Case.WAS_FOR_NOBODY, moment.due_at, people["sent"])


def _foreseen(due_at: datetime, will: int, missed: int) -> Verdict:
    if missed:
        return Verdict(Case.SOME_WILL, due_at, will, missed)
    return Verdict(Case.ALL_WILL if will else Case.FOR_NOBODY, due_at, will)


def judge(health: Health, found: Sequence[Moment], now: datetime, *, cancelled: bool, over: bool) -> Verdict:
    """Return the board's sentence: what is wrong if anything is to be sent yet, else of the moment that matters most.

    That is one whose e-mails are leaving just now, else the next to come, else the last that was.
    """
    known = [(moment, outcome(moment, now)) for moment in found if not moment.closed]
    leaving = [verdict for _, verdict in known if verdict.case is Case.UNDER_WAY]
    ahead = [verdict for moment, verdict in known if moment.due_at > now]
    if (ahead or leaving or not over) and (wrong := trouble(health)):
        return wrong
    if cancelled:
        return Verdict(Case.CANCELLED)
    past = [verdict for moment, verdict in known if moment.due_at <= now]
    return next(iter([*leaving, *ahead, *reversed(past)]), Verdict(Case.NO_REMINDERS))
