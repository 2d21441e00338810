"""What is read in messages that others' machines write: reports, calendars' replies, holidays, and any bytes at all."""

import io
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.notification.bounces import Bounced
from services.notification.inbound import take
from services.notification.replies import LARGEST, AutoReply, Declined, Other, Received, read
from tests.factories import UNHURRIED
from tests.mail import make_reply, make_report

TAG = "a2" * 21
HERE = f"svar+{TAG}@seminars.example.org"
UID = "planstrategi-4-0@seminars.example.org"

sound = st.sampled_from([make_report(HERE), make_reply(HERE, UID)])


# --- reports ---


def test_a_report_tells_who_did_not_get_what_and_why() -> None:
    bounced = read(make_report(HERE))

    assert isinstance(bounced, Bounced)
    assert bounced.tags == (TAG,)
    assert bounced.recipients == ("kari@example.org", "kari@example.org")
    assert (bounced.failed, bounced.permanent, bounced.status) == (True, True, "5.1.1")
    assert bounced.diagnostic.startswith("smtp; 550") or bounced.diagnostic.startswith("550 5.1.1")


@pytest.mark.parametrize(
    ("action", "status", "failed", "permanent"),
    [
        ("failed", "5.2.1", True, True),
        ("Failed", "4.4.7", True, False),  # it was tried for days: that e-mail is lost, the address may be fine
        ("delayed", "4.4.1", False, False),
        ("delivered", "2.0.0", False, False),
        ("relayed", "5.0.0", False, False),
    ],
)
def test_only_what_failed_has_bounced_and_only_a_5_is_for_good(
    action: str, status: str, *, failed: bool, permanent: bool
) -> None:
    bounced = read(make_report(HERE, action=action, status=status))

    assert isinstance(bounced, Bounced)
    assert (bounced.failed, bounced.permanent) == (failed, permanent)


@pytest.mark.parametrize("header", ["Delivered-To", "X-Original-To", "Envelope-To"])
def test_the_address_it_came_to_may_stand_where_only_the_last_server_writes(header: str) -> None:
    bounced = read(f"{header}: {HERE.upper()}\n".encode() + make_report("somebody@example.org"))

    assert isinstance(bounced, Bounced)
    assert [tag.lower() for tag in bounced.tags] == [TAG]


def test_the_address_it_came_to_may_be_told_by_the_server() -> None:
    bounced = read(make_report("somebody@example.org"), [HERE])

    assert isinstance(bounced, Bounced)
    assert bounced.tags == (TAG,)


def test_an_address_in_what_is_returned_is_not_where_it_came_to() -> None:
    bounced = read(make_report("somebody@example.org", returned=f"To: {HERE}"))

    assert isinstance(bounced, Bounced)
    assert bounced.tags == ()


def test_a_report_is_the_same_however_often_it_arrives_and_another_is_not() -> None:
    one, again, other = (read(make_report(HERE, message_id=key)) for key in ("<1@x>", "<1@x>", "<2@x>"))

    assert isinstance(one, Bounced)
    assert isinstance(again, Bounced)
    assert isinstance(other, Bounced)
    assert one.report == again.report != other.report


def test_what_a_stranger_says_in_a_report_is_one_line_that_can_be_kept() -> None:
    bounced = read(make_report(HERE, diagnostic="smtp; 550 \x00\x1b[31m" + "no\r\n " * 10_000))

    assert isinstance(bounced, Bounced)
    assert bounced.diagnostic.isprintable()
    assert len(bounced.diagnostic) <= 500


def test_a_bounce_that_is_no_report_is_nothing_to_us() -> None:
    bounce = b"Return-Path: <>\nFrom: MAILER-DAEMON@x\nSubject: failure notice\n\nHi. This is the qmail-send program."

    assert isinstance(read(bounce), AutoReply)


# --- calendars' replies ---


