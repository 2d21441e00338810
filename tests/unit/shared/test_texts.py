"""Every text of a template or a rule stands in every language, and every e-mail can be made in every language."""

import email
import re
from collections import Counter
from email.message import EmailMessage
from email.policy import default
from functools import cache
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from uuid import UUID

import jinja2
import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from icalendar import Calendar

from services.catalog import holidays, metadata, warnings
from services.notification.model import NEWS, TO_PEOPLE, Claimed, Kind
from services.notification.rendering import Renderer, message_id
from services.notification.settings import Settings
from shared.faults import PYDANTICS
from shared.messages import LANGUAGES, Attendance, Contact, Language, RegistrationSnapshot, RegistrationStatus, Venue
from shared.tokens import Link, verify
from shared.web.texts import CATALOGUES, catalogue, date_text
from tests.snapshots import BEGINNING, END, START, make_registration, make_seminar

ROOT = Path(__file__).parents[3]
PLACEHOLDER = re.compile(r"%\(\w+\)s|%(?!\()")
RULES = {"wrong": None, "gettext": None, "Fault": (2,), "Caution": (3,)}  # which argument of each is the text
STATUS = {Kind.WAITING_LIST: RegistrationStatus.WAITLISTED, Kind.CANCELLED: RegistrationStatus.CANCELLED}
URL = "https://fagseminar.example.org"
IDENTIFIER = UUID(int=7)
EVERY_EMAIL = list(product(TO_PEOPLE, LANGUAGES, Attendance))


@cache
def said_by_templates() -> dict[str, str]:
    """Return every text that a template asks for, and a template that does."""
    env = jinja2.Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    found: dict[str, str] = {}
    for path in sorted(ROOT.glob("s*/**/templates/**/*.*")) + sorted(ROOT.glob("local/templates/*.*")):
        extracted = env.extract_translations(path.read_text(encoding="utf-8"))  # type: ignore[attr-defined] # by i18n
        for _, function, text in extracted:
            assert function in ("_", "gettext"), f"{path}: {function} has no place in the catalogues yet"
            found.setdefault(text if isinstance(text, str) else text[0], str(path.relative_to(ROOT)))
    return found


@cache
def said_by_rules() -> dict[str, str]:
    """Return every text of a fault or a warning, and the file that it stands in."""
    found = dict.fromkeys(PYDANTICS.values(), "shared/faults.py")
    found |= dict.fromkeys([*holidays.FIXED.values(), *holidays.BY_EASTER.values()], "services/catalog/holidays.py")
    found |= dict.fromkeys(warnings.NAMES.values(), "services/catalog/warnings.py")
    found |= dict.fromkeys(metadata.NAMES.values(), "services/catalog/metadata.py")
    for path in sorted(ROOT.glob("s*/**/*.py")):
        with path.open("rb") as source:
            for _, text, _, _ in extract("python", source, keywords=RULES):
                found.setdefault(str(text), str(path.relative_to(ROOT)))
    return found


def said_by_us() -> dict[str, str]:
    return said_by_rules() | said_by_templates()


@cache
def entries(language: Language) -> Catalog:
    with (CATALOGUES / f"{language}.po").open("rb") as source:
        return read_po(source, locale=language, abort_invalid=True)


def texts(language: Language) -> dict[str, str]:
    """Return the catalogue's texts with their translations."""
    return {str(message.id): str(message.string) for message in entries(language) if message.id}


