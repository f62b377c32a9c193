"""Updates between two operating-system processes: real sockets, Noise links, journals and signers that sync.

The floor is what two such updates cannot do without, measured in the same run: two fdatasync, two signatures, two
verifications.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
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
BATCH = 1000
BATCHED_OPERATIONS = 200_000


def measure_floor(folder: Path) -> dict[str, float]:
    """Return medians in microseconds of the parts no durable, signed update can do without."""
    key = coincurve.PrivateKey(b"k" * 32)
    digest = b"d" * 32
    signature = sign(key, digest)
    handle = os.open(folder / "floor", os.O_RDWR | os.O_CREAT)
    os.pwrite(handle, bytes(4096), 0)

    def sync() -> None:
        os.pwrite(handle, os.urandom(512), 0)
        os.fdatasync(handle)

    parts = {
        "fdatasync_us": _median_us(sync, 300),
        "sign_us": _median_us(lambda: sign(key, digest), 500),
        "verify_us": _median_us(lambda: recover(digest, signature), 500),
    }
    os.close(handle)
    parts["floor_us"] = 2 * sum(parts.values())
    return parts


def _median_us(call: Callable[[], object], times: int) -> float:
    spent = []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        spent.append(time.perf_counter() - begin)
    return statistics.median(spent) * 1e6


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
            figures = await _serial(alice)
            figures |= await _batched(alice)
            await alice.party.host.aclose()
            await running
    finally:
        bob.kill()
        bob.wait()
    return figures


async def _serial(alice: Alice) -> dict[str, float]:
    spent = []
    for _ in range(SERIAL_UPDATES):
        number = _last_number(alice) + 1
        begin = time.perf_counter()
        await alice.pay(1)
        await alice.until_agreed(number)
        spent.append(time.perf_counter() - begin)
    spent = sorted(spent[100:])
    return {"serial_p50_ms": statistics.median(spent) * 1e3, "serial_p99_ms": spent[int(len(spent) * 0.99)] * 1e3}


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
