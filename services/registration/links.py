"""From the token of a mailed link to the registration that it stands for."""

from datetime import datetime, timedelta

from services.registration import store
from services.registration.model import Registration
from shared import tokens
from shared.database import Connection
from shared.messages import SeminarSnapshot

LIFETIME = timedelta(days=30)  # after the seminar's end


class DeadLinkError(LookupError):
    """The link was never ours, is revoked, has expired or is of somebody erased; which is nobody's business."""


async def follow(
    connection: Connection, keys: tuple[bytes, ...], token: str, now: datetime
) -> tuple[Registration, SeminarSnapshot]:
    """Return the registration that `token` stands for, and its seminar; raises DeadLinkError."""
    try:
        link = tokens.verify(keys, "manage", token)
    except tokens.InvalidTokenError:
        raise DeadLinkError from None
    registration = await store.get(connection, link.registration)
    if registration is None or registration.link_version != link.version or not registration.details.email:
        raise DeadLinkError
    seminar = await store.get_seminar(connection, registration.seminar)
    if seminar is None or now > seminar.end + LIFETIME:
        raise DeadLinkError
    return registration, seminar