def test_a_calendar_that_declines_says_what_and_for_whom() -> None:
    assert read(make_reply(HERE, UID, sender="Kari@Example.org")) == Declined((TAG,), "kari@example.org", UID)


@pytest.mark.parametrize("partstat", ["ACCEPTED", "TENTATIVE", "DELEGATED", "NEEDS-ACTION"])
def test_any_other_answer_is_nothing_to_us(partstat: str) -> None:
    assert isinstance(read(make_reply(HERE, UID, partstat=partstat)), Other)


@pytest.mark.parametrize("method", ["REQUEST", "COUNTER", "CANCEL", "PUBLISH"])
def test_what_is_no_reply_declines_nothing(method: str) -> None:
    assert isinstance(read(make_reply(HERE, UID, method=method)), Other)


# --- nobody's words ---


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied",
        "auto-submitted: Auto-Replied (vacation)",
        "Auto-Submitted: auto-notified; owner-email=x@example.org",
        "X-Autoreply: yes",
        "X-Autorespond: on holiday",
        "Precedence: bulk",
        "Precedence: auto_reply",
        "List-Id: <everybody.example.org>",
        "Return-Path: <>",
    ],
)
def test_what_no_person_wrote_is_an_auto_reply_even_if_it_declines(header: str) -> None:
    assert read(make_reply(HERE, UID, headers=header)) == AutoReply()


@pytest.mark.parametrize("header", ["Auto-Submitted: no", "Auto-Submitted: auto-generated", "Precedence: normal"])
def test_a_calendar_in_which_somebody_pressed_a_button_is_heard(header: str) -> None:
    assert isinstance(read(make_reply(HERE, UID, headers=header)), Declined)


def test_an_auto_generated_message_that_declines_nothing_is_an_auto_reply() -> None:
    assert read(b"Auto-Submitted: auto-generated\n\nHei") == AutoReply()


# --- any bytes at all ---


@UNHURRIED
@given(st.binary(max_size=2000))
@example(b"")
@example(b"Content-Type: text/calendar\n\nBEGIN:VCALENDAR\nMETHOD:REPLY\nBEGIN:VEVENT\nATTENDEE;PARTSTAT=DECLINED")
@example(b"Content-Type: text/calendar; charset=no-such\nContent-Transfer-Encoding: base64\n\n\xff")
@example(b"Message-ID: \xff\xfe\nTo: \xe5\nContent-Type: multipart/report; boundary=\n\n--")
def test_no_bytes_are_too_broken_to_be_read(content: bytes) -> None:
    assert isinstance(read(content), Received)


@UNHURRIED
@given(sound, st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=8)), max_size=6))
def test_no_damage_to_what_was_sound_is_too_much(content: bytes, damages: list[tuple[int, bytes]]) -> None:
    for place, damage in damages:
        content = content[:place] + damage + content[place + len(damage) :]

    assert isinstance(read(content, [HERE]), Received)


@pytest.mark.parametrize("kind", ["multipart/mixed; boundary=b{}", "message/rfc822"])
@pytest.mark.parametrize("depth", [200, 20_000])
def test_parts_within_parts_keep_nobody_busy(kind: str, depth: int) -> None:
    deep = "".join(f"Content-Type: {kind.format(n)}\n\n--b{n}\n" for n in range(depth)).encode() + b"\n" * 200_000
    begun = time.perf_counter()

    assert isinstance(read(deep), Other)
    assert time.perf_counter() - begun < 1


def test_what_is_behind_a_million_bytes_is_not_read() -> None:
    reply = make_reply(HERE, UID)
    head, _, body = reply.partition(b"--b\n")

    assert isinstance(read(head + b"x" * LARGEST + b"\n--b\n" + body), Other)


def test_of_a_stream_no_more_is_kept_than_is_looked_at_and_all_is_taken() -> None:
    stream = io.BytesIO(b"x" * (3 * LARGEST + 7))

    assert len(take(stream)) == LARGEST
    assert stream.read() == b""
