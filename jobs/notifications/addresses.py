"""Which addresses of the network a webhook may reach: those of the public Internet.

The networks are listed here, and not asked of `ipaddress`, whose opinion differs between versions of Python. They are
those of IANA's registries of special-purpose addresses, and addresses at which clouds answer their machines.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_FORBIDDEN_IPV4 = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",  # private
        "100.64.0.0/10",  # shared by customers of a provider; a cloud's metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's machines ask here
        "169.254.0.0/16",  # link-local; metadata of most clouds
        "192.0.0.0/24", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",  # protocols, documentation
        "192.88.99.0/24",  # relays of 6to4
        "198.18.0.0/15",  # benchmarks
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)  # fmt: skip
_GLOBAL_IPV6 = ip_network("2000::/3")
_FORBIDDEN_IPV6 = tuple(
    ip_network(network)
    for network in (
        "2001::/23",  # protocols, Teredo among them
        "2001:db8::/32", "3fff::/20",  # documentation
    )
)  # fmt: skip
_NAT64 = ip_network("64:ff9b::/96")
_SIX_TO_FOUR = ip_network("2002::/16")
_ISATAP = (0x00005EFE, 0x02005EFE)


def is_public(text: str) -> bool:
    """Tell whether this is an address of the public Internet, and every IPv4 address inside it is one too.

    What is no address, and an address with a zone ("fe80::1%eth0"), is not public.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _FORBIDDEN_IPV4)
    if getattr(address, "scope_id", None):
        return False
    inner = list(_embedded(address))
    is_global = address in _GLOBAL_IPV6 and not any(address in network for network in _FORBIDDEN_IPV6)
    is_translated = address.ipv4_mapped is not None or address in _NAT64
    return (is_global or is_translated) and all(is_public(str(part)) for part in inner)


def _embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses to which a gateway or the system itself would send what goes to this one."""
    number = int(address)
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address in _NAT64:
        yield IPv4Address(number & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        yield IPv4Address(number >> 80 & 0xFFFFFFFF)
    if number >> 32 & 0xFFFFFFFF in _ISATAP:
        yield IPv4Address(number & 0xFFFFFFFF)
