"""What is owed to whom, when it is due, and whether it is still worth sending: values and pure rules."""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from shared.messages import Attendance, RegistrationSnapshot, RegistrationStatus, ReminderRule, SeminarSnapshot


class Kind(StrEnum):
    """The kinds of e-mail."""

    CONFIRMATION = "confirmation"
    WAITING_LIST = "waiting_list"
    PROMOTED = "promoted"
    SWITCHED = "switched"
    CANCELLED = "cancelled"
    LINK_AGAIN = "link_again"
    REMINDER = "reminder"
    SEMINAR_MOVED = "seminar_moved"
    SEMINAR_CANCELLED = "seminar_cancelled"


class State(StrEnum):
    """What has become of an e-mail; the last five are final."""

    PENDING = "pending"
    SENDING = "sending"  # claimed under a lease
    SENT = "sent"  # the SMTP server took it over
    FAILED = "failed"  # the SMTP server refused it for good, or for so long that it became worthless
    COVERED = "covered"  # an e-mail sent at sign-up said it already
    SUPERSEDED = "superseded"  # a later e-mail says it better
    SKIPPED = "skipped"  # its recipient has left, is not to be written to, or the moment for it is gone


def owed(told: RegistrationSnapshot | None, now: RegistrationSnapshot) -> Kind | None:
    """Return the e-mail that brings somebody from what they were told last to how their registration stands now."""
    if told and (told.status, told.attendance) == (now.status, now.attendance):
        return None
    match now.status:
        case RegistrationStatus.CANCELLED:
            return Kind.CANCELLED
        case RegistrationStatus.WAITLISTED:
            return Kind.WAITING_LIST
        case RegistrationStatus.CONFIRMED:
            return _owed_to_confirmed(told, now.attendance)


def _owed_to_confirmed(told: RegistrationSnapshot | None, attendance: Attendance) -> Kind:
    if told is None:
        return Kind.CONFIRMATION
    return Kind.PROMOTED if told.attendance is attendance else Kind.SWITCHED


# --- reminders ---

DURATION = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?")
AFTER_THE_END = timedelta(days=7)  # how long a reminder whose moment is after the start stays worth reading


class Rule(NamedTuple):
    """A reminder rule for one way to attend, with its moment and the moment from which it is worthless."""

    rule: str
    attendance: Attendance
    due_at: datetime
    expires_at: datetime


def schedule(seminar: SeminarSnapshot) -> list[Rule]:
    """Return every reminder rule's moments; one expires at the next one's for the same people, else the start."""
    if seminar.status == "cancelled":
        return []
    return [
        rule
        for attendance in Attendance
        for rule in _schedule(seminar, attendance, [r for r in seminar.reminders if attendance in r.attendance])
    ]


def _schedule(seminar: SeminarSnapshot, attendance: Attendance, rules: list[ReminderRule]) -> list[Rule]:
    moments = sorted({(due_at(rule, seminar), name(rule)) for rule in rules})
    following = [due for due, _ in moments[1:]]
    return [
        Rule(rule, attendance, due, min([*after, seminar.start if due < seminar.start else due + AFTER_THE_END]))
        for (due, rule), after in zip(moments, [*([moment] for moment in following), []], strict=False)
    ]


def name(rule: ReminderRule) -> str:
    """Return the rule as it is called: "before_start P1D"."""
    if rule.at:
        return f"at {rule.at.isoformat()}"
    return f"before_start {rule.before_start}" if rule.before_start else f"after_end {rule.after_end}"


def due_at(rule: ReminderRule, seminar: SeminarSnapshot) -> datetime:
    """Return the instant at which the reminder is due."""
    if rule.at:
        return rule.at
    if rule.before_start:
        return shift(seminar.start, rule.before_start, -1, seminar.zone)
    return shift(seminar.end, rule.after_end or "P0D", 1, seminar.zone)


def shift(moment: datetime, duration: str, sign: int, zone: str) -> datetime:
    """Return `moment` moved by an ISO 8601 duration: weeks and days by the wall clock, hours and minutes exactly."""
    parts = DURATION.fullmatch(duration)
    if parts is None:
        raise ValueError(f"no duration: {duration}")
    weeks, days, hours, minutes = (int(part or 0) for part in parts.groups())
    local = moment.astimezone(ZoneInfo(zone)) + sign * timedelta(weeks=weeks, days=days)
    return local.astimezone(UTC) + sign * timedelta(hours=hours, minutes=minutes)


# --- what follows from a new revision of a seminar ---

QUIET = timedelta(minutes=2)  # a notice of a move waits this long for another move, and then says the sum


class RuleState(StrEnum):
    """What has become of a rule's moment."""

    SCHEDULED = "scheduled"
    MATERIALISED = "materialised"  # its e-mails are written
    CLOSED = "closed"  # there will be none: it was past when it was set, or the rule is gone


class KeptRule(NamedTuple):
    """A rule as it is kept; a new moment is a new generation, and e-mails of older ones never leave."""

    rule: str
    attendance: Attendance
    due_at: datetime
    expires_at: datetime
    generation: int = 1
    state: RuleState = RuleState.SCHEDULED


class Notice(NamedTuple):
    """What everyone who comes or waits is told of a revision, and when."""

    kind: Kind
    due_at: datetime


class Consequences(NamedTuple):
    """What a revision brings about: all rules as they are kept from then on, those that are gone too."""

    moved: bool
    rules: list[KeptRule]
    notice: Notice | None = None


