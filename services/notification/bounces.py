"""What a mail server reports of an e-mail that it had taken over (RFC 3464)."""

from collections.abc import Iterator
from email.message import Message
from typing import NamedTuple, TypeAlias

LONGEST = 500  # characters that are kept of anything that a stranger wrote

Headers: TypeAlias = "Message[str, str]"


class Bounced(NamedTuple):
    """A delivery status notification about one recipient."""

    tags: tuple[str, ...]  # in the addresses that it came to
    recipients: tuple[str, ...]  # whom the e-mail was meant for: the address we wrote to, the one it ended at
    failed: bool  # for good; else it is delayed, or has been delivered or passed on
    status: str  # RFC 3463
    diagnostic: str
    report: str  # the same however often the report arrives

    @property
    def permanent(self) -> bool:
        """Whether the address will not take later e-mails either."""
        return self.failed and self.status.startswith("5.")


def read_report(message: Headers, tags: tuple[str, ...], report: str) -> Bounced | None:
    """Return what the message reports, None if it is no delivery status notification."""
    if message.get_content_type() != "multipart/report":
        return None
    recipients = list(_recipients(message))
    if not recipients:
        return None
    told = next((fields for fields in recipients if _action(fields) == "failed"), recipients[0])
    return Bounced(
        tags=tags,
        recipients=tuple(_typed(told, name).lower() for name in ("Original-Recipient", "Final-Recipient")),
        failed=_action(told) == "failed",
        status=next(iter(field(told, "Status").split()), ""),
        diagnostic=_typed(told, "Diagnostic-Code") or field(told, "Status"),
        report=report,
    )


def _recipients(message: Headers) -> Iterator[Headers]:
    """Return the groups of fields that tell of a recipient each (RFC 3464, 2.3)."""
    for part in message.walk():
        if part.get_content_type() == "message/delivery-status" and part.is_multipart():
            for fields in part.get_payload():
                if isinstance(fields, Message) and "Action" in fields and "Final-Recipient" in fields:
                    yield fields


def _action(fields: Headers) -> str:
    return field(fields, "Action").lower()


def _typed(fields: Headers, name: str) -> str:
    """Return the field's value without the type before it: `rfc822; kari@example.no`."""
    return field(fields, name).partition(";")[2].strip()


def field(fields: Headers, name: str) -> str:
    """Return what the field says in one line, without what could not be printed or kept."""
    said = " ".join(str(fields.get(name, "")).split())
    return "".join(character for character in said if character.isprintable())[:LONGEST]
