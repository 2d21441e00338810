"""The demo's count is worth what it notices: each thing taken out or put in twice is in it."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from local.demo.count import Email, Found, Registration, Rule, doubled, lost, oversold, tally

DUE = datetime(2023, 5, 31, 8, tzinfo=UTC)
RULE = Rule("before_start P1D", "online", 1, DUE)
ONLINE = Registration(uuid4(), 1, "confirmed", "online", DUE - timedelta(days=1))
LATE = Registration(uuid4(), 1, "confirmed", "online", DUE + timedelta(hours=1))
SEATED = Registration(uuid4(), 2, "confirmed", "in_person", DUE - timedelta(days=1))
GONE = Registration(uuid4(), 2, "cancelled", "online", None)
EVERYBODY = [ONLINE, LATE, SEATED, GONE]


def make_email(registration: Registration, kind: str, **overrides: object) -> Email:
    row = Email(f"<{uuid4()}@example.no>", registration.id, kind, "", 1, "sent", 0)
    return row._replace(**overrides)  # type: ignore[arg-type] # a test's own overrides


EMAILS = [
    make_email(ONLINE, "confirmation"),
    make_email(ONLINE, "reminder", rule=RULE.rule),
    make_email(LATE, "confirmation"),
    make_email(LATE, "reminder", rule=RULE.rule, state="covered"),
    make_email(SEATED, "waiting_list"),
    make_email(SEATED, "promoted", generation=2),
    make_email(GONE, "confirmation"),
    make_email(GONE, "cancelled", generation=2),
]


def make_found(**overrides: object) -> Found:
    copies = Counter(row.message_id for row in EMAILS if row.state == "sent")
    known = {one.id: one.version for one in EVERYBODY}
    answered = frozenset(one.id for one in EVERYBODY)
    found = Found(EVERYBODY, 1, known, EMAILS, [RULE], copies, answered, unrelayed=0, dead=0)
    return found._replace(**overrides)  # type: ignore[arg-type] # as above


def without(number: int) -> list[Email]:
    return [row for place, row in enumerate(EMAILS) if place != number]


def in_state(number: int, state: str) -> list[Email]:
    return [row._replace(state=state) if place == number else row for place, row in enumerate(EMAILS)]


def test_when_all_is_well_nothing_is_lost_doubled_or_oversold() -> None:
    found = make_found()

    assert (lost(found), doubled(found), oversold(found)) == ([], [], 0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"unrelayed": 2}, "2 messages were never relayed"),
        ({"dead": 1}, "1 messages are dead letters"),
        ({"answered": frozenset({UUID(int=7)})}, "was answered and is not there"),
        ({"known": {one.id: 1 for one in EVERYBODY}}, "is not known to notification"),
        ({"emails": in_state(0, "pending")}, "is pending"),
        ({"emails": in_state(0, "failed")}, "is failed"),
        ({"copies": Counter()}, "is sent and not in the mailbox"),
        ({"emails": without(5)}, "was not told that it is confirmed"),
        ({"emails": in_state(7, "skipped")}, "was not told that it is cancelled"),
        ({"emails": without(6)}, "got no answer"),
        ({"emails": without(1)}, "was not reminded: before_start P1D"),
        ({"emails": in_state(1, "covered")}, "was not reminded: before_start P1D"),
        ({"emails": in_state(3, "sent")}, "was not reminded: before_start P1D"),
        ({"rules": [RULE._replace(generation=2)]}, "was not reminded: before_start P1D"),
    ],
)
def test_what_is_missing_is_lost(changes: dict[str, object], said: str) -> None:
    assert any(said in line for line in lost(make_found(**changes)))


def second_copy(found: Found) -> Found:
    return found._replace(copies=found.copies + Counter([EMAILS[0].message_id]))


def second_e_mail(found: Found) -> Found:
    again = make_email(ONLINE, "reminder", rule=RULE.rule)
    return found._replace(emails=[*EMAILS, again], copies=found.copies + Counter([again.message_id]))


def second_answer(found: Found) -> Found:
    again = make_email(ONLINE, "waiting_list", generation=2)
    return found._replace(emails=[*EMAILS, again], copies=found.copies + Counter([again.message_id]))


def stray_message(found: Found) -> Found:
    return found._replace(copies=found.copies + Counter(["<nobody@example.no>"]))


@pytest.mark.parametrize("spoil", [second_copy, second_e_mail, second_answer, stray_message])
def test_what_came_twice_is_doubled(spoil: Callable[[Found], Found]) -> None:
    assert len(doubled(spoil(make_found()))) == 1


def test_a_copy_that_was_counted_as_ambiguous_is_not_doubled() -> None:
    ambiguous = [EMAILS[0]._replace(ambiguous=1), *EMAILS[1:]]

    assert doubled(second_copy(make_found()._replace(emails=ambiguous))) == []


def test_more_seats_than_the_room_has_are_oversold() -> None:
    assert oversold(make_found(capacity=0)) == 1
    assert oversold(make_found(capacity=None)) == 0


def test_the_table_counts_e_mails_in_the_mailbox_by_their_kind() -> None:
    table = {what: number for what, _, number in tally(second_copy(make_found()))}

    assert (table["sign-ups"], table["with a seat"], table["online"], table["withdrawn"]) == (4, 1, 2, 1)
    assert (table["e-mails: confirmation"], table["e-mails: reminder"], table["e-mails in all"]) == (4, 1, 8)
    assert table["covered by an earlier e-mail"] == 1