def consequences(
    known: SeminarSnapshot | None, seminar: SeminarSnapshot, rules: list[KeptRule], now: datetime
) -> Consequences:
    """Return what follows when `seminar` is learnt of at `now`, where `known` and its `rules` have stood until then."""
    has_moved = known is not None and moved(known, seminar)
    before = {(rule.rule, rule.attendance): rule for rule in rules}
    after = {
        (rule.rule, rule.attendance): _renewed(before.get((rule.rule, rule.attendance)), rule, known, now)
        for rule in schedule(seminar)
    }
    gone = [_dropped(rule) for key, rule in before.items() if key not in after]
    return Consequences(has_moved, [*after.values(), *gone], _notice(known, seminar, now, has_moved=has_moved))


def _renewed(before: KeptRule | None, rule: Rule, known: SeminarSnapshot | None, now: datetime) -> KeptRule:
    """Return the rule with its moment; one that is past already is born closed, as people have got on without it.

    Not so when the seminar is news to us, for then whoever signed up in time has waited for its reminders.
    """
    is_past = rule.due_at <= now
    if before and before.due_at == rule.due_at and (is_past or before.state is not RuleState.CLOSED):
        return before._replace(expires_at=rule.expires_at)
    state = RuleState.CLOSED if is_past and known else RuleState.SCHEDULED
    return KeptRule(*rule, before.generation + 1 if before else 1, state)


def _dropped(rule: KeptRule) -> KeptRule:
    if rule.state is RuleState.CLOSED:
        return rule
    return rule._replace(generation=rule.generation + 1, state=RuleState.CLOSED)


def _notice(
    known: SeminarSnapshot | None, seminar: SeminarSnapshot, now: datetime, *, has_moved: bool
) -> Notice | None:
    if seminar.status == "cancelled":
        return None if known and known.status == "cancelled" else Notice(Kind.SEMINAR_CANCELLED, now)
    return Notice(Kind.SEMINAR_MOVED, now + QUIET) if has_moved else None


def moved(before: SeminarSnapshot, after: SeminarSnapshot) -> bool:
    """Return whether what people have in their calendars is no longer true."""
    return (before.start, before.end, before.venue) != (after.start, after.end, after.venue)


# --- whether to send ---


class Claimed(NamedTuple):
    """What is looked at before an e-mail leaves: the row, its person, its seminar and its rule as they stand."""

    kind: Kind
    generation: int
    attempts: int  # this one included
    registration: RegistrationSnapshot
    seminar: SeminarSnapshot
    moved_revision: int  # the last revision that moved the seminar
    unsubscribed: bool
    suppressed: bool
    rule_generation: int | None = None  # of the rule for how this person attends; None if there is none
    rule_due_at: datetime | None = None
    rule_expires_at: datetime | None = None


class Verdict(NamedTuple):
    """The state that an e-mail is closed in, and why."""

    state: State
    reason: str


NEWS = frozenset({Kind.REMINDER})  # what unsubscribing covers


def close(email: Claimed, now: datetime) -> Verdict | None:
    """Return why the e-mail must not leave (any more), or None if it should."""
    if email.suppressed:
        return Verdict(State.SKIPPED, "the address does not take e-mail")
    if email.unsubscribed and email.kind in NEWS:
        return Verdict(State.SKIPPED, "unsubscribed")
    if email.seminar.status == "cancelled" and email.kind not in (Kind.SEMINAR_CANCELLED, Kind.CANCELLED):
        return Verdict(State.SKIPPED, "the seminar is cancelled")
    return _close_by_kind(email, now)


def _close_by_kind(email: Claimed, now: datetime) -> Verdict | None:
    status = email.registration.status
    gone = status is RegistrationStatus.CANCELLED
    match email.kind:
        case Kind.REMINDER:
            return _close_reminder(email, now)
        case Kind.CONFIRMATION | Kind.PROMOTED | Kind.SWITCHED if status is not RegistrationStatus.CONFIRMED:
            return Verdict(State.SUPERSEDED, f"the registration is {status} by now")
        case Kind.WAITING_LIST if status is not RegistrationStatus.WAITLISTED:
            return Verdict(State.SUPERSEDED, f"the registration is {status} by now")
        case Kind.SEMINAR_MOVED if email.generation != email.moved_revision:
            return Verdict(State.SUPERSEDED, "moved again")
        case Kind.SEMINAR_MOVED | Kind.SEMINAR_CANCELLED | Kind.LINK_AGAIN if gone:
            return Verdict(State.SKIPPED, "the registration is cancelled")
    return Verdict(State.FAILED, "worthless after the end") if _too_late(email, now) else None


def _too_late(email: Claimed, now: datetime) -> bool:
    return email.kind is not Kind.CANCELLED and now >= email.seminar.end


def _close_reminder(email: Claimed, now: datetime) -> Verdict | None:
    registration = email.registration
    if registration.status is not RegistrationStatus.CONFIRMED or registration.confirmed_at is None:
        return Verdict(State.SKIPPED, f"the registration is {registration.status}")
    if email.rule_due_at is None or email.rule_expires_at is None or email.generation != email.rule_generation:
        return Verdict(State.SUPERSEDED, "the rule has another moment by now")
    if registration.confirmed_at > email.rule_due_at:
        return Verdict(State.COVERED, "said when they signed up")
    return None if now < email.rule_expires_at else _expired(email, email.rule_expires_at)


def _expired(email: Claimed, expired_at: datetime) -> Verdict:
    if email.attempts > 1:
        return Verdict(State.FAILED, "not taken in time")
    if expired_at < email.seminar.start:
        return Verdict(State.SUPERSEDED, "the next reminder is due")
    return Verdict(State.SKIPPED, "its moment is gone")


FIRST_DELAY, LONGEST_DELAY = 5.0, 900.0  # seconds before another attempt after a temporary refusal


def backoff(attempts: int) -> float:
    """Return how many seconds an e-mail rests after its `attempts`-th temporary refusal."""
    return float(min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(attempts - 1, 20)))
