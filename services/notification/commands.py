"""What messages and people make notification owe: one use case, one function, one transaction of the caller's."""

from datetime import datetime
from uuid import UUID

from services.notification import store
from services.notification.change import Change
from services.notification.model import QUIET, Kind, attends, consequences, owed
from services.notification.rehearsal import Batch, Foreseen, Outlook, compare, foresee, outgoing
from shared.database import Connection
from shared.messages import RegistrationSnapshot, RegistrationStatus, SeminarSnapshot

MANY = 1000  # e-mails written at once


async def learn_of_seminar(
    connection: Connection, seminar: SeminarSnapshot, now: datetime, correlation_id: str
) -> None:
    """Keep the newest revision, set its reminders' moments, and owe everyone a notice of what has become untrue."""
    known = await store.lock_seminar(connection, seminar.slug)
    if known and known.seminar.revision >= seminar.revision:
        return
    rules = await store.lock_rules(connection, seminar.slug)
    follows = consequences(known, seminar, rules, now)
    await store.keep_seminar(connection, follows.kept)
    await store.keep_rules(connection, seminar.slug, [rule for rule in follows.rules if rule not in rules])
    if follows.notice and await store.insert_notices(connection, seminar.slug, follows.notice, correlation_id) > MANY:
        await store.make_known(connection)


async def rehearse(connection: Connection, slug: str, change: Change | None, now: datetime) -> Foreseen | None:
    """Return what would go out from now on, if the seminar is changed so; None if nothing is known of it.

    Raises what `changed` does.
    """
    kept = await store.get_kept(connection, slug)
    if kept is None:
        return None
    rules = await store.get_rules(connection, slug)
    written = await store.unsent(connection, slug, now)
    standing = await _foreseen(connection, Outlook(kept, rules), written, now)
    if change is None:
        return standing
    after = await _foreseen(connection, foresee(standing.outlook, change, now), written, now)
    return after._replace(difference=compare(standing, after))


async def _foreseen(connection: Connection, outlook: Outlook, written: list[Batch], now: datetime) -> Foreseen:
    planned = await store.to_be_reminded(connection, outlook.seminar.slug, outlook.scheduled)
    if outlook.notice:
        planned += await store.to_be_told(connection, outlook.seminar.slug, outlook.notice)
    return Foreseen(outlook, outgoing(outlook, [*written, *planned], now))


async def learn_of_registration(
    connection: Connection, registration: RegistrationSnapshot, now: datetime, correlation_id: str
) -> None:
    """Keep the newest version, and owe its person the e-mail that says how it stands, and reminders that are due."""
    known = await store.lock_registration(connection, registration.id)
    if known and known.version >= registration.version:
        return
    await store.keep_registration(connection, registration)
    if kind := owed(known, registration):
        await store.supersede_changes(connection, registration.id)
        due_at = now + QUIET if kind is Kind.CHANGED else now
        await store.insert_email(connection, registration, kind, registration.version, due_at, correlation_id)
    if attends(registration):
        await store.remind_late_comer(connection, registration)
    seminar = await store.get_seminar(connection, registration.seminar)
    if seminar and seminar.status == "cancelled" and registration.status is not RegistrationStatus.CANCELLED:
        notice = Kind.SEMINAR_CANCELLED
        await store.insert_email(connection, registration, notice, seminar.revision, now, correlation_id)


async def learn_of_check_in(
    connection: Connection, registration: RegistrationSnapshot, now: datetime, correlation_id: str
) -> None:
    """Keep that somebody has come, which tells those who came from those who missed it."""
    await learn_of_registration(connection, registration, now, correlation_id)
    if registration.checked_in_at:
        await store.note_check_in(connection, registration.seminar)


async def send_link_again(
    connection: Connection, registration: RegistrationSnapshot, now: datetime, correlation_id: str
) -> None:
    """Owe the mailbox's owner the link to what stands."""
    await learn_of_registration(connection, registration, now, correlation_id)
    request = registration.link_request or 0
    await store.insert_email(connection, registration, Kind.LINK_AGAIN, request, now, correlation_id)


async def materialise_due(connection: Connection, now: datetime) -> str | None:
    """Write the e-mails of one rule whose moment has come; return its name, None if there is none."""
    rule = await store.lock_due_rule(connection, now)
    if rule is None:
        return None
    if await store.materialise(connection, rule) > MANY:
        await store.make_known(connection)
    return str(rule["rule"])


async def unsubscribe(connection: Connection, registration: UUID, *, undo: bool) -> None:
    """Stop reminders and news of that seminar for that person, or send them again."""
    await store.set_unsubscribed(connection, registration, unsubscribed=not undo)
