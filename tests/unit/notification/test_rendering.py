"""Filling a skeleton gives the bytes that rendering everything for the person would, and nothing breaks out of them."""

import email
from datetime import datetime, timedelta
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import compat32, default
from email.utils import parseaddr
from enum import Enum
from itertools import product
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from icalendar import Calendar
from markupsafe import escape

from services.notification.mime import HeaderInjectionError, Skeleton, text_part
from services.notification.model import NEWS, TO_PEOPLE, Claimed, Kind
from services.notification.rendering import Renderer, wording
from shared.messages import Attendance, Language, RegistrationStatus, Venue
from tests.factories import UNHURRIED
from tests.integration.notification.conftest import make_settings
from tests.snapshots import BEGINNING, END, make_registration, make_seminar

IDENTIFIER = UUID("00000000-0000-4000-8000-000000000001")
STATUS = {Kind.WAITING_LIST: RegistrationStatus.WAITLISTED, Kind.CANCELLED: RegistrationStatus.CANCELLED}
RENDERER = Renderer(make_settings("postgresql://localhost/notification"))
SEMINAR = make_seminar(
    summary="Æ " * 60,
    venue=Venue(name="R6", address="Akersgata 64 & 66, Oslo"),
    stream_access="registered",
)
ODD = "𝕂ari 👩👧 <b>&amp;\"'\\;,= åÅ"
NAMES = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Cf", "Co", "Cn", "Zl", "Zp", "Zs"), include_characters=" "),
    min_size=1,
    max_size=200,
).filter(lambda name: name.isprintable() and "=?" not in name and "blank__" not in name and name.strip() == name)
KINDS = sorted(product(TO_PEOPLE, get_args(Language), Attendance))


class Form(Enum):
    """Whether the body is sent as it is."""

    EIGHT_BIT = True
    ENCODED = False


def make_claimed(kind: Kind = Kind.REMINDER, **person: Any) -> Claimed:
    person = {"status": STATUS.get(kind, RegistrationStatus.CONFIRMED), **person}
    return Claimed(kind, 1, 1, make_registration(**person), SEMINAR, 1, unsubscribed=False, suppressed=False)


def directly(claimed: Claimed, *, eight_bit: bool) -> bytes:
    """Render everything for this person alone, with nothing left to fill."""
    values = RENDERER.values(IDENTIFIER, claimed, BEGINNING)
    return RENDERER.skeleton(wording(claimed, BEGINNING), SEMINAR, values, eight_bit=eight_bit).fill({})


def parsed(content: bytes) -> EmailMessage:
    return email.message_from_bytes(content, policy=default)


def said(message: EmailMessage, form: str) -> str:
    part = message.get_body((form,))
    assert part is not None
    return str(part.get_content())


@UNHURRIED
@given(name=NAMES, of=st.sampled_from(KINDS), form=st.sampled_from(Form))
@example(name=ODD, of=KINDS[0], form=Form.EIGHT_BIT)
@example(name="Kari  Nordmann " * 13 + "x", of=KINDS[0], form=Form.ENCODED)
@example(name="👩" * 200, of=KINDS[0], form=Form.EIGHT_BIT)
def test_a_filled_skeleton_is_what_rendering_for_the_person_alone_gives(
    name: str, of: tuple[Kind, Language, Attendance], form: Form
) -> None:
    kind, language, attendance = of
    claimed = make_claimed(kind, name=name, language=language, attendance=attendance)

    filled = RENDERER.render(IDENTIFIER, claimed, BEGINNING, eight_bit=form.value)

    assert filled == directly(claimed, eight_bit=form.value)


