"""Nobody chooses the address that they are counted by."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.web.clients import UNKNOWN, client_address, is_within, read_networks, subscriber

PROXIES = read_networks("10.0.0.0/8, 2001:db8:ffff::/48, 192.0.2.7")

addresses = st.ip_addresses().map(str)
strangers = addresses.filter(lambda text: not is_within(client_address(text, [], ()), PROXIES))
proxies = st.one_of(
    st.ip_addresses(network="10.0.0.0/8"), st.ip_addresses(network="2001:db8:ffff::/48"), st.just("192.0.2.7")
).map(str)
entries = st.one_of(addresses, proxies, st.text(), st.sampled_from(["", "unknown", "_hidden", "10.0.0.1:80", "[::1]"]))
written = st.lists(st.lists(entries).map(", ".join))  # header lines


def plain(address: str) -> str:
    """Return the address as we write it: of an IPv4 address in IPv6, the former."""
    parsed = ip_address(address)
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


@given(strangers, written)
def test_whoever_is_no_trusted_proxy_is_who_they_are_whatever_they_write(peer: str, forwarded: list[str]) -> None:
    assert client_address(peer, forwarded, PROXIES) == plain(peer)


@given(strangers, written, st.lists(proxies, min_size=1, max_size=3))
def test_behind_trusted_proxies_one_is_who_the_first_of_them_saw_whatever_one_wrote(
    client: str, forwarded: list[str], path: list[str]
) -> None:
    *before, peer = path

    assert client_address(peer, [*forwarded, ", ".join([client, *before])], PROXIES) == plain(client)


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ([], "10.0.0.1"),
        ([""], "10.0.0.1"),
        (["192.0.2.1"], "192.0.2.1"),
        (["198.51.100.9, 192.0.2.1"], "192.0.2.1"),
        (["198.51.100.9", "192.0.2.1"], "192.0.2.1"),
        (["192.0.2.1,10.1.1.1 , 192.0.2.7"], "192.0.2.1"),
        (["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
        (["192.0.2.1, unknown"], "10.0.0.1"),
        (["192.0.2.1, unknown, 10.2.2.2"], "10.2.2.2"),
        (["192.0.2.1:50123"], "192.0.2.1"),
        (["[2001:db8::1]:50123"], "2001:db8::1"),
        (["2001:DB8::0:1"], "2001:db8::1"),
        (["::ffff:192.0.2.1"], "192.0.2.1"),
        (["fe80::1%eth0"], "fe80::1"),
    ],
)
def test_a_trusted_proxy_names_the_client(forwarded: list[str], client: str) -> None:
    assert client_address("10.0.0.1", forwarded, PROXIES) == client


@pytest.mark.parametrize("peer", [None, "", "/run/socket"])
def test_who_comes_by_no_address_is_unknown_and_believed_nothing(peer: str | None) -> None:
    assert client_address(peer, ["192.0.2.1"], PROXIES) == UNKNOWN
    assert not is_within(UNKNOWN, PROXIES)


def test_a_proxy_that_reaches_us_over_ipv6_is_known_by_its_ipv4_address_too() -> None:
    assert client_address("::ffff:10.0.0.1", ["192.0.2.1"], PROXIES) == "192.0.2.1"


def test_an_ipv6_subscriber_is_one_whatever_address_they_choose_of_theirs() -> None:
    assert subscriber("2001:db8:1:2::1") == subscriber("2001:db8:1:2:ffff::9") != subscriber("2001:db8:1:3::1")
    assert subscriber("192.0.2.1") != subscriber("192.0.2.2")


@pytest.mark.parametrize("text", ["proxy.example.org", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/8;::1", "300.1.1.1"])
def test_what_are_no_networks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^wants comma-separated networks or addresses"):
        read_networks(text)
