"""From an e-mail's row to the bytes that leave: text, HTML and calendar, in its person's language.

Templates see a `Wording` and blanks, never a person, so that what they make serves everybody of whom the same is so:
it is made once and filled for each. A new kind of e-mail is a pair of templates.
"""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

import idna
from mjml import mjml2html

from services.notification import passages
from services.notification.addresses import reply_address
from services.notification.mime import (
    Skeleton,
    TooLongError,
    blank,
    calendar_part,
    header_text,
    html_part,
    mailbox,
    text_part,
)
from services.notification.model import NEWS, Claimed, Kind, attends
from services.notification.settings import Settings
from shared import tokens
from shared.calendar import Entry, Method, calendar, uid
from shared.lines import one_line
from shared.messages import Attendance, Language, RegistrationStatus, SeminarSnapshot
from shared.web.pages import environment, place_text
from shared.web.texts import date_text, say, time_text

TEMPLATES = Path(__file__).parent / "templates"
WITHDRAWN = frozenset({Kind.CANCELLED, Kind.SEMINAR_CANCELLED})
MOST_SKELETONS = 500  # of about 20 KB
UNSTAMPED = datetime(1970, 1, 1, tzinfo=UTC)
# What is one person's or one sending's own.
OWN = ("to", "date", "message_id", "name", "email", "organiser", "stamp", "my", "watch", "unsubscribe")
BLANKS = {name: blank(name) for name in OWN}


class Wording(NamedTuple):
    """What the words depend on besides the seminar: the same for many people. Templates call it `registration`."""

    kind: Kind
    language: Language
    status: RegistrationStatus
    attendance: Attendance
    place: int | None  # in the waiting list
    cause: str
    online_meanwhile: bool
    sequence: int  # of the calendar entry (RFC 5545, 3.8.7.4)
    anew: bool  # whether that address may have an entry already
    started: bool  # whether the seminar has, and is not over
    over: bool
    attended: str | None
    passage: str = ""  # of the organisers', with its placeholders
    test: bool = False  # whether an organiser has sent it to themselves
    name: str = BLANKS["name"]


def wording(email: Claimed, now: datetime) -> Wording:
    """Return what the e-mail's words depend on, as of `now`."""
    person, seminar = email.registration, email.seminar
    return Wording(
        email.says,
        person.language,
        person.status,
        attends(person) or person.attendance,
        person.place,
        person.cause,
        person.online_meanwhile,
        sequence=seminar.revision + email.earlier + person.version,  # rises with any
        anew=email.earlier + person.version > 1,
        started=seminar.start <= now < seminar.end,
        over=now >= seminar.end,
        attended=_attended(email),
        passage=email.passage,
        test=email.kind is Kind.PREVIEW,
    )


def _method(words: Wording) -> Method | None:
    """Return what the e-mail does to the entry in its person's calendar (RFC 5546, 3.2), None if it has none.

    Who waits has an entry only if they attend online meanwhile; who has given up a place in order to wait, none more.
    """
    if words.test or words.kind is Kind.DECLINED:  # an organiser's own entry stays; others have taken theirs away
        return None
    waits = words.status is RegistrationStatus.WAITLISTED and not words.online_meanwhile
    if waits:
        return "CANCEL" if words.kind is Kind.WAITING_LIST and words.anew else None
    return "CANCEL" if words.kind in WITHDRAWN or words.status is RegistrationStatus.CANCELLED else "REQUEST"


def _has_a_ticket(words: Wording) -> bool:
    """Return whether they are expected at the door; the ticket is shown by their own page."""
    seated = words.status is RegistrationStatus.CONFIRMED and words.attendance is Attendance.IN_PERSON
    return seated and not words.over and words.kind not in WITHDRAWN


def _attended(email: Claimed) -> str | None:
    """Return whether they came or missed it, as far as anybody knows: nobody sees who watches."""
    if email.registration.checked_in_at:
        return "came"
    return "missed" if email.counted and email.registration.attendance is Attendance.IN_PERSON else None


