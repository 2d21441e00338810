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
    CHANGED = "changed"  # one's details, not how one attends
    CUT_OFF = "cut_off"  # no seat has become free in time
    CANCELLED = "cancelled"
    LINK_AGAIN = "link_again"
    DECLINED = "declined"  # in their calendar, which is no cancelling yet
    REMINDER = "reminder"
    SEMINAR_MOVED = "seminar_moved"
    SEMINAR_CHANGED = "seminar_changed"
    SEMINAR_CANCELLED = "seminar_cancelled"
    RECORDING = "recording"
    PREVIEW = "preview"  # another kind, as an organiser sends it to themselves


TO_PEOPLE = tuple(kind for kind in Kind if kind is not Kind.PREVIEW)


class State(StrEnum):
    """What has become of an e-mail; the last six are final."""

    PENDING = "pending"
    SENDING = "sending"  # claimed under a lease
    SENT = "sent"  # the SMTP server took it over
    BOUNCED = "bounced"  # the SMTP server took it over, and another reported that it could not be delivered
    FAILED = "failed"  # the SMTP server refused it for good, or for so long that it became worthless
    COVERED = "covered"  # an e-mail sent at sign-up said it already
    SUPERSEDED = "superseded"  # a later e-mail says it better
    SKIPPED = "skipped"  # its recipient has left, is not to be written to, or the moment for it is gone


def owed(told: RegistrationSnapshot | None, now: RegistrationSnapshot) -> Kind | None:
    """Return the e-mail that brings somebody from what they were told last to how their registration stands now."""
    if told and told.status is RegistrationStatus.WAITLISTED and now.cause == "cut_off" != told.cause:
        return Kind.CUT_OFF
    if told and told.email != now.email:  # whoever reads there now has been told nothing
        told = None
    if told and (told.status, told.attendance) == (now.status, now.attendance):
        return _owed_to_corrected(told, now)
    match now.status:
        case RegistrationStatus.CANCELLED:
            return Kind.CANCELLED
        case RegistrationStatus.WAITLISTED:
            return Kind.WAITING_LIST
        case RegistrationStatus.CONFIRMED:
            return _owed_to_confirmed(told, now.attendance)


def _owed_to_corrected(told: RegistrationSnapshot, now: RegistrationSnapshot) -> Kind | None:
    """Return what somebody is owed who attends as before: every change but being seen to come is confirmed."""
    is_seen = told.checked_in_at != now.checked_in_at
    return None if is_seen or now.status is RegistrationStatus.CANCELLED else Kind.CHANGED


def _owed_to_confirmed(told: RegistrationSnapshot | None, attendance: Attendance) -> Kind:
    if told is None:
        return Kind.CONFIRMATION
    return Kind.PROMOTED if told.attendance is attendance else Kind.SWITCHED


def attends(registration: RegistrationSnapshot) -> Attendance | None:
    """Return how somebody attends, None if they do not: who waits for a seat may do so online meanwhile."""
    match registration.status:
        case RegistrationStatus.CONFIRMED:
            return registration.attendance
        case RegistrationStatus.WAITLISTED if registration.online_meanwhile:
            return Attendance.ONLINE
    return None


# --- reminders ---

DURATION = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?")
AFTER_THE_END = timedelta(days=7)  # how long a reminder whose moment is after the end stays worth reading


class Rule(NamedTuple):
    """A reminder rule for one way to attend, with its moment and the moment from which it is worthless."""

    rule: str
    attendance: Attendance
    due_at: datetime
    expires_at: datetime


def schedule(seminar: SeminarSnapshot) -> list[Rule]:
    """Return every reminder rule's moments; one expires at the next one's for the same people, else the start.

    One that says that it starts now, or later, is of use until the end.
    """
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
        Rule(rule, attendance, due, min([*after, _worthless_at(due, seminar)]))
        for (due, rule), after in zip(moments, [*([moment] for moment in following), []], strict=False)
    ]


def _worthless_at(due: datetime, seminar: SeminarSnapshot) -> datetime:
    if due < seminar.start:
        return seminar.start
    return seminar.end if due < seminar.end else due + AFTER_THE_END


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

QUIET = timedelta(minutes=2)  # news of a change waits this long for another change, and then says the sum


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
    """What everyone whom it concerns is told of a revision, and when."""

    kind: Kind
    due_at: datetime
    generation: int


