"""One member of the network, in a process of its own: links, gossip, discovery and a shelf, nothing of channels.

    python -m thalweg.cli.demo.network.member NUMBER IP [BOOTSTRAP]

Reads one JSON command a line, answers each with one JSON line, and ends when its standard input does.
"""

import asyncio
import os
import resource
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from thalweg.errors import UserFault
from thalweg.network import Host, Limits, Multiaddr, PeerId
from thalweg.network.discovery.announcement import TOPIC as NODES
from thalweg.network.discovery.announcement import Node
from thalweg.network.discovery.book import PeerBook
from thalweg.network.discovery.plan import OUTBOUND
from thalweg.network.finder import Finder
from thalweg.network.items import ItemRules, read, sign
from thalweg.network.peer_id import Identity
from thalweg.network.pubsub import Gossip
from thalweg.network.synchroniser import Synchroniser

TOPIC: Final = "demo/orders"
PAYLOAD_BYTES: Final = 200
_HEAD_BYTES: Final = 104  # key, expiry and signature of an item
_LIFE_SECONDS: Final = 3600.0
_BEAT_SECONDS: Final = 2.0
_TURNS: Final = 20


class Message(msgspec.Struct, frozen=True, array_like=True):
    """What a member says: in which phase, who, the how manieth, and when."""

    phase: str
    number: int
    count: int
    sent_at: float
    padding: bytes = b""


_MESSAGES: Final = msgspec.msgpack.Decoder(Message)


class Member:
    """A node, and what it has heard."""

    def __init__(self, number: int, bootstrap: tuple[Multiaddr, ...], outbound: int = OUTBOUND) -> None:
        self._number = number
        self._identity = Identity(f"member {number}".ljust(32).encode())
        self.host = Host(
            f"member {number}".ljust(32).encode(),
            agent=f"thalweg-demo/{number}",
            limits=Limits(retry_seconds_min=0.05),
            on_link_up=lambda peer: None,
            on_link_down=lambda peer, reason: None,
            on_message=lambda peer, message: None,
        )
        self.gossip = Gossip(self.host)
        self.finder = Finder(
            self.host,
            self.gossip,
            PeerBook(self.host.peer_id),
            describe=self._describe,
            bootstrap=bootstrap,
            outbound=outbound,
        )
        self.synchroniser = Synchroniser(self.host, self.gossip, beat_seconds=_BEAT_SECONDS)
        self.shelf = self.synchroniser.keep(TOPIC, ItemRules(TOPIC, time.time), self._heard)
        self._latencies_ms: dict[str, list[float]] = {}
        self._cut: list[PeerId] = []

    def publish(self, phase: str, count: int) -> None:
        """Say one thing to everybody."""
        message = Message(phase, self._number, count, time.time())
        room = PAYLOAD_BYTES - _HEAD_BYTES - len(msgspec.msgpack.encode(message))
        body = msgspec.msgpack.encode(msgspec.structs.replace(message, padding=bytes(max(0, room))))
        payload = sign(self._identity, TOPIC, body, time.time() + _LIFE_SECONDS)
        self.synchroniser.publish(TOPIC, payload)

    async def publish_all(self, phase: str, count: int, per_second: float) -> None:
        """Say many things at a steady rate."""
        clock = asyncio.get_running_loop().time
        begun = clock() + self._number % _TURNS / _TURNS / per_second  # not all at the same moment
        for each in range(count):
            await asyncio.sleep(max(0.0, begun + each / per_second - clock()))
            self.publish(phase, each)

    def state(self) -> dict[str, Any]:
        """Return how this member is."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        linked = self.host.linked()
        scores = [self.gossip.score(info.peer) for info in linked]
        return {
            "peer": str(self.host.peer_id),
            "known": sum(entry.announcement is not None for _, entry in self.finder.book.entries()),
            "links": len(linked),
            "readers": len(self.gossip.peers(TOPIC)),
            "mesh": len(self.gossip.mesh(TOPIC)),
            "scores": [round(score, 2) for score in scores],
            "cpu_s": used.ru_utime + used.ru_stime,
            "rss_mb": _resident_mb(),
            "items": len(self.shelf),
            "print": sha256(b"".join(self.shelf.payloads())).hexdigest(),  # the young ones included
            "gossip": dict(self.gossip.router_counts),
            "sync": dict(self.synchroniser.counts),
        }

    def heard(self, phase: str) -> list[float]:
        """Return how long what was heard in a phase took, in milliseconds."""
        return self._latencies_ms.get(phase, [])

    def cut(self, peers: list[str]) -> None:
        """Have nothing to do with some peers."""
        for text in peers:
            peer = PeerId.parse(text)
            if peer != self.host.peer_id:
                self._cut.append(peer)
                self.finder.ban(peer)

    def heal(self) -> None:
        """Talk to everybody again."""
        for peer in self._cut:
            self.finder.pardon(peer)
        self._cut.clear()

    def _describe(self) -> Node:
        return Node(addresses=tuple(map(str, self.host.addresses)), agent="thalweg-demo", roles=("maker",))

    def _heard(self, payload: bytes) -> None:
        message = _MESSAGES.decode(read(payload).body)
        if message.number != self._number:
            late = round((time.time() - message.sent_at) * 1000, 2)
            self._latencies_ms.setdefault(message.phase, []).append(late)


def _resident_mb() -> float:
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    return round(int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


async def obey(member: Member, command: dict[str, Any], group: asyncio.TaskGroup) -> Any:
    """Do what a command says and return the answer."""
    match command.get("do"):
        case "publish":
            work = member.publish_all(command["phase"], command["count"], command["per_second"])
            group.create_task(work)
            return {}
        case "state":
            return member.state()
        case "heard":
            return member.heard(command["phase"])
        case "cut":
            return member.cut(command["peers"])
        case "heal":
            return member.heal()
        case other:
            return {"error": f"{other!r} is not a command"}


async def run(number: int, ip: str, bootstrap: tuple[Multiaddr, ...]) -> None:
    """Be a member until standard input ends."""
    member = Member(number, bootstrap)
    address = await _listen(member.host, ip)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with asyncio.TaskGroup() as group:
        group.create_task(member.host.run())
        await asyncio.sleep(0)
        lasting = [group.create_task(member.finder.run()), group.create_task(member.synchroniser.run())]
        _say({"ready": True, "address": str(address), "peer": str(member.host.peer_id), "topics": [TOPIC, NODES]})
        while line := await reader.readline():
            _say(await obey(member, msgspec.json.decode(line), group))
        for task in lasting:
            task.cancel()
        await member.host.aclose()


async def _listen(host: Host, ip: str) -> Multiaddr:
    """Listen at an address of this member's own, or, where the system has none, at the common one."""
    try:
        return await host.listen(ip, 0)
    except UserFault:
        return await host.listen("127.0.0.1", 0)


def _say(answer: Any) -> None:
    sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]), sys.argv[2], tuple(map(Multiaddr.parse, sys.argv[3:]))))
