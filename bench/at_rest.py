"""A node at rest: what a channel costs in memory, and how long a journal takes to become a node again."""

import contextlib
import resource
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from bench.party import DEPOSIT, POLICY, Keys, Wall, make_engine, make_terms, open_signer, transfers
from thalweg.channel import hashes
from thalweg.channel.events import AcceptRequested, LinkUp, OpenRequested, OperationsRequested
from thalweg.node.engine import replay
from thalweg.node.ports import Journal, JournalIdentity, Mark
from thalweg.node.state import Node
from thalweg.storage.journal import SqliteJournal
from thalweg.units import ChannelId, Hash, UnixSeconds

MEMORY_CHANNELS = 1000
REPLAY_OPERATIONS = 100_000


class MemoryJournal:
    """Keeps nothing: for what is measured without a disk."""

    identity = JournalIdentity(b"", 0)

    def append(self, entries: Iterable[bytes], marks: Mapping[ChannelId, Mark] | None = None) -> None:
        """Forget them."""

    def snapshot(self) -> None:
        """There is none."""

    def entries(self) -> tuple[bytes, ...]:
        """There are none."""
        return ()

    def compact(self, snapshot: bytes) -> None:
        """Forget it."""

    def close(self) -> None:
        """Nothing to release."""


class Pipe:
    """A network between two engines of one process."""

    def __init__(self, me: bytes, wire: list[tuple[bytes, bytes, bytes]]) -> None:
        self._me, self._wire = me, wire

    def queue(self, peer: bytes, message: bytes) -> None:
        """Put it on the wire."""
        self._wire.append((self._me, peer, message))

    def flush(self) -> None:
        """Nothing waits here."""

    def disconnect(self, peer: bytes, reason: str) -> None:
        """Fail: nobody misbehaves here."""
        raise RuntimeError(reason)


class Pair:
    """Two engines in one process."""

    def __init__(self, folder: Path, journals: dict[str, Journal]) -> None:
        self._wire: list[tuple[bytes, bytes, bytes]] = []
        self._later: list[Callable[[], None]] = []
        self.engines = {}
        for name, journal in journals.items():
            keys = Keys(name)
            signer = open_signer(folder / f"marks-{name}-{len(list(folder.iterdir()))}", keys)
            peer = name.encode()
            self.engines[peer] = make_engine(
                keys, peer, journal, signer, Pipe(peer, self._wire), lambda _: None, self._later.append
            )
        now = Wall().now()
        self.engines[b"alice"].receive(LinkUp(now, b"bob"))
        self.engines[b"bob"].receive(LinkUp(now, b"alice"))
        self.run()

    def run(self) -> None:
        """Deliver until nothing is left to say."""
        while True:
            for engine in self.engines.values():
                engine.pump()
            if not self._wire:
                return
            batch = self._wire[:]
            self._wire.clear()
            for sender, receiver, message in batch:
                self.engines[receiver].receive_message(sender, message)

    def open(self, nonce: int) -> ChannelId:
        """Open one channel and count both deposits."""
        alice, bob, now = Keys("alice"), Keys("bob"), Wall().now()
        terms = make_terms(alice, bob, nonce)
        channel_id = hashes.channel_id(self.engines[b"alice"].node.identity.separator, terms)
        request = OpenRequested(
            now, "", terms, (DEPOSIT,) * 2, (alice.payout, bob.payout), (b"alice", b"bob"), UnixSeconds(now + 600),
            Hash(nonce.to_bytes(32)), POLICY,
        )  # fmt: skip
        self.engines[b"alice"].request(request)
        self.run()
        self.engines[b"bob"].request(AcceptRequested(now, channel_id, POLICY))
        self.run()
        for show in self._later:
            show()
        self._later.clear()
        self.run()
        return channel_id


def resident_bytes() -> int:
    """Return this process's resident memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def measure_memory(folder: Path) -> dict[str, float]:
    """Return what one more open channel costs a node, in kilobytes: two nodes hold each channel here."""
    pair = Pair(folder, {"alice": MemoryJournal(), "bob": MemoryJournal()})
    for nonce in range(10):
        pair.open(nonce)
    before = resident_bytes()
    for nonce in range(10, 10 + MEMORY_CHANNELS):
        pair.open(nonce)
    return {"channel_kb": (resident_bytes() - before) / 1024 / MEMORY_CHANNELS / 2}


def measure_replay(folder: Path) -> dict[str, float]:
    """Return how long a journal with many operations takes to become a node again."""
    path = folder / "replayed"
    SqliteJournal.create(path, b"j" * 16)
    with contextlib.closing(SqliteJournal.open(path)) as journal:
        pair = Pair(folder, {"alice": journal, "bob": MemoryJournal()})
        channel_id = pair.open(1)
        now = Wall().now()
        for _ in range(REPLAY_OPERATIONS // 10):
            pair.engines[b"alice"].request(OperationsRequested(now, "", channel_id, transfers(10, 0, now)))
            pair.run()
        identity = pair.engines[b"alice"].node.identity
    begin = time.perf_counter()
    with contextlib.closing(SqliteJournal.open(path)) as journal:
        node, _ = replay(journal, Node(identity))
    spent = time.perf_counter() - begin
    if node.channels[channel_id].next_number <= REPLAY_OPERATIONS:
        raise RuntimeError("the replay lost operations")
    return {"replay_s": spent}
