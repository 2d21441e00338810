"""A passage of the organisers' own: what may stand in it, and that it stands in both parts of every e-mail."""

import email
from email.policy import default
from itertools import product
from typing import get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notification.model import TO_PEOPLE, Claimed, Kind
from services.notification.passages import LONGEST, PLACEHOLDERS, Part, faults, paragraphs, plain, tidied
from services.notification.rendering import Renderer, wording
from shared.messages import Attendance, Language, RegistrationStatus
from tests.factories import UNHURRIED
from tests.integration.notification.conftest import make_settings
from tests.snapshots import BEGINNING, make_registration, make_seminar

VALUES = {"name": "Åse", "seminar": "Plan", "start": "1. juni", "link": "https://a.no/w", "mine": "https://a.no/m"}
HOSTILE = "<script>alert(1)</script> & <mj-raw>{name}</mj-raw>"
IDENTIFIER = UUID(int=7)
STATUS = {Kind.WAITING_LIST: RegistrationStatus.WAITLISTED, Kind.CANCELLED: RegistrationStatus.CANCELLED}
RENDERER = Renderer(make_settings("postgresql://localhost/notification"))
SEMINAR = make_seminar(stream_access="registered")


def wrong(**texts: str) -> dict[str, str]:
    everywhere = {"nb": "Hei.", "nn": "Hei.", "en": "Hello."}
    return {fault.field: fault.detail for fault in faults(tidied(everywhere | texts))}


def claimed(kind: Kind, language: Language = "nb", passage: str = "", **person: object) -> Claimed:
    status = STATUS.get(kind, RegistrationStatus.CONFIRMED)
    someone = make_registration(language=language, status=status, **person)
    return Claimed(kind, 1, 1, someone, SEMINAR, 1, unsubscribed=False, suppressed=False, passage=passage)


def parts(content: bytes) -> tuple[str, str]:
    message = email.message_from_bytes(content, policy=default)
    bodies = (message.get_body((form,)) for form in ("plain", "html"))
    text, html = (body.get_content().replace("\r\n", "\n") for body in bodies if body)
    return text, html


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hei {navn}", "{navn} is no placeholder"),
        ("Hei {}", "{} is no placeholder"),
        ("Hei {name", "has a brace without its other half"),
        ("Hei {{name}}", "has a brace without its other half"),
        ("Hei \x00", "has characters that cannot be mailed"),
        ("Hei \x1b[31m", "has characters that cannot be mailed"),
        ("Hei \u202eon", "has characters that cannot be mailed"),
        ("Hei blank__my__blank", "has characters that cannot be mailed"),
        ("x" * (LONGEST + 1), "must not be longer than 2000 characters"),
        ("", "is needed in this language too"),
    ],
)
def test_what_is_wrong_is_said_of_the_language_that_it_stands_in(text: str, said: str) -> None:
    assert wrong(nn=text) == {"nn": said}


@pytest.mark.parametrize(
    "text", ["Hei {name} og {seminar}: {start} {link} {mine}", "a\r\n\r\nb", "👩\u200d👧 æøå", "x" * LONGEST]
)
def test_what_is_right_is_taken(text: str) -> None:
    assert wrong(nb=text) == {}


def test_none_at_all_is_right() -> None:
    assert wrong(nb=" ", nn="\r\n", en="") == {}


def test_a_passage_is_paragraphs_of_lines_with_links_to_follow() -> None:
    assert paragraphs("Hei {name},\nsjå {link}.\n\nVel møtt", VALUES) == [
        [[Part("Hei "), Part("Åse"), Part(",")], [Part("sjå "), Part("https://a.no/w", link=True), Part(".")]],
        [[Part("Vel møtt")]],
    ]
    assert paragraphs("", VALUES) == []


def test_lines_of_the_text_part_are_broken_before_the_values_are_put_in() -> None:
    assert plain("ord " * 30 + "{name}", VALUES) == f"{'ord ' * 17}ord\n{'ord ' * 12}Åse"
    assert plain("a\n\nb", VALUES) == "a\n\nb"


@pytest.mark.parametrize(("kind", "language"), list(product(TO_PEOPLE, get_args(Language))))
def test_a_passage_stands_in_both_parts_of_every_kind_of_e_mail(kind: Kind, language: Language) -> None:
    passage = "Ta med matpakke, {name}.\n\nMeld fra her: {mine}"

    text, html = parts(RENDERER.render(IDENTIFIER, claimed(kind, language, passage, name="Åse"), BEGINNING))

    assert "\n\nTa med matpakke, Åse.\n\nMeld fra her: https://fagseminar.example.no/my/" in text
    assert "Ta med matpakke, Åse." in html
    assert 'Meld fra her: <a href="https://fagseminar.example.no/my/' in html
    assert "\n\n\n" not in text
    assert "{" not in text


@pytest.mark.parametrize("kind", TO_PEOPLE)
def test_hostile_html_in_a_passage_is_only_text(kind: Kind) -> None:
    text, html = parts(RENDERER.render(IDENTIFIER, claimed(kind, passage=HOSTILE, name="<b>Åse</b>"), BEGINNING))

    assert "<script>alert(1)</script> & <mj-raw><b>Åse</b></mj-raw>" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;mj-raw&gt;&lt;b&gt;Åse&lt;/b&gt;&lt;/mj-raw&gt;" in html
    assert "<script" not in html


@UNHURRIED
@given(placeholder=st.sampled_from(PLACEHOLDERS), around=st.text("abc æø<&'\"\n", max_size=120))
def test_a_filled_passage_is_what_rendering_for_the_person_alone_gives(placeholder: str, around: str) -> None:
    passage = tidied({"nb": f"{around}{{{placeholder}}}{around}"})["nb"]
    of = claimed(Kind.REMINDER, passage=passage)
    values = RENDERER.values(IDENTIFIER, of, BEGINNING)
    directly = RENDERER.skeleton(wording(of, BEGINNING), SEMINAR, values, eight_bit=False).fill({})

    assert RENDERER.render(IDENTIFIER, of, BEGINNING) == directly


def test_a_changed_passage_is_in_the_next_e_mail_of_a_process_that_has_made_many() -> None:
    before, after = (
        parts(RENDERER.render(IDENTIFIER, claimed(Kind.REMINDER, passage=passage), BEGINNING))
        for passage in ("Som før.", "Noe nytt.")
    )

    assert ["Som før." in part for part in (*before, *after)] == [True, True, False, False]
    assert ["Noe nytt." in part for part in (*before, *after)] == [False, False, True, True]


@pytest.mark.parametrize(("kind", "attendance"), list(product(TO_PEOPLE, Attendance)))
def test_a_test_is_marked_in_its_subject_and_touches_no_calendar(kind: Kind, attendance: Attendance) -> None:
    of = claimed(kind, attendance=attendance)._replace(kind=Kind.PREVIEW, shows=kind)
    message = email.message_from_bytes(RENDERER.render(IDENTIFIER, of, BEGINNING), policy=default)
    plainly = RENDERER.subject(claimed(kind, attendance=attendance), BEGINNING)

    assert message["Subject"] == f"Prøve: {plainly}"
    assert [part for part in message.walk() if part.get_content_type() == "text/calendar"] == []
