"""Address groups: what one party commonly controls whole, so that it counts once where diversity protects.

IPv4 by /16, IPv6 by /32 (a provider's block), each onion service and host name by itself. A relayed address belongs to
its relay's group. Addresses that nobody can reach from outside count as one group each kind.
"""

import ipaddress
from typing import Final

from thalweg.network.multiaddr import Multiaddr

IPV4_PREFIX: Final = 16
IPV6_PREFIX: Final = 32


def group_of(address: Multiaddr) -> str:
    """Return the group of an address."""
    ip = address.ip
    if ip is None:
        return f"onion {address.host}" if address.is_onion else f"name {address.host.lower()}"
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    ip = mapped or ip
    prefix = IPV4_PREFIX if ip.version == 4 else IPV6_PREFIX
    return str(ipaddress.ip_network((ip, prefix), strict=False))


def is_public(address: Multiaddr) -> bool:
    """Say whether others on the internet can be told of an address."""
    return address.ip is None or (address.ip.is_global and not address.ip.is_multicast)


def may_be_told(address: Multiaddr, asker: str) -> bool:
    """Say whether an address is of use to whoever asks from `asker`: private ones only within their own kind."""
    if is_public(address):
        return True
    try:
        ip = ipaddress.ip_address(asker.partition("%")[0])
    except ValueError:
        return False
    told = address.ip
    if told is None or told.is_multicast or told.is_unspecified:
        return False
    return ip.is_loopback if told.is_loopback else ip.is_private
