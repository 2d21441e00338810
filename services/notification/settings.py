import re
from email.utils import parseaddr
from typing import Annotated

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, model_validator

from shared.settings import ServiceSettings

INBOUND = re.compile(
    r"[A-Za-z0-9._-]{1,21}@[A-Za-z0-9.-]+"
)  # 21, + and a tag of 42: 64 characters (RFC 5321, 4.5.3.1.1)
MARGIN = 5  # seconds of the lease left after the longest dialogue, for the statement that marks the row


def _mailbox(text: str) -> str:
    if "@" not in parseaddr(text)[1]:
        raise ValueError("wants an address, such as `Fagseminar <post@example.org>`")
    return text


def _inbound(text: str) -> str:
    if text and not INBOUND.fullmatch(text):
        raise ValueError("wants an address of at most 21 characters before the @, such as svar@example.org")
    return text


class Settings(ServiceSettings):
    """The environment of notification."""

    # smtp://[user:password@]host[:port], smtps:// for TLS from the start, smtp+starttls:// for TLS that must follow
    smtp_url: Annotated[str, Field(pattern=r"^(smtp|smtps|smtp\+starttls)://.+")]
    mail_from: Annotated[str, AfterValidator(_mailbox)]
    # whose mail is piped to `python -m services.notification inbound`; it gets what is sent to local+anything@domain
    inbound_address: Annotated[str, AfterValidator(_inbound)] = ""
    smtp_connections: PositiveInt = 8
    smtp_rate: PositiveFloat | None = None  # e-mails a second from this process; unlimited if it is left out
    smtp_domain_rate: PositiveFloat | None = None  # the same to one domain
    lease_seconds: PositiveInt = 60  # how long a claimed e-mail is one replica's own
    smtp_deadline_seconds: PositiveInt = 30  # for one e-mail's whole dialogue

    @model_validator(mode="after")
    def _lease_outlives_dialogue(self) -> "Settings":
        if self.lease_seconds <= self.smtp_deadline_seconds + MARGIN:
            raise ValueError(f"LEASE_SECONDS: must be more than {MARGIN} s longer than SMTP_DEADLINE_SECONDS")
        return self
