import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.settings import Settings
from shared.web.session import LENGTH, issue, verify
from tests.factories import TOKEN, UNHURRIED, make_settings

NOW = 1_700_000_000.0
NOWHERE = "postgresql://nowhere"
SETTINGS = make_settings(Settings, NOWHERE, organiser_tokens=f"Plan:{TOKEN},Other:another-token,unnamed-token")


def issued(settings: Settings = SETTINGS, token: str = TOKEN) -> str:
    cookie = issue(settings, token, NOW)
    assert cookie
    return cookie


@pytest.mark.parametrize(
    ("token", "name"), [(TOKEN, "Plan"), ("another-token", "Other"), ("unnamed-token", "organiser")]
)
def test_a_session_is_its_organisers(token: str, name: str) -> None:
    session = verify(SETTINGS, issued(token=token), NOW)

    assert session
    assert session.organiser == name


@pytest.mark.parametrize("token", ["", "wrong", f"Plan:{TOKEN}"])
def test_there_is_no_session_for_what_is_nobodys_token(token: str) -> None:
    assert issue(SETTINGS, token, NOW) is None


def test_a_session_ends_after_eight_hours() -> None:
    cookie = issued()

    assert verify(SETTINGS, cookie, NOW + LENGTH - 1)
    assert verify(SETTINGS, cookie, NOW + LENGTH) is None


def test_a_session_ends_when_its_token_is_removed_and_the_others_go_on() -> None:
    fewer = make_settings(Settings, NOWHERE, organiser_tokens="Other:another-token")

    assert verify(fewer, issued(), NOW) is None
    assert verify(fewer, issued(token="another-token"), NOW)


def test_a_session_holds_while_its_key_verifies() -> None:
    rotated = make_settings(Settings, NOWHERE, secret_key="the key of the next year,a secret for tests only")
    gone = make_settings(Settings, NOWHERE, secret_key="the key of the next year")

    assert verify(rotated, issued(), NOW)
    assert verify(gone, issued(), NOW) is None


def test_two_sessions_of_one_organiser_differ() -> None:
    assert issued() != issued()


@UNHURRIED
@given(st.integers(0, 55), st.integers(1, 255))
def test_a_session_with_any_byte_changed_is_none(place: int, change: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(issued()))
    raw[place] ^= change

    assert verify(SETTINGS, base64.urlsafe_b64encode(raw).decode(), NOW) is None


@UNHURRIED
@given(st.text(max_size=100))
def test_what_is_no_session_is_none_and_nothing_worse(text: str) -> None:
    assert verify(SETTINGS, text, NOW) is None