def test_there_is_one_catalogue_a_language() -> None:
    assert sorted(path.stem for path in CATALOGUES.iterdir()) == sorted(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_says_what_templates_and_rules_ask_for_and_no_more(language: Language) -> None:
    here = texts(language).keys()

    assert said_by_us().keys() - here == set(), "missing: add them"
    assert here - said_by_us().keys() == set(), "obsolete: nothing says them any more"
    assert not entries(language).obsolete, "obsolete entries are only comments: remove them"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_entry_is_empty_fuzzy_or_twice(language: Language) -> None:
    lines = (CATALOGUES / f"{language}.po").read_text(encoding="utf-8")

    assert [text for text, translation in texts(language).items() if not translation.strip()] == []
    assert [message.id for message in entries(language) if message.fuzzy] == []
    assert lines.count('\nmsgid "') == len(texts(language)) + 1, "one of the entries stands twice"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_has_the_placeholders_of_its_text(language: Language) -> None:
    for text, translation in texts(language).items():
        assert Counter(PLACEHOLDER.findall(translation)) == Counter(PLACEHOLDER.findall(text)), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_ends_as_its_text_does(language: Language) -> None:
    for text, translation in texts(language).items():
        assert re.findall(r"[.,:?!]$", translation) == re.findall(r"[.,:?!]$", text), text


def test_the_two_norwegians_are_two_languages() -> None:
    same = [text for text, translation in texts("nb").items() if translation == texts("nn")[text]]

    assert len(same) < len(texts("nb")) / 3, "so much the same: is it translated, or copied?"
    assert catalogue("nb").gettext("Completed seminars") == "Gjennomførte arrangementer"
    assert catalogue("nn").gettext("Completed seminars") == "Gjennomførte arrangement"


# --- e-mails ---


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    settings = Settings(
        database_url="postgresql://notification@localhost/notification",
        bus_url="local:",
        smtp_url="smtp://localhost",
        mail_from="Fagseminar <fagseminar@example.org>",
        public_url=URL,
        secret_key="a key of at least thirty-two characters",
        organiser_tokens="an organiser's token that is long enough",
    )
    return Renderer(settings)


def registration_for(kind: Kind, language: Language, attendance: Attendance) -> RegistrationSnapshot:
    status = STATUS.get(kind, RegistrationStatus.CONFIRMED)
    return make_registration(name="Åse Ødegård", language=language, attendance=attendance, status=status, place=4)


def make_claimed(registration: RegistrationSnapshot, kind: Kind) -> Claimed:
    seminar = make_seminar(
        venue=Venue(name="R6", address="Akersgata 64 & 66, Oslo", directions="Inngang fra Grubbegata"),
        serving={"nb": "Det blir kaffe.", "nn": "Det blir kaffi.", "en": "There is coffee."},
        contact=Contact(name="Planavdelingen", email="planavdelingen@example.org"),
    )
    return Claimed(kind, 0, 1, registration, seminar, 1, unsubscribed=False, suppressed=False)


def rendered(renderer: Renderer, kind: Kind, language: Language, attendance: Attendance) -> EmailMessage:
    claimed = make_claimed(registration_for(kind, language, attendance), kind)
    content = renderer.render(IDENTIFIER, claimed, BEGINNING)
    assert all(len(line) <= 78 or line.strip().startswith(b"<https://") for line in content.split(b"\r\n"))
    return email.message_from_bytes(content, policy=default)


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found is not None
    return str(found.get_content()).replace("\r\n", "\n")


class Page(HTMLParser):
    """What matters of an e-mail's HTML: its language, what it links to, and what it would fetch."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.language: str | None = None
        self.links: set[str] = set()
        self.fetched: list[str] = re.findall(r"@import[^;]+|url\([^)]+\)", html)
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "html":
            self.language = given.get("lang")
        if tag == "a":
            self.links.add(given.get("href") or "")
        if tag in ("img", "link", "script", "iframe"):
            self.fetched.append(tag)


@pytest.mark.parametrize(("kind", "language", "attendance"), EVERY_EMAIL)
def test_an_email_has_its_headers(renderer: Renderer, kind: Kind, language: Language, attendance: Attendance) -> None:
    message = rendered(renderer, kind, language, attendance)

    assert message["Content-Language"] == language
    assert message["Message-ID"] == message_id(IDENTIFIER, URL)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["To"].addresses[0].display_name == "Åse Ødegård"
    assert message["Subject"].endswith(": Planstrategi 4.0 – småkommuner og de gode hjelperne")
    assert ("List-Unsubscribe" in message) == ("List-Unsubscribe-Post" in message) == (kind in NEWS)


@pytest.mark.parametrize(("kind", "language", "attendance"), EVERY_EMAIL)
def test_an_email_says_the_same_in_text_and_html(
    renderer: Renderer, kind: Kind, language: Language, attendance: Attendance
) -> None:
    message = rendered(renderer, kind, language, attendance)
    text, page = part(message, "plain"), Page(part(message, "html"))

    assert page.language == language
    assert page.fetched == [], "an e-mail fetches nothing: that would tell others who reads it"
    assert page.links == set(re.findall(r"https://\S+", text))
    assert date_text(START, "Europe/Oslo", language) in text
    assert ("Akersgata 64 & 66" in text) == (attendance is Attendance.IN_PERSON)
    assert "&amp;" not in text


@pytest.mark.parametrize(("kind", "language", "attendance"), EVERY_EMAIL)
def test_the_text_part_has_no_stray_blank_lines_and_short_lines(
    renderer: Renderer, kind: Kind, language: Language, attendance: Attendance
) -> None:
    text = part(rendered(renderer, kind, language, attendance), "plain")

    assert "\n\n\n" not in text
    assert text == text.strip() + "\n"
    assert all(line == line.strip() for line in text.splitlines())
    assert all(len(line) <= 78 for line in text.splitlines() if not line.startswith("https://"))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", TO_PEOPLE)
def test_an_email_about_a_seat_or_its_loss_has_a_calendar_part(
    renderer: Renderer, kind: Kind, language: Language
) -> None:
    message = rendered(renderer, kind, language, Attendance.IN_PERSON)
    calendars = [p for p in message.walk() if p.get_content_type() == "text/calendar"]

    assert len(calendars) == (kind not in (Kind.WAITING_LIST, Kind.DECLINED))
    for found in calendars:
        entry = Calendar.from_ical(found.get_content())
        withdrawn = kind in (Kind.CANCELLED, Kind.SEMINAR_CANCELLED)
        assert entry["METHOD"] == found.get_param("method") == ("CANCEL" if withdrawn else "REQUEST")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reminder_gives_the_link_once_as_a_button_and_once_as_an_address(
    renderer: Renderer, language: Language
) -> None:
    message = rendered(renderer, Kind.REMINDER, language, Attendance.ONLINE)
    watch = f"{URL}/seminars/planstrategi-4-0/watch"

    assert part(message, "html").count(f'href="{watch}"') == 2
    assert f"\n\n{catalogue(language).gettext('WATCH HERE:')}\n{watch}\n\n" in part(message, "plain")


@pytest.mark.parametrize("attendance", Attendance)
def test_the_link_to_a_stream_for_those_who_signed_up_is_one_s_own_in_text_html_and_calendar(
    renderer: Renderer, attendance: Attendance
) -> None:
    registration = registration_for(Kind.CONFIRMATION, "nb", attendance)
    claimed = make_claimed(registration, Kind.CONFIRMATION)
    claimed = claimed._replace(seminar=claimed.seminar.model_copy(update={"stream_access": "registered"}))
    message = email.message_from_bytes(renderer.render(IDENTIFIER, claimed, BEGINNING), policy=default)
    (token,) = set(re.findall(rf"{URL}/seminars/planstrategi-4-0/watch/([\w-]+)", part(message, "plain")))
    (calendar,) = [p.get_content() for p in message.walk() if p.get_content_type() == "text/calendar"]

    assert verify((b"a key of at least thirty-two characters",), "watch", token) == Link(registration.id, 1)
    assert f"/watch/{token}" in part(message, "html")
    (entry,) = Calendar.from_ical(calendar).walk("VEVENT")
    assert (token in str(entry["url"])) == (attendance is Attendance.ONLINE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reminder_after_the_end_leads_to_the_recording(renderer: Renderer, language: Language) -> None:
    registration = registration_for(Kind.REMINDER, language, Attendance.ONLINE)
    content = renderer.render(IDENTIFIER, make_claimed(registration, Kind.REMINDER), END)
    message = email.message_from_bytes(content, policy=default)
    say = catalogue(language).gettext

    assert message["Subject"].startswith(say("After the seminar: %(title)s").partition("%")[0])
    assert say("To the recording") in part(message, "html")
    assert "/my/" not in part(message, "plain")


@pytest.mark.parametrize(("language", "greeting"), [("nb", "Hei"), ("nn", "Hei"), ("en", "Hello")])
def test_what_follows_the_greeting_is_lower_case_in_norwegian_only(
    renderer: Renderer, language: Language, greeting: str
) -> None:
    for kind, attendance in product(TO_PEOPLE, Attendance):
        lines = part(rendered(renderer, kind, language, attendance), "plain").split("\n")

        assert lines[:2] == [f"{greeting} Åse Ødegård,", ""]
        assert lines[2][0].isupper() == (language == "en"), (kind, lines[2])
