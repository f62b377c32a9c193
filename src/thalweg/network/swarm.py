"""Publish and subscribe among strangers, in a few lines: host, gossip, discovery and shelves, composed.

    async with Swarm(bootstrap=["/ip4/.../tcp/.../p2p/12D3KooW..."]) as swarm:
        async for message in swarm.subscribe("orders"):
            print(message.author, message.body)

Messages are items: signed by their author, alive for a time, kept by whoever subscribes, and brought to whoever comes
later. A program that needs more composes the parts itself, as `thalweg.app` does.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Final, Self

import msgspec

from thalweg.network import items
from thalweg.network.discovery.announcement import Node
from thalweg.network.discovery.book import PeerBook
from thalweg.network.finder import Finder
from thalweg.network.host import Host
from thalweg.network.limits import Limits
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import PeerId
from thalweg.network.pubsub import Gossip
from thalweg.network.synchroniser import Synchroniser

LIFE_SECONDS: Final = 3600.0
WAITING_MAX: Final = 10_000  # messages that nobody has read yet; the oldest go
_POLL_SECONDS: Final = 0.02


class Message(msgspec.Struct, frozen=True):
    """What somebody said in a topic."""

    topic: str
    author: PeerId
    body: bytes


class Swarm:
    """A node that publishes and subscribes. Use it as an asynchronous context."""

    def __init__(
        self, *, seed: bytes | None = None, ip: str = "127.0.0.1", port: int = 0, bootstrap: Iterable[str] = ()
    ) -> None:
        """`seed`: 32 secret bytes that this node's identity follows from (none: a new one).

        Raises:
            UserFault: MALFORMED, the seed or an address is none.
        """
        self._place = (ip, port)
        self._host = Host(
            seed or secrets.token_bytes(32),
            agent="thalweg-swarm",
            limits=Limits(),
            on_link_up=lambda peer: None,
            on_link_down=lambda peer, reason: None,
            on_message=lambda peer, message: None,
        )
        self._gossip = Gossip(self._host)
        addresses = tuple(map(Multiaddr.parse, bootstrap))
        self._finder = Finder(
            self._host, self._gossip, PeerBook(self._host.peer_id), describe=self._describe, bootstrap=addresses
        )
        self._synchroniser = Synchroniser(self._host, self._gossip, beat_seconds=2.0)
        self._queues: dict[str, asyncio.Queue[Message]] = {}
        self._group = asyncio.TaskGroup()
        self._lasting: list[asyncio.Task[None]] = []

    @property
    def address(self) -> str:
        """Return where others find this node."""
        return str(self._host.addresses[0])

    @property
    def peer_id(self) -> PeerId:
        """Return who this node is."""
        return self._host.peer_id

    async def __aenter__(self) -> Self:
        await self._host.listen(*self._place)
        await self._group.__aenter__()
        self._group.create_task(self._host.run())
        await asyncio.sleep(0)
        self._lasting = [
            self._group.create_task(self._finder.run()),
            self._group.create_task(self._synchroniser.run()),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._lasting:
            task.cancel()
        await self._host.aclose()
        await self._group.__aexit__(kind, error, trace)

    def subscribe(self, topic: str) -> AsyncIterator[Message]:
        """Read a topic from now on: iterate over what others say, and said while it is alive.

        Raises:
            UserFault: EXISTS, it is read already; OVERSIZED, its name; LIMIT.
        """
        queue: asyncio.Queue[Message] = asyncio.Queue()

        def take(payload: bytes) -> None:
            item = items.read(payload)
            if queue.qsize() >= WAITING_MAX:
                queue.get_nowait()
            queue.put_nowait(Message(topic, PeerId.of_key(item.author), item.body))

        self._synchroniser.keep(topic, items.ItemRules(topic, time.time), take)
        self._queues[topic] = queue
        return _each(queue)

    def publish(self, topic: str, body: bytes, *, seconds: float = LIFE_SECONDS) -> None:
        """Say something to everybody who reads a topic, alive for so long.

        Raises:
            UserFault: OVERSIZED, or what others would not take.
        """
        payload = items.sign(self._host.identity, topic, body, time.time() + seconds)
        if topic in self._queues:
            self._synchroniser.publish(topic, payload)
        else:
            self._gossip.publish(topic, payload)

    async def readers(self, topic: str, count: int = 1) -> tuple[PeerId, ...]:
        """Return who of the linked peers reads a topic, once there are so many."""
        while len(found := self._gossip.peers(topic)) < count:  # noqa: ASYNC110 - subscriptions have no event
            await asyncio.sleep(_POLL_SECONDS)
        return found

    def _describe(self) -> Node:
        return Node(addresses=tuple(map(str, self._host.addresses)), agent="thalweg-swarm")


async def _each(queue: "asyncio.Queue[Message]") -> AsyncIterator[Message]:
    while True:
        yield await queue.get()