@UNHURRIED
@given(name=NAMES, form=st.sampled_from(Form))
@example(name=ODD, form=Form.ENCODED)
@example(name="Kari  Nordmann " * 13 + "x", form=Form.ENCODED)
@example(name="'" * 200, form=Form.ENCODED)
def test_a_name_arrives_as_it_was_given_in_the_header_the_text_and_the_html(name: str, form: Form) -> None:
    content = RENDERER.render(IDENTIFIER, make_claimed(name=name), BEGINNING, eight_bit=form.value)

    message, to = parsed(content), email.message_from_bytes(content, policy=compat32)["To"].replace("\r\n", "")
    assert str(make_header(decode_header(parseaddr(to)[0]))).split() == name.split()
    assert f"Hei {name}," in said(message, "plain")
    assert f"Hei {escape(name)}," in said(message, "html")
    assert not any(part.defects for part in message.walk())


@UNHURRIED
@given(name=NAMES, of=st.sampled_from(KINDS), form=st.sampled_from(Form))
def test_the_finished_bytes_keep_the_standards_limits(
    name: str, of: tuple[Kind, Language, Attendance], form: Form
) -> None:
    kind, language, attendance = of
    claimed = make_claimed(kind, name=name, language=language, attendance=attendance)
    content = RENDERER.render(IDENTIFIER, claimed, BEGINNING, eight_bit=form.value)
    block, _, body = content.partition(b"\r\n\r\n")
    lines = content.split(b"\r\n")

    assert block.isascii()
    assert form.value or body.isascii()
    assert max(map(len, body.split(b"\r\n"))) <= (998 if form.value else 78)
    assert content.count(b"\r") == content.count(b"\n") == len(lines) - 1
    assert all(len(line) <= 78 or line.startswith(b" <https:") for line in block.split(b"\r\n"))


@pytest.mark.parametrize(("kind", "language", "attendance"), KINDS)
def test_calendar_lines_are_folded_by_octets_and_mean_the_same(
    kind: Kind, language: Language, attendance: Attendance
) -> None:
    claimed = make_claimed(kind, language=language, attendance=attendance)
    message = parsed(RENDERER.render(IDENTIFIER, claimed, BEGINNING))
    calendars = [part for part in message.walk() if part.get_content_type() == "text/calendar"]

    for part in calendars:
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        assert max(len(line) for line in content.split(b"\r\n")) <= 75
        (event,) = Calendar.from_ical(content).walk("VEVENT")
        assert event["attendee"] == f"mailto:{claimed.registration.email}"
        assert event.DTSTAMP == BEGINNING
        assert str(event["description"]).startswith(str(SEMINAR.summary).strip())
        assert str(event["description"]).endswith(RENDERER.values(IDENTIFIER, claimed, BEGINNING)["my"])
    assert bool(calendars) == (kind not in (Kind.WAITING_LIST, Kind.DECLINED))


@pytest.mark.parametrize(
    "name", ["Kari\r\nBcc: x@y.no", "Kari\nBcc: x@y.no", "=?utf-8?q?a=0D=0ABcc:_x@y.no?=", "K\x00"]
)
def test_a_name_that_no_header_may_hold_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="must not contain"):
        RENDERER.render(IDENTIFIER, make_claimed(name=name), BEGINNING)


@pytest.mark.parametrize("value", ["a\r\nBcc: x@y.no", "a\rb", "a\nb"])
def test_a_line_break_that_reaches_a_header_is_seen_in_the_finished_block(value: str) -> None:
    skeleton = Skeleton({"Subject": value}, [text_part("x")], "=_b", eight_bit=False)

    with pytest.raises(HeaderInjectionError):
        skeleton.fill({})


def test_a_value_with_a_line_break_fills_no_blank() -> None:
    skeleton = Skeleton({"Subject": "blank__x__blank"}, [text_part("x")], "=_b", eight_bit=False)

    with pytest.raises(ValueError, match="control characters"):
        skeleton.fill({"x": "a\r\n\tb"})


def test_what_is_somebody_elses_never_fills_ones_own_e_mail() -> None:
    kari, ola = make_claimed(name="Kari"), make_claimed(name="Ola")

    first, second, third = (RENDERER.render(IDENTIFIER, one, BEGINNING) for one in (kari, ola, kari))

    assert first == third
    assert b"Kari" not in second
    assert kari.registration.email.encode() not in second


