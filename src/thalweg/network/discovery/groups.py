"""Address groups: what one party commonly controls whole, so that it counts once where diversity protects.

IPv4 by /16, IPv6 by /32 (a provider's block), each onion service and host name by itself. A relayed address belongs to
its relay's group. Addresses that nobody can reach from outside count as one group each kind.
"""

import ipaddress
from collections.abc import Collection, Iterable
from enum import IntEnum
from functools import lru_cache
from typing import Final

from thalweg.network.multiaddr import IpAddress, Multiaddr

IPV4_PREFIX: Final = 16
IPV6_PREFIX: Final = 32
PORT_MIN: Final = 1024  # from here on anybody may serve anything
PORTS_ALLOWED: Final = frozenset((80, 443))  # below it: where firewalls let nothing else through
_BROADCAST: Final = ipaddress.IPv4Address("255.255.255.255")
_TRANSLATED: Final = tuple(map(ipaddress.IPv6Network, ("2002::/16", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32")))


class Reach(IntEnum):
    """From where an IP address can be reached."""

    NOWHERE = 0  # names no machine, many, or another address inside it
    LOOPBACK = 1
    PRIVATE = 2  # within one network
    PUBLIC = 3


def plain(ip: IpAddress) -> IpAddress:
    """Return an IPv4 address that is written as an IPv6 one in its own form."""
    return (ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else ip


def reach_of(host: str | IpAddress) -> Reach:
    """Say from where an IP address can be reached; a text that is none is NOWHERE."""
    try:
        ip = plain(ipaddress.ip_address(host.partition("%")[0] if isinstance(host, str) else host))
    except ValueError:
        return Reach.NOWHERE
    if ip.is_loopback:
        return Reach.LOOPBACK
    if ip.is_unspecified or ip.is_multicast or any(ip in net for net in _TRANSLATED if ip.version == 6):
        return Reach.NOWHERE
    if ip.is_global:
        return Reach.PUBLIC
    return Reach.NOWHERE if ip.is_reserved or ip == _BROADCAST else Reach.PRIVATE


def group_of(address: Multiaddr) -> str:
    """Return the group of an address."""
    if address.ip is None:
        return f"onion {address.host}" if address.is_onion else f"name {address.host.lower()}"
    return wide_group(address.host)


@lru_cache(maxsize=8192)
def wide_group(host: str) -> str:
    """Return the group of an IP address; a text that is none is a group of its own."""
    try:
        ip = plain(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return host
    return str(ipaddress.ip_network((ip, IPV4_PREFIX if ip.version == 4 else IPV6_PREFIX), strict=False))


@lru_cache(maxsize=8192)
def address_group(host: str) -> str:
    """Return what is limited together: an IPv4 address, or the /64 that one IPv6 user commonly has."""
    try:
        ip = plain(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return host
    return str(ip) if ip.version == 4 else str(ipaddress.ip_network((ip, 64), strict=False))


def is_public(address: Multiaddr) -> bool:
    """Say whether others on the internet can be told of an address."""
    return address.ip is None or reach_of(address.ip) is Reach.PUBLIC


def may_be_told(address: Multiaddr, asker: str) -> bool:
    """Say whether an address is of use to whoever asks from `asker`: private ones only within their own kind."""
    if address.ip is None:
        return True
    reach = reach_of(address.ip)
    if reach is Reach.PUBLIC:
        return True
    asks_from = reach_of(asker)
    if reach is Reach.LOOPBACK:
        return asks_from is Reach.LOOPBACK
    return reach is Reach.PRIVATE and asks_from in (Reach.LOOPBACK, Reach.PRIVATE)


def may_be_taken(address: Multiaddr, source: str, own: Collection[Multiaddr]) -> bool:
    """Say whether to believe `source` (its IP address) where some other node is; `own` are our own addresses.

    Whoever names an address makes everybody who believes it dial there. So a stranger may name public addresses only,
    and no service's well-known port; private ones count among nodes of one private network, and names never, since
    resolving them occupies a thread and may lead anywhere.
    """
    if address.is_onion:
        return True
    if address.ip is None or (address.port < PORT_MIN and address.port not in PORTS_ALLOWED):
        return False
    if reach_of(address.ip) is Reach.PUBLIC:
        return True
    return not any(map(is_public, own)) and may_be_told(address, source)


def worth_telling(own: Iterable[Multiaddr]) -> tuple[Multiaddr, ...]:
    """Return which of our own addresses to announce: public ones, where there are any; never one that is nowhere."""
    able = [address for address in own if address.ip is None or reach_of(address.ip) is not Reach.NOWHERE]
    return tuple(filter(is_public, able)) or tuple(able)
