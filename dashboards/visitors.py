"""Where a request comes from, as far as that can be known."""

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address, ip_network

from django.http import HttpRequest

from jobs.conf import get_settings

HOST_BITS_OF_IPV6 = 64
"""One customer has at least that many bits of addresses to choose from."""


def address_of(request: HttpRequest) -> str:
    """Return the address of the browser, empty if only a header that nobody vouches for tells it.

    Anybody can write X-Forwarded-For. Of what it says, the last QUEUEHUB["TRUSTED_PROXIES"] entries come from our
    own proxies. Without such proxies a request that has the header comes from nowhere: the web server may have
    believed it already.
    """
    forwarded = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    proxy_count = get_settings().trusted_proxies
    if proxy_count:
        return _plain(forwarded[-proxy_count]) if len(forwarded) >= proxy_count else ""
    return "" if forwarded else _plain(request.META.get("REMOTE_ADDR") or "")


def source_of(request: HttpRequest) -> str:
    """Return what one visitor cannot change at will: the address, of IPv6 the network."""
    address = address_of(request)
    if address and isinstance(ip_address(address), IPv6Address):
        return str(ip_network(f"{address}/{HOST_BITS_OF_IPV6}", strict=False))
    return address


def is_within(address: str, networks: Iterable[str]) -> bool:
    """Say whether the address lies in one of the networks."""
    return bool(address) and any(ip_address(address) in ip_network(network) for network in networks)


def _plain(text: str) -> str:
    """Return an address in its one form, empty for what is none; IPv4 inside IPv6 becomes IPv4."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    inner = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(inner or address)