def message_id(email: UUID, public_url: str) -> str:
    """Return the one Message-ID of an e-mail, whichever replica sends it and however often (RFC 5322, 3.6.4)."""
    return f"<{uid(str(email), public_url)}>"


@lru_cache(1000)
def ascii_domain(domain: str) -> str:
    """Return the domain in the form that DNS and every mail server know (RFC 5891)."""
    return idna.encode(domain, uts46=True).decode()


@lru_cache(16)
def _stamps(now: datetime, zone: str) -> dict[str, str]:
    """Return the instant as a header has it (RFC 5322, 3.3) and as a calendar has (RFC 5545, 3.3.5)."""
    date = format_datetime(now.astimezone(ZoneInfo(zone)))
    return {"date": date, "stamp": f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"}


def ascii_address(address: str) -> str:
    """Return the address with its domain in ASCII; raises ValueError."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{ascii_domain(domain)}"


class Renderer:
    """Knows the templates and who we are, and keeps the skeletons that it has made."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._environments = {language: environment(TEMPLATES, language) for language in get_args(Language)}
        self._sender = parseaddr(settings.mail_from)
        self._boundary = f"=_{token_hex(12)}"
        self._skeletons: OrderedDict[object, tuple[SeminarSnapshot, Skeleton]] = OrderedDict()

    def render(self, identifier: UUID, email: Claimed, now: datetime, *, eight_bit: bool = False) -> bytes:
        """Return the whole e-mail (RFC 5322) with CRLF line ends; raises ValueError for what no header may hold.

        Lines are of at most 78 characters, or of 998 octets where the server takes such (`eight_bit`).
        """
        values = self.values(identifier, email, now)
        try:
            return self._skeleton(wording(email, now), email.seminar, eight_bit=eight_bit).fill(values)
        except TooLongError:
            return self._skeleton(wording(email, now), email.seminar, eight_bit=False).fill(values)

    def subject(self, email: Claimed, now: datetime) -> str:
        """Return only what its subject is."""
        words = wording(email, now)
        return self._words(words, self._context(words, email.seminar, BLANKS))[0]

    def _skeleton(self, words: Wording, seminar: SeminarSnapshot, *, eight_bit: bool) -> Skeleton:
        key = (words, seminar.slug, seminar.revision, eight_bit)
        made_for, skeleton = self._skeletons.get(key, (None, None))
        if skeleton is None or made_for is not seminar:
            if skeleton is None or made_for != seminar:
                skeleton = self.skeleton(words, seminar, BLANKS, eight_bit=eight_bit)
            self._skeletons[key] = (seminar, skeleton)  # the one at hand: comparing it with itself is done at a glance
            if len(self._skeletons) > MOST_SKELETONS:
                self._skeletons.popitem(last=False)
        return skeleton

    def skeleton(
        self, words: Wording, seminar: SeminarSnapshot, own: Mapping[str, str], *, eight_bit: bool
    ) -> Skeleton:
        """Return the e-mail with `own`, which are blanks or values, in the places of `OWN`."""
        context = self._context(words, seminar, own)
        subject, text = self._words(words, context)
        html = self._environments[words.language].get_template(f"{words.kind}.mjml").render(context, subject=subject)
        parts = [text_part(text), html_part(str(mjml2html(html)))]
        if method := _method(words):
            content = calendar([self._entry(words, seminar, own, method)], method, UNSTAMPED).decode()
            parts.append(calendar_part(content.replace(f"{UNSTAMPED:%Y%m%dT%H%M%SZ}", own["stamp"]), method))
        return Skeleton(self._headers(words, subject, own), parts, self._boundary, eight_bit=eight_bit)

    def _words(self, words: Wording, context: Mapping[str, Any]) -> tuple[str, str]:
        """Return the subject and the text."""
        text = self._environments[words.language].get_template(f"{words.kind}.txt").render(context)
        subject, _, body = text.partition("\n\n")
        return " ".join(subject.split()), body.strip() + "\n"

    def _headers(self, words: Wording, subject: str, own: Mapping[str, str]) -> dict[str, str]:
        headers = {
            "From": mailbox(*self._sender),
            "To": own["to"],
            "Subject": header_text(subject),
            "Date": own["date"],
            "Message-ID": own["message_id"],
            "Auto-Submitted": "auto-generated",  # RFC 3834, 5
            "Content-Language": words.language,
        }
        if words.kind in NEWS:
            headers["List-Unsubscribe"] = f"<{own['unsubscribe']}>"
            headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058, 3.1
        return headers

    def _context(self, words: Wording, seminar: SeminarSnapshot, own: Mapping[str, str]) -> dict[str, Any]:
        watch = self._watch(seminar, own)
        values = {
            "name": own["name"],
            "seminar": say(seminar.title, words.language).text,
            "start": ", ".join(text(seminar.start, seminar.zone, words.language) for text in (date_text, time_text)),
            "link": watch,
            "mine": own["my"],
        }
        return {
            "seminar": seminar,
            "registration": words._replace(name=own["name"]),
            "in_person": words.attendance is Attendance.IN_PERSON,
            "started": words.started,
            "over": words.over,
            "attended": words.attended,
            "page": f"{self._settings.public_url}/seminars/{seminar.slug}",
            "watch": watch,
            "passage": passages.paragraphs(words.passage, values),
            "passage_text": passages.plain(words.passage, values),
            "test": words.test,
            "my": own["my"],
            "ticket": f"{own['my']}/ticket" if _has_a_ticket(words) else "",
            "unsubscribe": own["unsubscribe"] if words.kind in NEWS else None,
        }

    def _watch(self, seminar: SeminarSnapshot, own: Mapping[str, str]) -> str:
        """Return the one address to watch at: everybody's, or one's own if the stream is for those who signed up."""
        if seminar.stream_access == "registered":
            return own["watch"]
        return f"{self._settings.public_url}/seminars/{seminar.slug}/watch"

    def _entry(self, words: Wording, seminar: SeminarSnapshot, own: Mapping[str, str], method: Method) -> Entry:
        page, watch = f"{self._settings.public_url}/seminars/{seminar.slug}", self._watch(seminar, own)
        in_person = words.attendance is Attendance.IN_PERSON and words.status is not RegistrationStatus.WAITLISTED
        link = page if in_person else watch
        return Entry(
            uid=uid(seminar.slug, self._settings.public_url),
            sequence=words.sequence,
            summary=say(seminar.title, words.language).text,
            description=f"{say(seminar.summary, words.language).text}\n\n{link}\n\n{own['my']}".strip(),
            location=place_text(seminar.venue if in_person else None, words.language) or link,
            url=link,
            start=seminar.start,
            end=seminar.end,
            zone=seminar.zone,
            organiser=own["organiser"],
            attendee=own["email"],
            cancelled=method == "CANCEL",
        )

    def values(self, identifier: UUID, email: Claimed, now: datetime) -> dict[str, str]:
        """Return what fills the blanks of this e-mail, sent at `now`; raises ValueError for what no header may hold."""
        person, seminar = email.registration, email.seminar
        address = ascii_address(person.email)
        link = tokens.Link(person.id, person.link_version)
        watch = f"seminars/{seminar.slug}/watch"
        return {
            "to": mailbox(person.name, address),
            **_stamps(now.replace(microsecond=0), seminar.zone),
            "message_id": message_id(identifier, self._settings.public_url),
            "name": one_line(person.name),
            "email": address,
            "organiser": reply_address(self._settings, person.id),
            "my": self._link("my", "manage", link),
            "watch": self._link(watch, "watch", link) if seminar.stream_access == "registered" else "",
            "unsubscribe": self._link("unsubscribe", "unsubscribe", link) if email.says in NEWS else "",
        }

    def _link(self, page: str, purpose: tokens.Purpose, link: tokens.Link) -> str:
        return f"{self._settings.public_url}/{page}/{tokens.sign(self._settings.keys, purpose, link)}"
