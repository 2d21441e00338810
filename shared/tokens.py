"""Personal links: derived from what they stand for, so they are stored nowhere and every e-mail carries the same one.

A token is base64url(registration id, 16 bytes | link version, 2 bytes | HMAC-SHA-256 truncated to 16 bytes, RFC 2104),
with a key of its own per purpose. It is revoked by raising the registration's link version.

A tag stands in an address that mail servers write to (VERP): base32(id, 16 bytes | HMAC-SHA-256 truncated to 10 bytes),
in lower case, as not every server on the way keeps the case of a local part, which may have 64 characters at most.
"""

import base64
import binascii
import hmac
import struct
from functools import cache
from typing import Literal, NamedTuple
from uuid import UUID

Purpose = Literal["manage", "ticket", "unsubscribe", "watch"]
TagPurpose = Literal["bounce", "reply"]
_BODY = struct.Struct(">16sH")
_MAC_BYTES = 16
_TAG_MAC_BYTES = 10  # nobody guesses 80 bits by sending e-mails


class Link(NamedTuple):
    """What a personal link stands for."""

    registration: UUID
    version: int


class InvalidTokenError(ValueError):
    """The token was not made by us for this purpose."""


def sign(keys: tuple[bytes, ...], purpose: Purpose, link: Link) -> str:
    """Return the token for `link`, 46 characters that are safe in a URL."""
    body = _BODY.pack(link.registration.bytes, link.version)
    return base64.urlsafe_b64encode(body + _mac(keys[0], purpose, body)).rstrip(b"=").decode()


def verify(keys: tuple[bytes, ...], purpose: Purpose, token: str) -> Link:
    """Return what `token` stands for; raises InvalidTokenError if no key of ours made it for `purpose`."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        body, mac = raw[: _BODY.size], raw[_BODY.size :]
        identifier, version = _BODY.unpack(body)
    except (binascii.Error, struct.error, ValueError) as error:
        raise InvalidTokenError("not a token") from error
    if not any([hmac.compare_digest(mac, _mac(key, purpose, body)) for key in keys]):  # noqa: C419 - constant time
        raise InvalidTokenError("signature does not match")
    return Link(UUID(bytes=identifier), version)


def tag(keys: tuple[bytes, ...], purpose: TagPurpose, identifier: UUID) -> str:
    """Return the tag for an e-mail or a registration, 42 characters of an address."""
    raw = identifier.bytes + _mac(keys[0], purpose, identifier.bytes)[:_TAG_MAC_BYTES]
    return base64.b32encode(raw).rstrip(b"=").decode().lower()


def read_tag(keys: tuple[bytes, ...], purpose: TagPurpose, tag: str) -> UUID:
    """Return what `tag` stands for, whatever its case; raises InvalidTokenError as `verify` does."""
    try:
        raw = base64.b32decode(tag.upper() + "=" * (-len(tag) % 8))
        identifier = UUID(bytes=raw[:16])
    except (binascii.Error, ValueError) as error:
        raise InvalidTokenError("not a tag") from error
    macs = [_mac(key, purpose, identifier.bytes)[:_TAG_MAC_BYTES] for key in keys]
    if not any([hmac.compare_digest(raw[16:], mac) for mac in macs]):  # noqa: C419 - constant time
        raise InvalidTokenError("signature does not match")
    return identifier


def _mac(key: bytes, purpose: Purpose | TagPurpose, body: bytes) -> bytes:
    return hmac.digest(_purpose_key(key, purpose), body, "sha256")[:_MAC_BYTES]


@cache
def _purpose_key(key: bytes, purpose: Purpose | TagPurpose) -> bytes:
    return hmac.digest(key, f"fagseminar/{purpose}".encode(), "sha256")