def test_a_seminar_that_is_not_as_it_was_is_said_as_it_is() -> None:
    claimed = make_claimed()
    RENDERER.render(IDENTIFIER, claimed, BEGINNING)
    other = claimed._replace(seminar=SEMINAR.model_copy(update={"start": SEMINAR.start + timedelta(days=1)}))

    again, later = RENDERER.render(IDENTIFIER, other, BEGINNING), RENDERER.render(IDENTIFIER, claimed, END)

    assert "2. juni" in said(parsed(again), "plain")
    assert "takk for" in said(parsed(later), "plain")


def test_bodies_are_encoded_only_for_servers_that_want_it() -> None:
    for eight_bit, encoding in ((True, "8bit"), (False, "quoted-printable")):
        message = parsed(RENDERER.render(IDENTIFIER, make_claimed(), BEGINNING, eight_bit=eight_bit))
        assert {part["Content-Transfer-Encoding"] for part in message.walk()} == {None, encoding}


def test_a_line_too_long_to_go_unencoded_is_encoded_all_the_same() -> None:
    claimed = make_claimed()
    long = claimed._replace(seminar=SEMINAR.model_copy(update={"title": "å" * 600}))

    content = RENDERER.render(IDENTIFIER, long, BEGINNING, eight_bit=True)

    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert "å" * 600 in said(parsed(content), "plain")


def test_news_can_be_unsubscribed_from_and_answers_cannot() -> None:
    for kind in TO_PEOPLE:
        message = parsed(RENDERER.render(IDENTIFIER, make_claimed(kind), BEGINNING))
        assert ("List-Unsubscribe" in message) == (message["List-Unsubscribe-Post"] is not None) == (kind in NEWS)


def test_a_norwegian_domain_is_written_as_every_server_knows_it() -> None:
    content = RENDERER.render(IDENTIFIER, make_claimed(email="kari@blåbær.no"), BEGINNING)

    assert b"<kari@xn--blbr-roah.no>" in content


TICKETED = (Kind.CONFIRMATION, Kind.PROMOTED, Kind.SWITCHED, Kind.CHANGED, Kind.LINK_AGAIN, Kind.REMINDER)


@pytest.mark.parametrize("kind", TICKETED)
def test_who_has_a_seat_gets_the_way_to_their_ticket_in_text_and_html(kind: Kind) -> None:
    claimed = make_claimed(kind, attendance=Attendance.IN_PERSON)
    ticket = f"{RENDERER.values(IDENTIFIER, claimed, BEGINNING)['my']}/ticket"

    message = parsed(RENDERER.render(IDENTIFIER, claimed, BEGINNING))

    assert f"Billetten din til inngangen:\n{ticket}\n" in said(message, "plain").replace("\r\n", "\n")
    assert f'href="{ticket}"' in said(message, "html")


@pytest.mark.parametrize(
    ("kind", "person", "now"),
    [
        (Kind.CONFIRMATION, {"attendance": Attendance.ONLINE}, BEGINNING),
        (Kind.CHANGED, {"attendance": Attendance.IN_PERSON, "status": RegistrationStatus.WAITLISTED}, BEGINNING),
        (Kind.LINK_AGAIN, {"attendance": Attendance.IN_PERSON, "status": RegistrationStatus.CANCELLED}, BEGINNING),
        (Kind.CANCELLED, {"attendance": Attendance.IN_PERSON}, BEGINNING),
        (Kind.SEMINAR_CANCELLED, {"attendance": Attendance.IN_PERSON}, BEGINNING),
        (Kind.REMINDER, {"attendance": Attendance.IN_PERSON}, END),
        (Kind.LINK_AGAIN, {"attendance": Attendance.IN_PERSON}, END),
        (Kind.RECORDING, {"attendance": Attendance.IN_PERSON}, END),
    ],
)
def test_nobody_else_is_told_of_a_ticket(kind: Kind, person: dict[str, Any], now: datetime) -> None:
    message = parsed(RENDERER.render(IDENTIFIER, make_claimed(kind, **person), now))

    assert "/ticket" not in said(message, "plain") + said(message, "html")
