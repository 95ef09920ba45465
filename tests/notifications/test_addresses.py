"""Which addresses a webhook may reach: every way to write one that leads inside is refused."""

import socket

import pytest

from jobs.notifications.addresses import is_public

pytestmark = [pytest.mark.fast, pytest.mark.security]

INSIDE = [
    "127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "100.64.0.1", "100.100.100.200", "169.254.169.254", "169.254.170.2", "168.63.129.16", "192.0.0.192", "192.0.2.1",
    "192.88.99.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.1", "224.0.0.1", "239.255.255.250",
    "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254",
    "ff02::1", "100::1", "2001:db8::1", "3fff::1", "5f00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:169.254.169.254", "::ffff:7f00:1", "::127.0.0.1", "::8.8.8.8", "::ffff:0:8.8.8.8", "2002:7f00:1::",
    "2002:a9fe:a9fe::1", "2002:0a00:0001::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:10::1",
    "64:ff9b::7f00:1", "64:ff9b::169.254.169.254", "64:ff9b::10.0.0.1", "64:ff9b:1::8.8.8.8",
    "2a00:1450:4001::5efe:10.0.0.1", "2a00:1450:4001::200:5efe:127.0.0.1", "2606:4700::1%eth0",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1",
    "169.253.1.1", "223.255.255.255", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e", "::ffff:8.8.8.8",
    "2002:0808:0808::1", "64:ff9b::8.8.8.8", "2a00:1450:4001::5efe:8.8.8.8",
]  # fmt: skip
NO_ADDRESS = ["", "localhost", "example.com", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "1.1.1.1 ", "[::1]"]


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_taken(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("text", NO_ADDRESS)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert not is_public(text)


@pytest.mark.parametrize("odd", ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "0", "localhost"])
def test_odd_ways_to_write_loopback_are_known_by_what_they_resolve_to(odd: str) -> None:
    found = socket.getaddrinfo(odd, 80, type=socket.SOCK_STREAM)
    assert found
    assert not any(is_public(row[4][0]) for row in found)
