"""Hole punching (DCUtR): two peers that a relay joined open a direct connection at the same moment.

Whom a circuit was made *to* begins: it learns from where the other is seen, measures the round trip over the relay, and
both dial each other so that their first packets cross, which routers take for answers. TCP's simultaneous open makes
one connection of it; who made the circuit is its client. https://github.com/libp2p/specs/blob/master/relay/DCUtR.md
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from thalweg.errors import PeerFault, Reason, Unavailable
from thalweg.network import protobuf
from thalweg.network.discovery.groups import may_be_taken
from thalweg.network.host import Host
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import PeerId
from thalweg.network.stream import Stream

PROTOCOL: Final = "/libp2p/dcutr"
CONNECT, SYNC = 100, 300
MESSAGE_BYTES_MAX: Final = 4096
ADDRESSES_MAX: Final = 8
TRIES: Final = 3
ANSWER_SECONDS_MAX: Final = 10.0
AGAIN_SECONDS: Final = 60.0
BEGUN_MAX: Final = 64  # of all peers in that time
PUNCH_SECONDS: Final = 3.0  # for one try
_log: Final = logging.getLogger(__name__)


def encode(kind: int, addresses: Sequence[Multiaddr] = ()) -> bytes:
    """Return a HolePunch message."""
    parts = [protobuf.bytes_field(2, address.encode()) for address in addresses[:ADDRESSES_MAX]]
    return protobuf.number_field(1, kind) + b"".join(parts)


def read(data: bytes) -> tuple[int, list[Multiaddr]]:
    """Parse a HolePunch message; addresses of kinds we do not know, and relayed ones, are left out.

    Raises:
        PeerFault: MALFORMED or OVERSIZED.
    """
    if len(data) > MESSAGE_BYTES_MAX:
        raise PeerFault(Reason.OVERSIZED, f"a hole-punching message of {len(data)} bytes")
    kind = 0
    addresses: list[Multiaddr] = []
    for number, value in protobuf.parse(data, 64):
        if number == 1 and isinstance(value, int):
            kind = value
        elif number == 2 and isinstance(value, bytes) and len(addresses) < ADDRESSES_MAX:
            try:
                address = Multiaddr.decode(value)
            except PeerFault:
                continue
            if address.relay is None and address.ip is not None:
                addresses.append(address)
    return kind, addresses


class Holes:
    """Hole punching on a host. Make it before the host runs."""

    def __init__(
        self,
        host: Host,
        observed: Callable[[], Sequence[Multiaddr]],
        *,
        counts: Counter[str] | None = None,
        private: bool = False,
    ) -> None:
        """`observed` says where others see us. `private`: punch to private addresses too, on local networks."""
        self.counts: Counter[str] = Counter() if counts is None else counts
        self._host = host
        self._observed = observed
        self._private = private
        self._begun: list[tuple[PeerId, float]] = []  # who had us punch, and when
        host.handle(PROTOCOL, self._serve)

    async def punch(self, peer: PeerId) -> bool:
        """Replace the circuit that a peer made to us by a direct link; say whether that worked."""
        for _ in range(TRIES):
            try:
                await self._try(peer)
            except (Unavailable, PeerFault, TimeoutError) as error:
                _log.debug("no hole to %s: %s", peer, error)
            if await self._is_direct(peer):
                self.counts["punched"] += 1
                return True
        self.counts["failed"] += 1
        return False

    async def _try(self, peer: PeerId) -> None:
        info = self._host.info(peer)
        if info is None or info.address.relay is None:
            return
        clock = asyncio.get_running_loop().time
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            stream = await self._host.open(peer, PROTOCOL)
            asked_at = clock()
            await stream.write_message(encode(CONNECT, self._observed()))
            kind, addresses = read(await stream.read_message() or b"")
            if kind != CONNECT:
                raise PeerFault(Reason.MALFORMED, "no answer to a CONNECT")
            half = (clock() - asked_at) / 2
            await stream.write_message(encode(SYNC))
            stream.close()
        await asyncio.sleep(half)
        await self._open_all(addresses, peer, as_client=False)

    async def _serve(self, stream: Stream) -> None:
        """Let the peer that our circuit leads to begin."""
        if not self._host.is_relayed(stream.peer):
            raise Unavailable(Reason.UNREACHABLE, "the link is direct already")
        self._count(stream.peer)
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                kind, addresses = read(await stream.read_message() or b"")
                if kind != CONNECT:
                    raise PeerFault(Reason.MALFORMED, "hole punching begins with a CONNECT")
                await stream.write_message(encode(CONNECT, self._observed()))
                kind, _ = read(await stream.read_message() or b"")
        except TimeoutError as error:
            raise Unavailable(Reason.UNREACHABLE, "hole punching was not gone on with") from error
        if kind == SYNC:
            self._host.spawn(self._open_all(addresses, stream.peer, as_client=True))

    def _count(self, peer: PeerId) -> None:
        """Count a peer's tries: each has us dial whatever it names.

        Raises:
            Unavailable: FLOOD, too many in a while, of it or of all.
        """
        now = asyncio.get_running_loop().time()
        self._begun = [(who, at) for who, at in self._begun if now - at < AGAIN_SECONDS]
        if len(self._begun) >= BEGUN_MAX or [who for who, _ in self._begun].count(peer) >= TRIES:
            raise Unavailable(Reason.FLOOD, f"more than {TRIES} holes in {AGAIN_SECONDS:.0f} s are not punched")
        self._begun.append((peer, now))

    async def _open_all(self, addresses: Sequence[Multiaddr], peer: PeerId, *, as_client: bool) -> None:
        usable = [address for address in addresses if self._private or may_be_taken(address, "", ())]

        async def open_one(address: Multiaddr) -> None:
            try:
                async with asyncio.timeout(PUNCH_SECONDS):
                    await self._host.dialler.punch(address, peer if as_client else None)
            except (Unavailable, TimeoutError) as error:
                _log.debug("%s", error)

        await asyncio.gather(*(open_one(address) for address in usable))

    async def _is_direct(self, peer: PeerId) -> bool:
        for _ in range(20):
            if self._host.info(peer) is None or not self._host.is_relayed(peer):
                return self._host.info(peer) is not None
            await asyncio.sleep(0.05)
        return False
