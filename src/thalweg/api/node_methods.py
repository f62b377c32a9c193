"""Methods about the node itself: status, peers, what it has counted, what oracles reported."""

import statistics
from typing import Any, Final

import msgspec

from thalweg.api.backend import Backend
from thalweg.api.params import Connect, Nothing, OnePeer
from thalweg.api.views import report_view
from thalweg.channel.effects import Notify, Topic
from thalweg.channel.state import Phase, phase
from thalweg.errors import Reason, Unavailable, UserFault
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import PeerId


class PeerView(msgspec.Struct, frozen=True):
    """A peer: `up` says that both have said hello; `dialled`, that this node made the link.

    `roles` and `channel_key` are what it announced and both its keys signed. `score` is gossip's, `why` its parts:
    P1 time in the mesh, P2 first deliveries, P3 missing ones, P4 invalid ones, P7 behaviour.
    """

    id: str
    up: bool
    address: str
    agent: str
    key: str
    rtt_ms: float | None
    linked: bool
    dialled: bool
    roles: tuple[str, ...]
    channel_key: str
    score: float
    why: dict[str, float]


async def status(backend: Backend, _: Nothing) -> dict[str, Any]:
    """Return who this node is and how it is."""
    node = backend.engine.node
    me = node.identity
    trouble = backend.chain.trouble
    phases = [phase(channel) for channel in node.channels.values()]
    return {
        "version": backend.version,
        "peer": str(PeerId(me.peer)),
        "addresses": [str(address) for address in backend.host.addresses],
        "key": f"0x{me.address.hex()}",
        "wallet": f"0x{me.payer.hex()}",
        "payout": f"0x{me.payout.hex()}",
        "time": backend.now(),
        "recovering": backend.recovering(),
        "chain": {
            "id": me.chain_id,
            "adjudicator": f"0x{me.contract.hex()}",
            "oracle": f"0x{backend.oracle.hex()}",
            "trouble": None if trouble is None else str(trouble),
        },
        "asset": {
            "address": f"0x{backend.settlement.address.hex()}",
            "symbol": backend.settlement.symbol,
            "decimals": backend.settlement.decimals,
        },
        "peers": sum(peer.up for peer in node.peers.values()),
        "links": len(backend.host.peers()),
        "channels": {str(kind): phases.count(kind) for kind in Phase},
        "proposals": sum(opening.seat != 0 for opening in node.openings.values()),
    }


async def peers(backend: Backend, _: Nothing) -> list[PeerView]:
    """Return the peers this node knows or is linked to."""
    known = backend.engine.node.peers
    views = []
    linked = {bytes(info.peer) for info in backend.host.linked()}
    for raw in sorted({*known, *backend.host.peers(), *linked}):
        peer = PeerId(raw)
        info, said, entry = backend.host.info(raw), known.get(raw), backend.finder.book.get(peer)
        announced = None if entry is None else entry.announcement
        rtt = None if info is None or info.rtt_seconds is None else info.rtt_seconds * 1000
        views.append(
            PeerView(
                id=str(peer),
                up=said is not None and said.up,
                address="" if info is None else str(info.address),
                agent="" if info is None else info.agent,
                key="" if said is None else f"0x{said.address.hex()}",
                rtt_ms=rtt,
                linked=raw in linked,
                dialled=info is not None and info.dialled,
                roles=() if announced is None else announced.roles,
                channel_key=""
                if announced is None or not announced.channel_key
                else f"0x{announced.channel_key.hex()}",
                score=round(backend.gossip.score(peer), 2),
                why={name: round(worth, 2) for name, worth in backend.gossip.why(peer).items() if worth},
            )
        )
    return views


async def connect(backend: Backend, params: Connect) -> dict[str, Any]:
    """Stay connected to a peer from now on, and wait until both have said hello."""
    address = Multiaddr.parse(params.address)
    peer = await connected(backend, address, params.wait_s)
    return {"peer": str(PeerId(peer)), "up": True}


async def connected(backend: Backend, address: Multiaddr, wait_s: float) -> bytes:
    """Return the peer at an address once it is up.

    Raises:
        UserFault: MALFORMED, the address names no peer.
        Unavailable: it did not answer in time.
    """
    peer = address.peer
    if peer is None:
        raise UserFault(Reason.MALFORMED, f"{address} does not say who is there; append /p2p/ and the peer's id")

    def is_up() -> bool:
        known = backend.engine.node.peers.get(peer)
        return known is not None and known.up

    def judge(notice: Notify) -> bool | None:
        if notice.detail.partition(" ")[0] != peer.hex():
            return None
        if notice.topic == Topic.PEER_DOWN and notice.reason is not None:
            raise UserFault(notice.reason, f"the peer said goodbye: {notice.detail.partition(' ')[2]}")
        return True if notice.topic == Topic.PEER_UP else None

    backend.connect(address)
    if not is_up() and not await backend.outcomes.settle(lambda: None, judge, wait_s):
        raise Unavailable(Reason.UNREACHABLE, f"no answer from {address} after {wait_s:g} s; this node goes on trying")
    return bytes(peer)


async def ban(backend: Backend, params: OnePeer) -> dict[str, Any]:
    """Have nothing to do with a peer until it is pardoned."""
    peer = PeerId.parse(params.peer)
    if peer == backend.host.peer_id:
        raise UserFault(Reason.MALFORMED, "this node cannot ban itself")
    backend.finder.ban(peer)
    return {"peer": str(peer), "banned": True}


async def pardon(backend: Backend, params: OnePeer) -> dict[str, Any]:
    """Lift a ban."""
    peer = PeerId.parse(params.peer)
    if not backend.finder.pardon(peer):
        raise UserFault(Reason.NOT_FOUND, f"{peer} is not banned")
    return {"peer": str(peer), "banned": False}


async def counters(backend: Backend, _: Nothing) -> dict[str, Any]:
    """Return what this process has done since it started."""
    counted = backend.counters
    latencies = sorted(counted.latencies_ms)
    return {
        "states_signed": backend.engine.states_signed,
        "messages_sent": backend.engine.messages_sent,
        "messages_received": counted.messages_received,
        "calls": dict(counted.calls),
        "calls_failed": dict(counted.calls_failed),
        "gas": dict(counted.gas),
        "updates": len(latencies),
        "update_ms_p50": round(statistics.median(latencies), 3) if latencies else None,
        "update_ms_p99": round(latencies[len(latencies) * 99 // 100], 3) if latencies else None,
    }


async def reports(backend: Backend, _: Nothing) -> list[Any]:
    """Return the settlements that oracle quorums signed and this node has seen."""
    return [view for signed in backend.reports.newest() if (view := report_view(signed)) is not None]


METHODS: Final = {
    "status": (Nothing, status),
    "peers": (Nothing, peers),
    "connect": (Connect, connect),
    "ban": (OnePeer, ban),
    "pardon": (OnePeer, pardon),
    "counters": (Nothing, counters),
    "reports": (Nothing, reports),
}
