"""Reach: finds out whether others can reach this node, and makes that they can: a mapped port, a relay, a hole, Tor.

    reach = Reach(host, announced=(onion,), serves=relay.Caps(), maps_ports=True)
    group.create_task(reach.run())
    reach.addresses()                 # what to tell others

A node that can be reached may serve as a relay; one that cannot reserves at two linked relays, and opens a direct
connection to whoever comes that way.
"""

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from thalweg.errors import PeerFault, ThalwegError, Unavailable, UserFault
from thalweg.network import autonat, natpmp, reachability, relay, upnp
from thalweg.network.autonat import DialBack
from thalweg.network.discovery.groups import is_public
from thalweg.network.holes import Holes
from thalweg.network.host import Host, PeerInfo
from thalweg.network.local import local_addresses
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.natpmp import Mapping
from thalweg.network.peer_id import PeerId
from thalweg.network.reachability import Evidence, Reachability, Report
from thalweg.network.relaying import Relaying
from thalweg.network.socks import SocksProxy

TURN_SECONDS: Final = 2.0
ASK_SECONDS: Final = 60.0  # between two dial-backs, once it is clear how things are
ASKED_AT_ONCE: Final = 3  # peers
RELAYS: Final = 2  # that we reserve at
RENEW_SECONDS: Final = 600.0  # before a reservation ends
_CHANCE: Final = secrets.SystemRandom()
_log: Final = logging.getLogger(__name__)


