"""Can others reach this node: what speaks for it, where it may be reached, what to do. Pure."""

import ipaddress
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from thalweg.network.discovery.groups import is_public
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import PeerId

AGREEING_MIN: Final = 2  # peers that must say the same, where as many were asked
REMEMBERED_MAX: Final = 8  # newest answers


class Reachability(StrEnum):
    """What dial-backs say."""

    UNKNOWN = "unknown"
    PUBLIC = "public"
    PRIVATE = "private"


class Trial(msgspec.Struct, frozen=True):
    """A peer tried to reach us at one of some addresses."""

    peer: str
    reached: str  # the address, or nothing


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a doctor needs to know. Addresses as text."""

    state: Reachability
    listening: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()  # where peers see us
    candidates: tuple[str, ...] = ()  # where they were asked to try
    trials: tuple[Trial, ...] = ()
    mapping: str = ""  # of the router's port, or why there is none
    relays: tuple[str, ...] = ()  # addresses through relays
    told: tuple[str, ...] = ()  # what peers are told
    onion: bool = False
    links: int = 0
    inbound: int = 0
    is_relay: bool = False
    circuits_in: int = 0
    holes: int = 0  # circuits that became direct links
    advice: tuple[str, ...] = ()


class Evidence:
    """The newest dial-backs, one a peer."""

    def __init__(self) -> None:
        self._said: dict[PeerId, str] = {}

    def add(self, peer: PeerId, reached: Multiaddr | None) -> None:
        """Note what a peer found."""
        self._said.pop(peer, None)
        self._said[peer] = "" if reached is None else str(reached)
        while len(self._said) > REMEMBERED_MAX:
            del self._said[next(iter(self._said))]

    def clear(self) -> None:
        """Forget everything: our addresses have changed."""
        self._said.clear()

    def __len__(self) -> int:
        return len(self._said)

    @property
    def state(self) -> Reachability:
        """Return what most of those who tried say; two must agree where there are as many."""
        reached = sum(bool(each) for each in self._said.values())
        failed = len(self._said) - reached
        if not self._said or reached == failed:
            return Reachability.UNKNOWN
        if max(reached, failed) < min(AGREEING_MIN, len(self._said)):
            return Reachability.UNKNOWN
        return Reachability.PUBLIC if reached > failed else Reachability.PRIVATE

    def trials(self) -> tuple[Trial, ...]:
        """Return who tried."""
        return tuple(Trial(str(peer), reached) for peer, reached in self._said.items())

    def reached(self) -> tuple[Multiaddr, ...]:
        """Return the addresses at which we were reached."""
        return tuple(dict.fromkeys(Multiaddr.parse(each) for each in self._said.values() if each))


def candidates(
    listening: Iterable[Multiaddr], observed: Iterable[Multiaddr], mapped: Multiaddr | None, own: PeerId
) -> tuple[Multiaddr, ...]:
    """Return where others may reach us: what the router maps, and our port at the IP that most peers see us at."""
    found: list[Multiaddr] = [] if mapped is None else [mapped]
    seen = Counter(str(each.ip) for each in observed if each.ip is not None)
    hosts = [host for host, _ in seen.most_common(2)]
    for address in listening:
        if address.ip is None or address.is_onion:
            continue
        if is_public(address):
            found.append(address)
        found += [Multiaddr.of(host, address.port) for host in hosts if _same_kind(host, address)]
    return tuple(dict.fromkeys(each.to(own) for each in found))


def expanded(listening: Iterable[Multiaddr], local: Sequence[str], own: PeerId) -> tuple[Multiaddr, ...]:
    """Return the addresses we listen at, each interface's own where it is all of them."""
    found: list[Multiaddr] = []
    for address in listening:
        if address.ip is not None and address.ip.is_unspecified:
            found += [Multiaddr.of(host, address.port) for host in local if _same_kind(host, address)]
        else:
            found.append(address)
    return tuple(dict.fromkeys(each.to(own) for each in found))


def advise(report: Report) -> tuple[str, ...]:
    """Return what to do, most useful first."""
    loopback = all("/ip4/127." in text or "/ip6/::1/" in text for text in report.listening)
    if report.state is Reachability.PUBLIC:
        said = ["Others reach this node. Nothing needs to be done."]
        return tuple(said if report.is_relay else [*said, "Start it with --relay to help those who cannot be reached."])
    if report.links == 0:
        return ("This node has no links. Name a peer it can begin with: thalweg up --bootstrap ADDRESS.",)
    if loopback and not report.onion:
        return ("It listens on this machine only. Start it with --listen 0.0.0.0:4001.",)
    if report.state is Reachability.UNKNOWN:
        return ("No linked peer has tried to reach this node yet. Wait a minute, or link to more peers.",)
    port = next((text.split("/")[4] for text in report.listening if len(text.split("/")) > 4), "its port")
    advice = [
        f"Others cannot reach this node directly. Let the router lead TCP port {port} to this machine, or switch on "
        "UPnP or NAT-PMP there.",
        f"See that no firewall here refuses TCP port {port}.",
    ]
    if report.relays:
        advice.insert(0, f"This node is reached through {len(report.relays)} relayed addresses, so it works as it is.")
    else:
        advice.append("No linked peer relays: link to one that does (role relay in `thalweg peers`).")
    return (*advice, "Or use Tor: an onion service for the port, and --announce /onion3/NAME:PORT.")


def _same_kind(host: str, address: Multiaddr) -> bool:
    return address.ip is not None and ipaddress.ip_address(host).version == address.ip.version
