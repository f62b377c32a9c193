"""Updates between two operating-system processes: real sockets, Noise links, journals and signers that sync.

The floor is what such an update cannot do without, measured in turn with it: two fdatasync, two signatures, two
verifications.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import coincurve

from bench.party import DEPOSIT, POLICY, Keys, Party, Wall, make_terms, transfers
from thalweg.channel import hashes
from thalweg.channel.effects import Notify, Topic
from thalweg.channel.events import AcceptRequested, OpenRequested, OperationsRequested
from thalweg.crypto import recover, sign
from thalweg.network.multiaddr import Multiaddr
from thalweg.units import ChannelId, Hash, UnixSeconds

SERIAL_UPDATES = 1500
WARM_UP = 100  # of them, not counted
BATCH = 1000
BATCHED_OPERATIONS = 200_000


class Floor:
    """What no durable, signed update can do without, measured in turn with the updates.

    In turn, because a sync that follows a wait is slower than one that follows a sync, and so is a signature after it:
    back to back they would flatter the floor, and on a shared machine the two would see different hours.
    """

    def __init__(self, folder: Path) -> None:
        self._key = coincurve.PrivateKey(b"k" * 32)
        self._file = os.open(folder / "floor", os.O_RDWR | os.O_CREAT)
        os.pwrite(self._file, bytes(4096), 0)
        os.fsync(self._file)
        self._spent: dict[str, list[float]] = {"fdatasync_us": [], "sign_us": [], "verify_us": []}

    def sample(self) -> None:
        """Do each part once: one side's share of an update."""
        digest = os.urandom(32)
        begin = time.perf_counter()
        os.pwrite(self._file, digest * 16, 0)
        os.fdatasync(self._file)
        synced = time.perf_counter()
        signature = sign(self._key, digest)
        signed = time.perf_counter()
        recover(digest, signature)
        verified = time.perf_counter()
        parts = (synced - begin, signed - synced, verified - signed)
        for name, part in zip(self._spent, parts, strict=True):
            self._spent[name].append(part * 1e6)

    def result(self) -> dict[str, float]:
        """Return the medians in microseconds; the floor is both sides' shares."""
        os.close(self._file)
        parts = {name: statistics.median(spent[WARM_UP:]) for name, spent in self._spent.items()}
        return parts | {"floor_us": 2 * sum(parts.values())}


# --- two processes --------------------------------------------------------------------------------------------------


async def serve_bob(folder: Path) -> None:
    """Be the other side: accept the channel and countersign until killed."""
    party: Party

    def notify(notice: Notify) -> None:
        if notice.topic == Topic.OPENING_PROPOSED:
            asyncio.get_running_loop().call_soon(accept, notice.channel_id)

    def accept(channel_id: ChannelId) -> None:
        party.engine.request(AcceptRequested(Wall().now(), channel_id, POLICY))
        party.pump_soon()

    party = Party("bob", folder, notify)
    address = await party.host.listen("127.0.0.1", 0)
    print(address, flush=True)
    await party.host.run()


class Alice:
    """The measuring side: waits for agreed states."""

    def __init__(self, folder: Path) -> None:
        self._agreed = asyncio.Event()
        self.numbers: tuple[int, ...] = (0, 0)
        self.party = Party("alice", folder, self._notify)
        self.channel_id = ChannelId(b"")

    def _notify(self, notice: Notify) -> None:
        if notice.topic == Topic.AGREED:
            self.numbers = notice.numbers
            self._agreed.set()
        elif notice.topic == Topic.REFUSED:
            raise RuntimeError(f"refused: {notice.reason} {notice.detail}")

    async def open(self, peer: bytes) -> None:
        """Open the channel and wait until both deposits are counted."""
        engine, now = self.party.engine, Wall().now()
        terms = make_terms(self.party.keys, Keys("bob"), 1)
        self.channel_id = hashes.channel_id(engine.node.identity.separator, terms)
        payers = (self.party.keys.payout, Keys("bob").payout)
        peers = (bytes(self.party.host.peer_id), peer)
        request = OpenRequested(
            now, "open", terms, (DEPOSIT,) * 2, payers, peers, UnixSeconds(now + 600), Hash(b"s" * 32), POLICY
        )
        while not any(known.up for known in engine.node.peers.values()):
            await asyncio.sleep(0.01)
        engine.request(request)
        while not self._counted():
            self.party.engine.pump()
            await asyncio.sleep(0.01)

    def _counted(self) -> bool:
        channel = self.party.engine.node.channels.get(self.channel_id)
        return channel is not None and all(holding.deposited for holding in channel.agreed.sheet.holdings)

    async def pay(self, count: int) -> None:
        """Put payments into the channel; `until_agreed` waits for them."""
        now = Wall().now()
        self.party.engine.request(OperationsRequested(now, "", self.channel_id, transfers(count, 0, now)))

    async def until_agreed(self, number: int) -> None:
        """Wait until operation `number` is in an agreed state."""
        while self.numbers[0] < number:
            self._agreed.clear()
            await self._agreed.wait()


async def measure_updates(folder: Path) -> dict[str, float]:
    """Return serial latency and batched throughput between two processes."""
    bob = subprocess.Popen(
        [sys.executable, "-m", "bench.updates", str(folder / "bob")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert bob.stdout is not None
        address = Multiaddr.parse(bob.stdout.readline().strip())
        alice = Alice(folder / "alice")
        async with asyncio.TaskGroup() as group:
            await alice.party.host.listen("127.0.0.1", 0)
            running = group.create_task(alice.party.host.run())
            await asyncio.sleep(0)  # the host must run before it dials
            peer = await alice.party.host.dial(address)
            await alice.open(bytes(peer))
            figures = await _serial(alice, Floor(folder))
            figures |= await _batched(alice)
            await alice.party.host.aclose()
            await running
    finally:
        bob.kill()
        bob.wait()
    return figures


async def _serial(alice: Alice, floor: Floor) -> dict[str, float]:
    spent = []
    for _ in range(SERIAL_UPDATES):
        number = _last_number(alice) + 1
        begin = time.perf_counter()
        await alice.pay(1)
        await alice.until_agreed(number)
        spent.append(time.perf_counter() - begin)
        floor.sample()
    spent = sorted(spent[WARM_UP:])
    p50, p99 = statistics.median(spent) * 1e3, spent[int(len(spent) * 0.99)] * 1e3
    return floor.result() | {"serial_p50_ms": p50, "serial_p99_ms": p99}


def _last_number(alice: Alice) -> int:
    return alice.party.engine.node.channels[alice.channel_id].next_number - 1


async def _batched(alice: Alice) -> dict[str, float]:
    engine = alice.party.engine
    states = engine.states_signed
    target = _last_number(alice) + BATCHED_OPERATIONS
    begin = time.perf_counter()
    while _last_number(alice) < target:
        await alice.pay(BATCH)
        await alice.until_agreed(_last_number(alice) - 4 * BATCH)
    await alice.until_agreed(target)
    spent = time.perf_counter() - begin
    return {
        "batched_per_second": BATCHED_OPERATIONS / spent,
        "batched_per_state": BATCHED_OPERATIONS / (engine.states_signed - states),
    }


if __name__ == "__main__":
    asyncio.run(serve_bob(Path(sys.argv[1])))
