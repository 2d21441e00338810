"""What came of it all, counted from the mailbox and the databases: what was lost, what came twice, who got what."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

FINAL = frozenset({"sent", "covered", "superseded", "skipped"})  # what an e-mail may have become without being lost
WHAT_IS_TOLD = {  # the kinds of e-mail one of which says how a registration stands now
    "confirmed": frozenset({"confirmation", "promoted", "switched", "cut_off"}),
    "waitlisted": frozenset({"waiting_list", "cut_off"}),
    "cancelled": frozenset({"cancelled"}),
}
FIRST = frozenset({"confirmation", "waiting_list"})  # the kinds one of which everybody gets, once


class Registration(NamedTuple):
    """A row of registration's database."""

    id: UUID
    version: int
    status: str
    attendance: str
    confirmed_at: datetime | None


class Email(NamedTuple):
    """A row of notification's database, and the Message-ID that it leaves under."""

    message_id: str
    registration: UUID
    kind: str
    rule: str
    generation: int
    state: str
    ambiguous: int


class Rule(NamedTuple):
    """A reminder rule whose moment has come, in its current generation."""

    rule: str
    attendance: str
    generation: int
    due_at: datetime


class Found(NamedTuple):
    """All that is to be found after the story."""

    registrations: Sequence[Registration]
    capacity: int | None  # of the room
    known: dict[UUID, int]  # notification's copies of registrations: their versions
    emails: Sequence[Email]
    rules: Sequence[Rule]
    copies: Counter[str]  # the mailbox: how many messages bear a Message-ID
    answered: frozenset[UUID]  # the ids with which sign-ups were answered
    unrelayed: int  # messages still in an outbox
    dead: int  # messages that a consumer has given up


def lost(found: Found) -> list[str]:
    """Return a line for each thing that should be there and is not."""
    return [
        *_unfinished(found),
        *(
            f"sign-up {one} was answered and is not there"
            for one in found.answered - {r.id for r in found.registrations}
        ),
        *(f"{r.id} is not known to notification" for r in found.registrations if found.known.get(r.id) != r.version),
        *_untold(found),
        *_unreminded(found),
    ]


def _unfinished(found: Found) -> Iterator[str]:
    """Yield what did not get to its end: messages, and e-mails that were not accepted or are not in the mailbox."""
    if found.unrelayed:
        yield f"{found.unrelayed} messages were never relayed"
    if found.dead:
        yield f"{found.dead} messages are dead letters"
    for row in found.emails:
        if row.state not in FINAL:
            yield f"{row.kind} {row.message_id} is {row.state}"
        elif row.state == "sent" and not found.copies[row.message_id]:
            yield f"{row.kind} {row.message_id} is sent and not in the mailbox"


def _untold(found: Found) -> Iterator[str]:
    """Yield who was never told how they stand now, or never had an answer to their sign-up."""
    told = {(e.registration, e.kind) for e in found.emails if e.state == "sent"}
    written = {(e.registration, e.kind) for e in found.emails}
    for one in found.registrations:
        if not any((one.id, kind) in told for kind in WHAT_IS_TOLD[one.status]):
            yield f"registration {one.id} was not told that it is {one.status}"
        if not any((one.id, kind) in written for kind in FIRST):
            yield f"registration {one.id} got no answer"


def _unreminded(found: Found) -> Iterator[str]:
    """Yield who comes and was not reminded: not by this rule, and not by what covers or supersedes it."""
    reminded = {(e.registration, e.rule, e.generation): e.state for e in found.emails if e.kind == "reminder"}
    for rule in found.rules:
        for one in found.registrations:
            if one.status != "confirmed" or one.attendance != rule.attendance or one.confirmed_at is None:
                continue
            wanted = {"covered"} if one.confirmed_at > rule.due_at else {"sent", "superseded"}
            if reminded.get((one.id, rule.rule, rule.generation)) not in wanted:
                yield f"registration {one.id} was not reminded: {rule.rule}"


def doubled(found: Found) -> list[str]:
    """Return a line for each message too many.

    More copies of one Message-ID than were counted as ambiguous, two Message-IDs for one thing to say, or a message
    that nobody remembers having sent.
    """
    rows = {e.message_id: e for e in found.emails}
    arrived = [rows[one] for one in found.copies if one in rows]
    said = Counter((e.registration, e.kind, e.rule, e.generation) for e in arrived)
    answers = Counter(e.registration for e in arrived if e.kind in FIRST)
    return [
        *(f"{copies} of {one}, which nobody sent" for one, copies in found.copies.items() if one not in rows),
        *(
            f"{copies} copies of {one}"
            for one, copies in found.copies.items()
            if one in rows and copies > 1 + rows[one].ambiguous
        ),
        *(f"{count} e-mails say {kind} to {one}" for (one, kind, *_), count in said.items() if count > 1),
        *(f"{count} answers to the sign-up {one}" for one, count in answers.items() if count > 1),
    ]


def oversold(found: Found) -> int:
    """Return how many have a seat that the room does not have."""
    seats = sum(r.status == "confirmed" and r.attendance == "in_person" for r in found.registrations)
    return 0 if found.capacity is None else max(0, seats - found.capacity)


def tally(found: Found) -> list[tuple[str, str, int]]:
    """Return the table: what was counted, where, and how many."""
    standing = Counter((r.status, r.attendance) for r in found.registrations)
    states = Counter(e.state for e in found.emails)
    kind_of = {e.message_id: e.kind for e in found.emails}
    kinds = Counter(kind_of.get(one, "of nobody") for one in found.copies.elements())
    return [
        ("sign-ups", "registration", len(found.registrations)),
        ("with a seat", "registration", standing["confirmed", "in_person"]),
        ("on the waiting list", "registration", standing["waitlisted", "in_person"]),
        ("online", "registration", standing["confirmed", "online"]),
        ("withdrawn", "registration", sum(r.status == "cancelled" for r in found.registrations)),
        *((f"e-mails: {kind}", "mailbox", number) for kind, number in sorted(kinds.items())),
        ("e-mails in all", "mailbox", found.copies.total()),
        ("covered by an earlier e-mail", "notification", states["covered"]),
        ("superseded by a later one", "notification", states["superseded"]),
        ("closed unsent", "notification", states["skipped"]),
        ("ambiguous copies", "notification", sum(e.ambiguous for e in found.emails)),
    ]
