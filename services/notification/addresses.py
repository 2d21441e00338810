"""The addresses that mail servers and calendars answer to: tagged, so that nobody answers in somebody else's name.

Variable envelope return paths (VERP): the tag is the sub-address behind the + (RFC 5233).
"""

from email.utils import parseaddr
from uuid import UUID

from services.notification.settings import Settings
from shared import tokens


def envelope_sender(settings: Settings, email: UUID) -> str:
    """Return the address that a server returns this e-mail to (RFC 5321, 4.4): MAIL_FROM if no mail is piped to us."""
    return _tagged(settings, "bounce", email)


def reply_address(settings: Settings, registration: UUID) -> str:
    """Return the address that this person's calendar answers to, the same for as long as they are registered."""
    return _tagged(settings, "reply", registration)


def _tagged(settings: Settings, purpose: tokens.TagPurpose, identifier: UUID) -> str:
    if not settings.inbound_address:
        return parseaddr(settings.mail_from)[1]
    local, _, domain = settings.inbound_address.rpartition("@")
    return f"{local}+{tokens.tag(settings.keys, purpose, identifier)}@{domain}"


def tagged_with(settings: Settings, purpose: tokens.TagPurpose, tags: tuple[str, ...]) -> UUID | None:
    """Return what the first tag that we have made for `purpose` stands for."""
    for tag in tags:
        try:
            return tokens.read_tag(settings.keys, purpose, tag)
        except tokens.InvalidTokenError:
            continue
    return None