class Kept(NamedTuple):
    """A seminar as it is known, and how far people have been told of it."""

    seminar: SeminarSnapshot
    notice: Notice | None = None  # the last one, which waits for further changes until it is due
    told: SeminarSnapshot | None = None  # as people knew it before that notice

    def told_by(self, now: datetime) -> SeminarSnapshot:
        """Return the seminar as people have been told that it is."""
        waits = self.notice is not None and now < self.notice.due_at
        return self.told if waits and self.told else self.seminar


class Consequences(NamedTuple):
    """What a revision brings about: all rules as they are kept from then on, those that are gone too."""

    kept: Kept
    rules: list[KeptRule]
    notice: Notice | None = None  # of this very revision


def consequences(known: Kept | None, seminar: SeminarSnapshot, rules: list[KeptRule], now: datetime) -> Consequences:
    """Return what follows when `seminar` is learnt of at `now`, where `known` and its `rules` have stood until then."""
    before = {(rule.rule, rule.attendance): rule for rule in rules}
    after = {
        (rule.rule, rule.attendance): _renewed(before.get((rule.rule, rule.attendance)), rule, known, now)
        for rule in schedule(seminar)
    }
    gone = [_dropped(rule) for key, rule in before.items() if key not in after]
    kept, notice = _tell(known, seminar, now)
    return Consequences(kept, [*after.values(), *gone], notice)


def _tell(known: Kept | None, seminar: SeminarSnapshot, now: datetime) -> tuple[Kept, Notice | None]:
    """Return how the seminar is kept, and the notice that is owed: of all that people have not been told yet."""
    if known is None:
        notice = Notice(Kind.SEMINAR_CANCELLED, now, seminar.revision) if _off(seminar) else None
        return Kept(seminar, notice), notice
    if news(known.seminar, seminar, now) is None:
        return known._replace(seminar=seminar), None
    told = known.told_by(now)
    kind = news(told, seminar, now)
    if kind is None:  # it has been changed back before anybody was told
        return Kept(seminar), None
    waits = QUIET if kind in (Kind.SEMINAR_MOVED, Kind.SEMINAR_CHANGED) else timedelta()
    notice = Notice(kind, now + waits, seminar.revision)
    return Kept(seminar, notice, told), notice


def news(before: SeminarSnapshot, after: SeminarSnapshot, now: datetime) -> Kind | None:
    """Return what those who know the seminar as it was `before` are to be told, if anything.

    Whatever has happened meanwhile, after the end there is nothing to tell but that there is a recording.
    """
    if _off(after):
        return None if _off(before) else Kind.SEMINAR_CANCELLED
    if now >= after.end:
        return Kind.RECORDING if after.recorded and not before.recorded else None
    if _appointment(before) != _appointment(after):
        return Kind.SEMINAR_MOVED
    return Kind.SEMINAR_CHANGED if _offer(before) != _offer(after) else None


def _off(seminar: SeminarSnapshot) -> bool:
    return seminar.status == "cancelled"


def _appointment(seminar: SeminarSnapshot) -> tuple[object, ...]:
    """Return what people have in their calendars."""
    return seminar.start, seminar.end, seminar.venue


def _offer(seminar: SeminarSnapshot) -> tuple[object, ...]:
    """Return what people have planned by: not every word of the programme, but its times; and by which link they watch.

    A stream that appears changes no link, as one watches at an address that has stood from the beginning.
    """
    times = tuple((block.start, block.end) for block in seminar.programme)
    return seminar.title, times, seminar.stream_access == "registered"


def _renewed(before: KeptRule | None, rule: Rule, known: Kept | None, now: datetime) -> KeptRule:
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


# --- whether to send ---


class Claimed(NamedTuple):
    """What is looked at before an e-mail leaves: the row, its person, its seminar and its rule as they stand."""

    kind: Kind
    generation: int
    attempts: int  # this one included
    registration: RegistrationSnapshot
    seminar: SeminarSnapshot
    noticed: int  # the generation of the seminar's last notice
    unsubscribed: bool
    suppressed: bool
    rule_generation: int | None = None  # of the rule for how this person attends; None if there is none
    rule_due_at: datetime | None = None
    rule_expires_at: datetime | None = None
    counted: bool = False  # whether those who came were checked in, so that who was not has missed it
    earlier: int = 0  # how far the address's calendar entry had come before it signed up anew
    passage: str = ""  # what the organisers say besides, in the person's language
    shows: Kind | None = None  # of a preview

    @property
    def says(self) -> Kind:
        """The kind that its words are of."""
        return self.shows or self.kind


