"""What would go out from now on, as a seminar stands or after a change, by the very rules that decide in earnest."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from pydantic import AwareDatetime, Field, RootModel

from services.notification.change import Change, changed
from services.notification.model import (
    Claimed,
    Kept,
    KeptRule,
    Kind,
    Notice,
    RuleState,
    close,
    consequences,
)
from shared.messages import (
    Attendance,
    Frozen,
    Language,
    RegistrationSnapshot,
    RegistrationStatus,
    SeminarSnapshot,
)

NOBODY = UUID(int=0)  # the nil UUID (RFC 9562, 5.9): no registration has it, so links that bear it lead nowhere
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
NAMES: dict[Language, str] = {"nb": "Ola Nordmann", "nn": "Kari Nordmann", "en": "Mary Smith"}
ADDRESS = "somebody@example.no"


# --- what is asked and answered ---


class RehearsalRequest(Frozen):
    """Of which seminar to say what would go out, and after which change of it, if any."""

    seminar: str
    """Its slug."""
    change: Change | None = None
    """The seminar document as it would be."""


class RehearsedEmail(Frozen):
    """E-mails alike but for the people who get them."""

    kind: Kind
    rule: str | None
    """Of a reminder, which rule."""
    due_at: AwareDatetime
    """When they would leave; now for what is overdue."""
    attendance: Attendance
    language: Language
    recipients: int
    subject: str
    preview_url: str | None
    """A GET that shows the e-mail; none for a change, which is nowhere kept."""


class Rehearsal(Frozen):
    """What would go out, in the order in which it would."""

    items: tuple[RehearsedEmail, ...]
    next: None = None


class ReminderDifference(Frozen):
    """How many reminder rules a change touches."""

    moved: int = 0
    added: int = 0
    removed: int = 0
    closed: int = 0
    """Whose new moment is past already, so that nothing will be sent for it."""


class NoticeDifference(Frozen):
    """What people would be told of the change itself."""

    kind: Annotated[
        Kind | None, Field(description="seminar_moved, seminar_changed, seminar_cancelled, recording or nothing")
    ] = None
    recipients: int = 0


class Difference(Frozen):
    """What a change would cause."""

    reminders: ReminderDifference
    notices: NoticeDifference
    items_before: int
    items_after: int


class RehearsalOfChange(Rehearsal):
    """What would go out after a change, and how that differs from what would without it."""

    difference: Difference


class Rehearsed(RootModel[RehearsalOfChange | Rehearsal]):
    """What would go out; with a change, also how that differs."""


# --- what is to come ---


class Outlook(NamedTuple):
    """A seminar as it stands or would stand, and what is planned for it."""

    kept: Kept
    rules: list[KeptRule]
    notice: Notice | None = None  # of this very revision

    @property
    def seminar(self) -> SeminarSnapshot:
        """The seminar itself."""
        return self.kept.seminar

    @property
    def scheduled(self) -> list[KeptRule]:
        """The rules whose e-mails are not yet written."""
        return [rule for rule in self.rules if rule.state is RuleState.SCHEDULED]


def foresee(outlook: Outlook, change: Change, now: datetime) -> Outlook:
    """Return what is to come if the seminar is changed now; raises CancelledError, AnnouncedError."""
    seminar = changed(outlook.seminar, change)
    follows = consequences(outlook.kept, seminar, outlook.rules, now)
    return Outlook(follows.kept, follows.rules, follows.notice)


class Batch(NamedTuple):
    """E-mails, written or planned, that are alike in all that decides whether they leave."""

    kind: Kind
    rule: str  # empty unless it is a reminder
    generation: int
    due_at: datetime
    attendance: Attendance
    status: RegistrationStatus
    meanwhile: bool  # whether they attend online until there is a seat
    language: Language
    unsubscribed: bool
    suppressed: bool
    recipients: int


class Outgoing(NamedTuple):
    """E-mails that differ only in their people, in the order in which they leave."""

    due_at: datetime
    kind: Kind
    rule: str
    attendance: Attendance
    language: Language


def outgoing(outlook: Outlook, batches: Iterable[Batch], now: datetime) -> Counter[Outgoing]:
    """Return what would leave, with the number of its recipients."""
    found: Counter[Outgoing] = Counter()
    for batch in batches:
        due = max(now, batch.due_at)
        if close(_claimed(outlook, batch), due) is None:
            found[Outgoing(due, batch.kind, batch.rule, batch.attendance, batch.language)] += batch.recipients
    return found


def _claimed(outlook: Outlook, batch: Batch) -> Claimed:
    kept = next(
        (rule for rule in outlook.rules if (rule.rule, rule.attendance) == (batch.rule, batch.attendance)), None
    )
    return Claimed(
        kind=batch.kind,
        generation=batch.generation,
        attempts=1,
        registration=_somebody(
            outlook.seminar, batch.attendance, batch.language, batch.status, meanwhile=batch.meanwhile
        ),
        seminar=outlook.seminar,
        noticed=outlook.kept.notice.generation if outlook.kept.notice else 0,
        unsubscribed=batch.unsubscribed,
        suppressed=batch.suppressed,
        rule_generation=kept and kept.generation,
        rule_due_at=kept and kept.due_at,
        rule_expires_at=kept and kept.expires_at,
    )


def sample(seminar: SeminarSnapshot, kind: Kind, attendance: Attendance, language: Language) -> Claimed:
    """Return an e-mail of that kind to somebody who does not exist."""
    status = {Kind.WAITING_LIST: RegistrationStatus.WAITLISTED, Kind.CANCELLED: RegistrationStatus.CANCELLED}
    person = _somebody(seminar, attendance, language, status.get(kind, RegistrationStatus.CONFIRMED))
    return Claimed(kind, 1, 1, person, seminar, seminar.revision, unsubscribed=False, suppressed=False)


def _somebody(
    seminar: SeminarSnapshot,
    attendance: Attendance,
    language: Language,
    status: RegistrationStatus,
    *,
    meanwhile: bool = False,
) -> RegistrationSnapshot:
    return RegistrationSnapshot(
        id=NOBODY,
        version=1,
        seminar=seminar.slug,
        status=status,
        attendance=attendance,
        name=NAMES[language],
        email=ADDRESS,
        language=language,
        registered_at=LONG_AGO,
        confirmed_at=LONG_AGO,
        online_meanwhile=meanwhile,
        place=1 if status is RegistrationStatus.WAITLISTED else None,
    )


def preview_url(seminar: str, email: Outgoing) -> str:
    """Return the path that shows the e-mail."""
    query = {
        "seminar": seminar,
        "kind": email.kind,
        "attendance": email.attendance,
        "language": email.language,
        **({"rule": email.rule} if email.rule else {}),
    }
    return f"/api/rehearsals/preview?{urlencode(query)}"


# --- what differs ---


class Foreseen(NamedTuple):
    """What is to come, who gets it, and, of a change, what it causes."""

    outlook: Outlook
    emails: Counter[Outgoing]
    difference: Difference | None = None


def compare(before: Foreseen, after: Foreseen) -> Difference:
    """Return what the change from `before` to `after` causes."""
    kind = after.outlook.notice.kind if after.outlook.notice else None
    told = sum(recipients for email, recipients in after.emails.items() if email.kind is kind)
    return Difference(
        reminders=_compare_rules(before.outlook.rules, after.outlook.rules),
        notices=NoticeDifference(kind=kind, recipients=told),
        items_before=len(before.emails),
        items_after=len(after.emails),
    )


def _compare_rules(before: list[KeptRule], after: list[KeptRule]) -> ReminderDifference:
    """Count rules as their author does: one for both ways to attend is one."""
    stood = {(rule.rule, rule.attendance): rule for rule in before}
    fates = {(_fate(stood.get((rule.rule, rule.attendance)), rule), rule.rule) for rule in after}
    return ReminderDifference(**Counter(fate for fate, _ in fates if fate))


def _fate(before: KeptRule | None, after: KeptRule) -> str | None:
    if before and before.generation == after.generation:
        return None
    same_moment = before is not None and before.due_at == after.due_at
    if after.state is RuleState.SCHEDULED:
        return "added" if before is None or same_moment else "moved"
    return "removed" if same_moment else "closed"
