"""Relays: using them, and, where this node can be reached by everybody, being one.

    relaying = Relaying(host, serves=Caps())
    reservation = await relaying.reserve(relay)      # now others can dial relay/p2p-circuit/p2p/us

A relay sees who talks to whom and how much, nothing else: links are encrypted end to end. What it carries is limited.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from thalweg.errors import PeerFault, Reason, Unavailable
from thalweg.network import varint
from thalweg.network.circuit import Circuit
from thalweg.network.discovery.groups import group_of
from thalweg.network.framing import frame
from thalweg.network.host import Host
from thalweg.network.link import Link
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import PeerId
from thalweg.network.rate import Bucket
from thalweg.network.relay import HOP, STOP, Caps, Hop, Kind, Reservation, Slots, Status, Stop
from thalweg.network.relay.messages import MESSAGE_BYTES_MAX, read_hop, read_stop, seal_voucher
from thalweg.network.stream import Stream

ANSWER_SECONDS_MAX: Final = 10.0
_log: Final = logging.getLogger(__name__)


class Relaying:
    """Circuits on a host. Make it before the host runs."""

    def __init__(
        self,
        host: Host,
        *,
        serves: Caps | None = None,
        clock: Callable[[], float] = time.time,
        on_circuit: Callable[[PeerId], None] = lambda peer: None,
    ) -> None:
        """`serves`: be a relay within these limits. `on_circuit` hears of each link somebody made to us by a relay."""
        self.counts: Counter[str] = Counter()
        self.reservations: dict[PeerId, Reservation] = {}  # ours, by relay
        self.on_circuit = on_circuit
        self._host = host
        self._clock = clock
        self._slots = Slots(serves) if serves is not None else None
        host.dialler.by_relay = self._dial
        host.handle(STOP, self._on_stop)
        if serves is not None:
            host.handle(HOP, self._on_hop)

    @property
    def slots(self) -> Slots | None:
        """Return a relay's books."""
        return self._slots

    # using a relay

    async def reserve(self, relay: PeerId) -> Reservation:
        """Have a linked relay lead others to us, and return until when. Ask again before that.

        Raises:
            Unavailable: LIMIT, it has no slot for us; UNREACHABLE or UNKNOWN_FEATURE.
            PeerFault: MALFORMED or OVERSIZED.
        """
        stream = await self._host.open(relay, HOP)
        try:
            await stream.write(frame(Hop(kind=Kind.RESERVE).encode()))
            said = read_hop(await _read(stream))
        finally:
            stream.close()
        if said.kind != Kind.STATUS or said.status != Status.OK or said.reservation is None:
            self.reservations.pop(relay, None)
            raise Unavailable(Reason.LIMIT, f"{relay} does not relay to this node: {_name(said.status)}")
        self.reservations[relay] = said.reservation
        return said.reservation

    def addresses(self) -> tuple[Multiaddr, ...]:
        """Return where others reach us through relays, at those that are linked."""
        found: list[Multiaddr] = []
        for relay, reservation in self.reservations.items():
            info = self._host.info(relay)
            if info is not None and reservation.expires_at > self._clock():
                known = reservation.addresses or (info.address,)
                found += [address.to(relay).via().to(self._host.peer_id) for address in known[:2]]
        return tuple(found)

    async def _dial(self, address: Multiaddr, link: Link) -> None:
        """Connect a link to a peer through its relay."""
        at = address.relay
        relay = None if at is None else at.peer
        target = address.peer
        if at is None or relay is None or target is None or self._host.is_relayed(relay):
            raise Unavailable(Reason.UNREACHABLE, f"{address} does not lead through one relay to a peer")
        await self._host.dial(at)
        stream = await self._host.open(relay, HOP)
        try:
            await stream.write(frame(Hop(kind=Kind.CONNECT, peer=target).encode()))
            said = read_hop(await _read(stream))
            if said.kind != Kind.STATUS or said.status != Status.OK:
                raise Unavailable(Reason.UNREACHABLE, f"{at} does not lead to {target}: {_name(said.status)}")
        except BaseException:
            stream.reset()
            raise
        self._run(Circuit(stream, at, link))

    async def _on_stop(self, stream: Stream) -> None:
        """Take a connection that a relay leads to us."""
        asked = read_stop(await _read(stream))
        info = self._host.info(stream.peer)
        if asked.is_status or asked.peer is None or info is None or stream.peer not in self.reservations:
            await stream.write(frame(Stop(is_status=True, status=Status.PERMISSION_DENIED).encode()))
            return
        await stream.write(frame(Stop(is_status=True, status=Status.OK).encode()))
        link = self._host.new_link()
        circuit = Circuit(stream, info.address, link)
        self.counts["circuits_in"] += 1
        circuit.start()
        self._host.spawn(self._tell(link, asked.peer))
        await circuit.run()

    async def _tell(self, link: Link, peer: PeerId) -> None:
        """Say that a circuit is up, once its link is authenticated."""
        for _ in range(100):
            if link.is_closed:
                return
            if link.is_established and link.peer == peer:
                self.on_circuit(peer)
                return
            await asyncio.sleep(0.05)

    def _run(self, circuit: Circuit) -> None:
        self.counts["circuits_out"] += 1
        circuit.start()
        if self._host.spawn(circuit.run()) is None:
            circuit.abort()

    # being one

    async def _on_hop(self, stream: Stream) -> None:
        asked = read_hop(await _read(stream))
        if self._slots is None or self._host.is_relayed(stream.peer):
            await _say(stream, Status.PERMISSION_DENIED)
        elif asked.kind == Kind.RESERVE:
            await self._on_reserve(stream, self._slots)
        elif asked.kind == Kind.CONNECT and asked.peer is not None:
            await self._on_connect(stream, self._slots, asked.peer)
        else:
            await _say(stream, Status.UNEXPECTED_MESSAGE)

    async def _on_reserve(self, stream: Stream, slots: Slots) -> None:
        info = self._host.info(stream.peer)
        group = "" if info is None else group_of(info.address)
        now = self._clock()
        status = slots.reserve(stream.peer, group, now)
        self.counts[f"reserve_{status.name.lower()}"] += 1
        if status != Status.OK:
            await _say(stream, status)
            return
        until = round(now + slots.caps.reservation_seconds)
        voucher = seal_voucher(self._host.identity, stream.peer, until)
        reservation = Reservation(until, tuple(each.to(self._host.peer_id) for each in self._host.told), voucher)
        limit = slots.caps.limit
        await stream.write(
            frame(Hop(kind=Kind.STATUS, reservation=reservation, limit=limit, status=Status.OK).encode())
        )

    async def _on_connect(self, stream: Stream, slots: Slots, target: PeerId) -> None:
        if self._host.info(target) is None:
            slots.cancel(target)
        status = slots.enter(stream.peer, target, self._clock())
        self.counts[f"connect_{status.name.lower()}"] += 1
        if status != Status.OK:
            await _say(stream, status)
            return
        try:
            try:
                onward = await self._lead(stream.peer, target, slots)
            except Unavailable as error:
                _log.debug("no circuit from %s to %s: %s", stream.peer, target, error)
                await _say(stream, Status.CONNECTION_FAILED)
                return
            await stream.write(frame(Hop(kind=Kind.STATUS, status=Status.OK, limit=slots.caps.limit).encode()))
            await self._join(stream, onward, slots.caps)
        finally:
            slots.leave(stream.peer, target)

    async def _lead(self, source: PeerId, target: PeerId, slots: Slots) -> Stream:
        """Return the stream to a peer that takes the connection."""
        onward = await self._host.open(target, STOP)
        await onward.write(frame(Stop(peer=source, limit=slots.caps.limit).encode()))
        said = read_stop(await _read(onward))
        if not said.is_status or said.status != Status.OK:
            onward.reset()
            raise Unavailable(Reason.UNREACHABLE, _name(said.status))
        return onward

    async def _join(self, one: Stream, other: Stream, caps: Caps) -> None:
        """Carry bytes both ways until either ends or a limit is reached."""
        try:
            async with asyncio.timeout(caps.circuit_seconds), asyncio.TaskGroup() as group:
                group.create_task(self._carry(one, other, caps))
                group.create_task(self._carry(other, one, caps))
        except* (Unavailable, TimeoutError) as ended:
            _log.debug("circuit of %s to %s ended: %s", one.peer, other.peer, ended.exceptions[0])
        finally:
            one.reset()
            other.reset()

    async def _carry(self, source: Stream, target: Stream, caps: Caps) -> None:
        clock = asyncio.get_running_loop().time
        rate = Bucket(caps.circuit_bytes_per_second, clock())
        carried = 0
        while data := await source.read_some():
            carried += len(data)
            if carried > caps.circuit_bytes:
                raise Unavailable(Reason.LIMIT, f"more than {caps.circuit_bytes} bytes went through a circuit")
            while not rate.take_if_held(len(data), clock()):  # noqa: ASYNC110 - it fills by time alone
                await asyncio.sleep(len(data) / caps.circuit_bytes_per_second)
            await target.write(data)
            self.counts["bytes_carried"] += len(data)
        target.close()


async def _say(stream: Stream, status: Status) -> None:
    await stream.write(frame(Hop(kind=Kind.STATUS, status=status).encode()))


async def _read(stream: Stream) -> bytes:
    """Return one framed message, and leave what follows it on the stream."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return await _read_framed(stream)
    except TimeoutError as error:
        stream.reset()
        raise Unavailable(Reason.UNREACHABLE, f"{stream.peer} does not go on with {stream.protocol}") from error


async def _read_framed(stream: Stream) -> bytes:
    head = b""
    while (found := varint.decode(head)) is None:
        byte = await stream.read_exactly(1)
        if byte is None:
            raise Unavailable(Reason.UNREACHABLE, f"{stream.peer} ended a relay stream")
        head += byte
    if found[0] > MESSAGE_BYTES_MAX:
        raise PeerFault(Reason.OVERSIZED, f"a relay message of {found[0]} bytes")
    message = await stream.read_exactly(found[0])
    if message is None:
        raise Unavailable(Reason.UNREACHABLE, f"{stream.peer} ended a relay stream")
    return message


def _name(status: int) -> str:
    try:
        return Status(status).name.lower().replace("_", " ")
    except ValueError:
        return f"status {status}"