class Verdict(NamedTuple):
    """The state that an e-mail is closed in, and why."""

    state: State
    reason: str


SUPPRESSED = "the address does not take e-mail"
UNSUBSCRIBED = "unsubscribed"
NEWS = frozenset({Kind.REMINDER, Kind.SEMINAR_CHANGED, Kind.RECORDING})  # what unsubscribing covers


def close(email: Claimed, now: datetime) -> Verdict | None:
    """Return why the e-mail must not leave (any more), or None if it should."""
    if not email.registration.email:
        return Verdict(State.SKIPPED, "the recipient is erased")
    if email.kind is Kind.PREVIEW:
        return Verdict(State.FAILED, "not taken in time") if email.attempts > MOST_ATTEMPTS else None
    if email.suppressed:
        return Verdict(State.SKIPPED, SUPPRESSED)
    if email.unsubscribed and email.kind in NEWS:
        return Verdict(State.SKIPPED, UNSUBSCRIBED)
    if email.seminar.status == "cancelled" and email.kind not in (Kind.SEMINAR_CANCELLED, Kind.CANCELLED):
        return Verdict(State.SKIPPED, "the seminar is cancelled")
    return _close_by_kind(email, now)


def _close_by_kind(email: Claimed, now: datetime) -> Verdict | None:
    if email.kind is Kind.REMINDER:
        return _close_reminder(email, now)
    return _close_untrue(email) or _close_late(email, now)


_STANDS = frozenset({RegistrationStatus.CONFIRMED, RegistrationStatus.WAITLISTED})
_COMES = frozenset({RegistrationStatus.CONFIRMED})
SAYS_HOW_ONE_STANDS = {  # and for whom that is true; a later e-mail says what has become of the others
    Kind.CONFIRMATION: _COMES,
    Kind.PROMOTED: _COMES,
    Kind.SWITCHED: _COMES,
    Kind.WAITING_LIST: _STANDS - _COMES,
    Kind.CHANGED: _STANDS,
    Kind.CUT_OFF: _STANDS,
}
CONCERNS = {  # whom it is of use to: who has left and who waits have nothing of a recording
    Kind.LINK_AGAIN: _STANDS,
    Kind.SEMINAR_MOVED: _STANDS,
    Kind.SEMINAR_CHANGED: _STANDS,
    Kind.SEMINAR_CANCELLED: _STANDS,
    Kind.RECORDING: _COMES,
    Kind.DECLINED: _COMES,
}


def _close_untrue(email: Claimed) -> Verdict | None:
    status = email.registration.status
    if status not in SAYS_HOW_ONE_STANDS.get(email.kind, {status}):
        return Verdict(State.SUPERSEDED, f"the registration is {status} by now")
    if status not in CONCERNS.get(email.kind, {status}):
        return Verdict(State.SKIPPED, f"the registration is {status}")
    if email.kind in (Kind.SEMINAR_MOVED, Kind.SEMINAR_CHANGED) and email.generation != email.noticed:
        return Verdict(State.SUPERSEDED, "changed again")
    if email.kind is Kind.RECORDING and not email.seminar.recorded:
        return Verdict(State.SUPERSEDED, "there is no recording any more")
    return None


TIMELESS = frozenset({Kind.CANCELLED, Kind.RECORDING})  # what is true after the end too
MOST_ATTEMPTS = 500  # at what is timeless; with pauses of at most a quarter of an hour these are five days


def _close_late(email: Claimed, now: datetime) -> Verdict | None:
    if email.kind in TIMELESS:
        return Verdict(State.FAILED, "not taken in five days") if email.attempts > MOST_ATTEMPTS else None
    return Verdict(State.FAILED, "worthless after the end") if now >= email.seminar.end else None


def _close_reminder(email: Claimed, now: datetime) -> Verdict | None:
    registration = email.registration
    if attends(registration) is None or registration.confirmed_at is None:
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
