"""Whose request it is: the client's address, as far as the proxies that we trust can tell.

X-Forwarded-For is read from its end, since what stands before a trusted proxy's own entry may have been written by
anybody. Forwarded (RFC 7239) is not read at all: a proxy that does not know it passes on what the client put there.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Networks = tuple[IPv4Network | IPv6Network, ...]

UNKNOWN = "unknown"  # who came by no address, as over a Unix socket; services listen on TCP alone
SUBSCRIBER = 64  # bits of an IPv6 address that are one subscriber's network (RFC 6177); the rest they choose at will


def read_networks(text: str) -> Networks:
    """Return the comma-separated networks and single addresses; raises ValueError."""
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError("wants comma-separated networks or addresses, such as 127.0.0.1,10.0.0.0/8") from None


def client_address(peer: str | None, forwarded: Iterable[str], trusted: Networks) -> str:
    """Return the nearest address that is no trusted proxy's, or the farthest that is named when all of them are.

    `peer` is who connected to us, `forwarded` the values of X-Forwarded-For as they came. A trusted proxy that names no
    address before it hides its clients, and stands for them all.
    """
    address = _address(peer or "")
    if address is None:
        return UNKNOWN
    if is_within(address, trusted):
        for hop in reversed(",".join(forwarded).split(",")):
            named = _address(hop)
            if named is None:
                break
            address = named
            if not is_within(address, trusted):
                break
    return str(address)


def is_within(address: str | IPv4Address | IPv6Address, networks: Networks) -> bool:
    """Return whether the address is in one of the networks; one that is unknown is in none."""
    if address == UNKNOWN:
        return False
    known = ip_address(address) if isinstance(address, str) else address
    return any(known in network for network in networks)


def subscriber(address: str) -> str:
    """Return what stands for whoever has the address: itself, of IPv6 the network."""
    return str(ip_network((address, SUBSCRIBER), strict=False)) if ":" in address else address


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address in an entry, which may have a port (some proxies add one) or a scope; None if it is none."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
