"""From an e-mail's row to the bytes that leave: text, HTML and calendar, in its person's language."""

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Any, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

from mjml import mjml2html

from services.notification.model import NEWS, Claimed, Kind
from services.notification.settings import Settings
from shared import tokens
from shared.calendar import Entry, Method, calendar, uid
from shared.messages import Attendance, Language, RegistrationStatus
from shared.web.pages import environment, place_text
from shared.web.texts import say

TEMPLATES = Path(__file__).parent / "templates"
POLICY = SMTP.clone(cte_type="7bit", max_line_length=76)  # safe for servers without 8BITMIME
PURPOSES: dict[str, tokens.Purpose] = {"my": "manage", "unsubscribe": "unsubscribe"}
WITHDRAWN = frozenset({Kind.CANCELLED, Kind.SEMINAR_CANCELLED})


class HeaderInjectionError(ValueError):
    """The finished header block is not what was put into it."""


def message_id(email: UUID, public_url: str) -> str:
    """Return the one Message-ID of an e-mail, whichever replica sends it and however often (RFC 5322, 3.6.4)."""
    return f"<{uid(str(email), public_url)}>"


class Renderer:
    """Knows the templates and who we are."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._environments = {language: environment(TEMPLATES, language) for language in get_args(Language)}
        self._sender = parseaddr(settings.mail_from)

    def render(self, identifier: UUID, email: Claimed, now: datetime) -> bytes:
        """Return the whole e-mail (RFC 5322) with CRLF line ends and lines of at most 78 characters."""
        message = self._headers(identifier, email, now)
        env = self._environments[email.registration.language]
        context = self._context(email, now)
        message["Subject"], body = self._words(email, context)
        message.set_content(body, cte="quoted-printable")
        html = mjml2html(env.get_template(f"{email.kind}.mjml").render(context, subject=message["Subject"]))
        message.add_alternative(str(html), subtype="html", cte="quoted-printable")
        if email.registration.status is not RegistrationStatus.WAITLISTED and email.kind is not Kind.DECLINED:
            self._add_calendar(message, email, context, now)
        # Last: while the parts are added, every Content-… header moves into the first of them.
        message["Content-Language"] = email.registration.language
        return _checked(message)

    def subject(self, email: Claimed, now: datetime) -> str:
        """Return only what its subject is."""
        return self._words(email, self._context(email, now))[0]

    def _words(self, email: Claimed, context: dict[str, Any]) -> tuple[str, str]:
        """Return the subject and the text."""
        text = self._environments[email.registration.language].get_template(f"{email.kind}.txt").render(context)
        subject, _, body = text.partition("\n\n")
        return " ".join(subject.split()), body.strip() + "\n"

    def _headers(self, identifier: UUID, email: Claimed, now: datetime) -> EmailMessage:
        message = EmailMessage(policy=POLICY)
        message["From"] = Address(self._sender[0], addr_spec=self._sender[1])
        message["To"] = Address(email.registration.name, addr_spec=email.registration.email)
        message["Date"] = format_datetime(now.astimezone(ZoneInfo(email.seminar.zone)))
        message["Message-ID"] = message_id(identifier, self._settings.public_url)
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834, 5
        if email.kind in NEWS:
            message["List-Unsubscribe"] = f"<{self._link(email, 'unsubscribe')}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058, 3.1
        return message

    def _context(self, email: Claimed, now: datetime) -> dict[str, Any]:
        seminar, public_url = email.seminar, self._settings.public_url
        return {
            "seminar": seminar,
            "registration": email.registration,
            "in_person": email.registration.attendance is Attendance.IN_PERSON,
            "page": f"{public_url}/seminars/{seminar.slug}",
            "watch": self._watch_link(email),
            "my": self._link(email, "my"),
            "unsubscribe": self._link(email, "unsubscribe") if email.kind in NEWS else None,
            "started": seminar.start <= now < seminar.end,
            "over": now >= seminar.end,
            "attended": _attended(email),
        }

    def _watch_link(self, email: Claimed) -> str:
        """Return the one address to watch at: everybody's, or one's own if the stream is for those who signed up."""
        watch = f"seminars/{email.seminar.slug}/watch"
        if email.seminar.stream_access == "registered":
            return self._link(email, watch)
        return f"{self._settings.public_url}/{watch}"

    def _link(self, email: Claimed, page: str) -> str:
        purpose = PURPOSES.get(page, "watch")
        link = tokens.Link(email.registration.id, email.registration.link_version)
        return f"{self._settings.public_url}/{page}/{tokens.sign(self._settings.keys, purpose, link)}"

    def _add_calendar(self, message: EmailMessage, email: Claimed, context: dict[str, Any], now: datetime) -> None:
        method: Method = "CANCEL" if email.kind in WITHDRAWN else "REQUEST"
        entry = self._entry(email, context)
        message.add_alternative(
            calendar([entry], method, now).decode(), subtype="calendar", cte="base64", params={"method": method}
        )

    def _entry(self, email: Claimed, context: dict[str, Any]) -> Entry:
        seminar, language = email.seminar, email.registration.language
        link = context["page"] if context["in_person"] else context["watch"]
        venue = seminar.venue if context["in_person"] else None
        return Entry(
            uid=uid(seminar.slug, self._settings.public_url),
            sequence=seminar.revision + email.registration.version,  # rises with either
            summary=say(seminar.title, language).text,
            description=f"{say(seminar.summary, language).text}\n\n{link}\n\n{context['my']}".strip(),
            location=place_text(venue, language) or link,
            url=link,
            start=seminar.start,
            end=seminar.end,
            zone=seminar.zone,
            organiser=self._sender[1],
            attendee=email.registration.email,
            cancelled=email.kind in WITHDRAWN,
        )


def _attended(email: Claimed) -> str | None:
    """Return whether they came or missed it, as far as anybody knows: nobody sees who watches."""
    if email.registration.checked_in_at:
        return "came"
    return "missed" if email.counted and email.registration.attendance is Attendance.IN_PERSON else None


def _checked(message: EmailMessage) -> bytes:
    """Return the bytes if their header block holds the headers that were set, no more; raises HeaderInjectionError.

    An encoded word that hides a line break becomes a header of its own in some versions of Python (CVE-2024-6923).
    """
    content = message.as_bytes()
    block = content.partition(b"\r\n\r\n")[0].split(b"\r\n")
    found = [
        line.partition(b":")[0].decode("ascii", "replace").lower() for line in block if line[:1] not in (b" ", b"\t")
    ]
    if sorted(found) != sorted(name.lower() for name in message.keys()) or any(b"\r" in x or b"\n" in x for x in block):  # noqa: SIM118 - keys repeat in a message
        raise HeaderInjectionError("the header block is not what was put into it")
    return content
