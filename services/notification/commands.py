"""What messages and people make notification owe: one use case, one function, one transaction of the caller's."""

from datetime import datetime
from uuid import UUID

from services.notification import store, store_claims, store_deeds, store_inbound
from services.notification.bounces import Bounced
from services.notification.change import Change
from services.notification.model import QUIET, SAYS_HOW_ONE_STANDS, Kind, attends, consequences, owed
from services.notification.rehearsal import Batch, Foreseen, Outlook, compare, foresee, outgoing
from services.notification.rendering import ascii_address, message_id
from services.notification.store_deeds import Deed
from shared import outbox
from shared.database import Connection
from shared.logs import redact
from shared.messages import EmailSnapshot, Message, RegistrationSnapshot, RegistrationStatus, SeminarSnapshot

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
        if known and known.email != registration.email:
            await store.supersede_misdirected(connection, registration.id, SAYS_HOW_ONE_STANDS)
            deed = Deed(now, "", "correct_address", registration.seminar, registration.id)
            await store_deeds.audit(connection, deed)
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


async def offer_to_cancel(connection: Connection, registration: RegistrationSnapshot, now: datetime) -> bool:
    """Owe somebody whose calendar has declined the link to cancel by, once for how their registration stands."""
    if registration.status is not RegistrationStatus.CONFIRMED:
        return False
    await store.insert_email(connection, registration, Kind.DECLINED, registration.version, now, "")
    return True


async def note_bounce(connection: Connection, email: UUID, bounced: Bounced, now: datetime, public_url: str) -> bool:
    """Note that the e-mail has not arrived, and write no more to an address that takes none; False if it had not left.

    Another address than the one that stands by now, or one that it was passed on to, says nothing of that.
    """
    row = await store_inbound.mark_bounced(connection, email, f"returned: {bounced.status}", bounced.diagnostic)
    if row is None:
        return False
    if bounced.permanent and ascii_address(row["address"]).lower() in bounced.recipients:
        await store_claims.suppress(connection, row["registration"])
    data = EmailSnapshot(
        id=email,
        registration=row["registration"],
        seminar=row["seminar"],
        kind=row["kind"],
        generation=row["generation"],
        message_id=message_id(email, public_url),
        smtp_reply=redact(bounced.diagnostic),
    )
    told = Message(source="/notification", type="email.bounced", subject=str(email), time=now, data=data)
    await outbox.record(connection, told)
    return True


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
