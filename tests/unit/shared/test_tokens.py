import base64
import re
from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.tokens import InvalidTokenError, Link, Purpose, read_tag, sign, tag, verify
from tests.factories import UNHURRIED

KEYS = (b"the first key of a test",)
OTHER_KEYS = (b"another key of that test",)
LINK = Link(UUID("6f1ed002-ab59-4e2b-8b3b-5f1c2f8b7a10"), 1)

links = st.builds(Link, st.uuids(), st.integers(0, 2**16 - 1))
purposes: st.SearchStrategy[Purpose] = st.sampled_from(["manage", "unsubscribe", "watch"])
keys = st.binary(min_size=16, max_size=64)


def raw(token: str) -> bytes:
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


def token_of(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def refused(given_keys: tuple[bytes, ...], purpose: Purpose, token: str) -> bool:
    try:
        verify(given_keys, purpose, token)
    except InvalidTokenError:
        return True
    return False


@UNHURRIED
@given(keys, purposes, links)
def test_a_token_stands_for_what_it_was_made_from(key: bytes, purpose: Purpose, link: Link) -> None:
    assert verify((key,), purpose, sign((key,), purpose, link)) == link


@UNHURRIED
@given(purposes, links)
def test_a_token_is_46_characters_that_are_safe_in_an_address(purpose: Purpose, link: Link) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{46}", sign(KEYS, purpose, link))


def test_every_email_carries_the_same_token() -> None:
    assert sign(KEYS, "manage", LINK) == sign(KEYS, "manage", LINK)


@UNHURRIED
@given(purposes, purposes, links)
def test_a_token_for_one_purpose_serves_no_other(made_for: Purpose, used_for: Purpose, link: Link) -> None:
    assume(made_for != used_for)

    assert refused(KEYS, used_for, sign(KEYS, made_for, link))


@UNHURRIED
@given(keys, keys, purposes, links)
def test_a_token_of_another_key_is_refused(one: bytes, other: bytes, purpose: Purpose, link: Link) -> None:
    assume(one != other)

    assert refused((other,), purpose, sign((one,), purpose, link))


@UNHURRIED
@given(links, st.integers(0, 33), st.integers(1, 255))
def test_a_token_with_any_byte_changed_is_refused(link: Link, place: int, change: int) -> None:
    content = bytearray(raw(sign(KEYS, "manage", link)))
    content[place] ^= change

    assert refused(KEYS, "manage", token_of(bytes(content)))


@UNHURRIED
@given(links, st.integers(0, 33), st.binary(min_size=1, max_size=20))
def test_a_shortened_or_lengthened_token_is_refused(link: Link, length: int, more: bytes) -> None:
    content = raw(sign(KEYS, "manage", link))

    assert refused(KEYS, "manage", token_of(content[:length]))
    assert refused(KEYS, "manage", token_of(content + more))


@UNHURRIED
@given(st.text(max_size=100))
def test_what_is_no_token_is_refused_and_nothing_worse(text: str) -> None:
    assert refused(KEYS, "manage", text)


@pytest.mark.parametrize("length", range(4))
def test_an_empty_signature_signs_nothing(length: int) -> None:
    body = raw(sign(KEYS, "manage", LINK))[:18]

    assert refused(KEYS, "manage", token_of(body + b"\0" * length))


def test_after_a_new_key_is_put_first_old_tokens_hold_and_new_ones_are_signed_by_it() -> None:
    rotated = OTHER_KEYS + KEYS

    assert verify(rotated, "manage", sign(KEYS, "manage", LINK)) == LINK
    assert sign(rotated, "manage", LINK) == sign(OTHER_KEYS, "manage", LINK)


def test_after_a_key_is_taken_away_its_tokens_hold_no_more() -> None:
    token = sign(KEYS, "manage", LINK)

    with pytest.raises(InvalidTokenError):
        verify(OTHER_KEYS, "manage", token)


def test_a_raised_link_version_makes_another_token_so_that_the_old_one_can_be_told_apart() -> None:
    raised = sign(KEYS, "manage", LINK._replace(version=2))

    assert raised != sign(KEYS, "manage", LINK)
    assert verify(KEYS, "manage", raised).version == 2


# --- tags in addresses ---


@UNHURRIED
@given(keys, st.uuids(), st.sampled_from([str.lower, str.upper, str.swapcase]))
def test_a_tag_fits_in_a_local_part_and_survives_a_server_that_changes_its_case(
    key: bytes, identifier: UUID, change: Callable[[str], str]
) -> None:
    made = tag((key,), "bounce", identifier)

    assert re.fullmatch(r"[a-z2-7]{42}", made)
    assert read_tag((b"a newer key, for tests", key), "bounce", change(made)) == identifier


@UNHURRIED
@given(st.text(max_size=50) | st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=42, max_size=42))
def test_whatever_we_have_not_made_is_no_tag(text: str) -> None:
    with pytest.raises(InvalidTokenError):
        read_tag(KEYS, "bounce", text)


def test_a_tag_of_another_purpose_or_key_is_none() -> None:
    for made in (tag(KEYS, "reply", LINK.registration), tag(OTHER_KEYS, "bounce", LINK.registration)):
        with pytest.raises(InvalidTokenError):
            read_tag(KEYS, "bounce", made)