class Reach:
    """Reachability of a host. Make it before the host runs."""

    def __init__(
        self,
        host: Host,
        *,
        announced: Sequence[Multiaddr] = (),
        serves: relay.Caps | None = None,
        maps_ports: bool = False,
        punches: bool = True,
        proxy: SocksProxy | None = None,
        proxies_all: bool = False,
        turn_seconds: float = TURN_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`announced`: addresses that a person knows to lead here (onion services, own rules of a router).

        `serves`: be a relay within these limits. `maps_ports`: ask the router. `punches`: open direct connections to
        whoever comes through a relay. `proxy`: dial onion addresses there, with `proxies_all` every address.
        """
        self._host = host
        self._announced = tuple(each.to(host.peer_id) for each in announced)
        self._maps_ports = maps_ports
        self._turn_seconds = turn_seconds
        self._clock = clock
        self._evidence = Evidence()
        self._asked_at: dict[PeerId, float] = {}
        self._mapping: Mapping | None = None
        self._mapping_said = "" if maps_ports else "not asked for"
        self._punching: set[PeerId] = set()
        self._serves = serves is not None
        self.relaying = Relaying(host, serves=serves, clock=clock, on_circuit=self._on_circuit)
        self.hole_counts: Counter[str] = Counter()
        # behind a proxy for everything nobody may learn our address: no dial-backs either way, and no holes
        self._holes = None if proxies_all else Holes(host, self._predicted, counts=self.hole_counts)
        self._dial_back = None if proxies_all else DialBack(host)
        self._punches = punches and self._holes is not None
        if proxy is not None:
            host.dialler.by_tor = proxy.dial
            host.dialler.by_proxy = proxy.dial if proxies_all else None

    @property
    def state(self) -> Reachability:
        """Return whether others reach us."""
        return self._evidence.state

    @property
    def roles(self) -> tuple[str, ...]:
        """Return what to announce: relays are of use where they can be reached."""
        return ("relay",) if self._serves and self.state is not Reachability.PRIVATE else ()

    def observed(self) -> tuple[Multiaddr, ...]:
        """Return where the peers we dialled see us."""
        links = [info for info in self._host.linked() if info.dialled and info.address.relay is None]
        return tuple(dict.fromkeys(info.observed for info in links if info.observed is not None))

    @property
    def is_local(self) -> bool:
        """Say whether nobody but this machine can dial us."""
        return all(each.ip is not None and each.ip.is_loopback for each in self._host.addresses)

    def listening(self) -> tuple[Multiaddr, ...]:
        """Return where we listen, each interface's own address where it is all of them."""
        return reachability.expanded(self._host.addresses, local_addresses(), self._host.peer_id)

    def addresses(self) -> tuple[Multiaddr, ...]:
        """Return where others may reach us, best first."""
        listening = self.listening()
        sure = (*self._announced, *self._evidence.reached())
        if self.state is not Reachability.PUBLIC:
            sure += self.relaying.addresses()
        return tuple(dict.fromkeys((*sure, *listening)))

    def report(self) -> Report:
        """Return how things are, and what to do."""
        linked = self._host.linked()
        report = Report(
            state=self.state,
            listening=tuple(map(str, self._host.addresses)),
            observed=tuple(map(str, self.observed())),
            candidates=tuple(map(str, self._candidates())),
            trials=self._evidence.trials(),
            mapping=self._mapping_said,
            relays=tuple(map(str, self.relaying.addresses())),
            told=tuple(map(str, self.addresses())),
            onion=any(each.is_onion for each in self._announced),
            links=len(linked),
            inbound=sum(not info.dialled for info in linked),
            is_relay=self._serves,
            circuits_in=self.relaying.counts["circuits_in"],
            holes=self.hole_counts["punched"],
        )
        return msgspec.structs.replace(report, advice=reachability.advise(report))

    async def run(self) -> None:
        """Watch over reachability until cancelled."""
        listening = [each for each in self._host.addresses if each.ip is not None and not each.ip.is_loopback]
        if listening:
            self._host.dialler.local_port = listening[0].port
        async with asyncio.TaskGroup() as group:
            if self._maps_ports and listening:
                group.create_task(self._keep_mapping(listening[0].port))
            while True:
                await self.check()
                await self._reserve()
                await asyncio.sleep(self._turn_seconds)

    async def check(self, *, anew: bool = False) -> None:
        """Ask a few peers to dial back, where it is time, or `anew`."""
        if self._dial_back is None or (self.is_local and not anew):
            return
        tried = self._candidates()
        now = self._clock()
        if anew:
            self._evidence.clear()
            self._asked_at.clear()
        settled = self.state is not Reachability.UNKNOWN
        able = [info for info in self._host.linked() if self._can_ask(info, now, settled=settled)]
        chosen = _CHANCE.sample(able, min(ASKED_AT_ONCE, len(able)))
        if tried and chosen:
            await asyncio.gather(*(self._ask(info.peer, tried) for info in chosen))

    def _can_ask(self, info: PeerInfo, now: float, *, settled: bool) -> bool:
        wait = ASK_SECONDS if settled else autonat.AGAIN_SECONDS
        is_due = now - self._asked_at.get(info.peer, 0.0) > wait
        return is_due and info.address.relay is None and autonat.PROTOCOL in info.protocols

    async def _ask(self, peer: PeerId, tried: tuple[Multiaddr, ...]) -> None:
        self._asked_at[peer] = self._clock()
        if self._dial_back is None:
            return
        try:
            reached = await self._dial_back.ask(peer, tried)
        except Unavailable as error:
            _log.debug("no dial-back by %s: %s", peer, error)
            return
        before = self.state
        self._evidence.add(peer, reached)
        if self.state is not before:
            _log.info("this node is %s now", self.state)

    def _predicted(self) -> tuple[Multiaddr, ...]:
        """Return where a peer's packets find us once a router lets them in: as seen, or at our own port there."""
        seen = self.observed()
        ports = {each.port for each in self._host.addresses if not each.is_onion}
        kept = [Multiaddr.of(str(each.ip), port) for each in seen if each.ip is not None for port in sorted(ports)]
        return tuple(dict.fromkeys((*seen, *kept)))

    def _candidates(self) -> tuple[Multiaddr, ...]:
        mapped = None
        if self._mapping is not None:
            mapped = Multiaddr.of(self._mapping.host, self._mapping.port)
        seen = [info.observed for info in self._host.linked() if info.observed is not None]
        return reachability.candidates(self._host.addresses, seen, mapped, self._host.peer_id)

    async def _reserve(self) -> None:
        """Keep a place at two relays while others cannot reach us."""
        if self.state is not Reachability.PRIVATE:
            return
        now = self._clock()
        held = [
            relay
            for relay, reservation in self.relaying.reservations.items()
            if reservation.expires_at - now > RENEW_SECONDS and self._host.info(relay) is not None
        ]
        able = [
            info.peer
            for info in self._host.linked()
            if relay.HOP in info.protocols and info.peer not in held and info.address.relay is None
        ]
        for peer in _CHANCE.sample(able, min(RELAYS - len(held), len(able))) if len(held) < RELAYS else ():
            try:
                await self.relaying.reserve(peer)
            except (Unavailable, PeerFault) as error:
                _log.debug("no reservation: %s", error)

    def _on_circuit(self, peer: PeerId) -> None:
        if self._punches and peer not in self._punching:
            self._punching.add(peer)
            self._host.spawn(self._punch(peer))

    async def _punch(self, peer: PeerId) -> None:
        """Become direct: dial where the peer says it is, else open a hole."""
        try:
            await self._dial_directly(peer)
            if self._holes is not None and self._host.is_relayed(peer):
                await self._holes.punch(peer)
        finally:
            self._punching.discard(peer)

    async def _dial_directly(self, peer: PeerId) -> None:
        for address in self._host.described(peer):
            if is_public(address) and address.relay is None and not address.is_onion:
                try:
                    await self._host.dialler.connect(address.to(peer), peer)
                    return
                except (Unavailable, UserFault) as error:
                    _log.debug("%s is not reached directly: %s", peer, error)

    async def _keep_mapping(self, port: int) -> None:
        """Have the router lead a port here, for as long as this runs."""
        while True:
            try:
                self._mapping = await _map(port)
                self._mapping_said = f"{self._mapping.host} port {self._mapping.port}"
                _log.info("the router leads %s here", self._mapping_said)
                wait = max(60.0, self._mapping.seconds / 2)
            except (ThalwegError, OSError) as error:
                self._mapping, self._mapping_said = None, str(error)
                wait = ASK_SECONDS * 10
            await asyncio.sleep(wait)


async def _map(port: int) -> Mapping:
    gateway = natpmp.default_gateway()
    if gateway is not None:
        try:
            return await natpmp.map_port(gateway, port)
        except Unavailable as error:
            _log.debug("%s", error)
    return await upnp.map_port(port)
