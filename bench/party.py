"""One side of a benchmark: a production engine with its real journal, signer and links, and a chain that is just there.

The chain is left out on purpose: channel updates never touch it. It says that every channel was opened and funded.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import coincurve

from thalweg.channel.effects import Authorize, Notify
from thalweg.channel.events import ChainReported, FundingAuthorized, LinkDown, LinkUp, Policy
from thalweg.channel.hashes import opening_nonce
from thalweg.channel.onchain import Call, CallSettled, ChannelObserved, OpenChannel, Pull, View
from thalweg.channel.operations import Transfer
from thalweg.channel.terms import CloseOut, Terms
from thalweg.codec import Domain
from thalweg.crypto import address_of, sign
from thalweg.network.host import Host
from thalweg.network.limits import Limits
from thalweg.node.engine import Engine
from thalweg.node.ports import Journal, Network, Signer
from thalweg.node.state import Identity, Node
from thalweg.storage.intents import IntentFile
from thalweg.storage.journal import SqliteJournal, new_journal_id
from thalweg.storage.marks import MarkFile
from thalweg.storage.signer import FileSigner
from thalweg.storage.store import Store
from thalweg.units import ZERO_HASH, Address, Amount, AssetIndex, ChannelId, Seat, UnixSeconds

CHAIN_ID = 31_337
CONTRACT = Address(b"\x11" * 20)
TOKEN = Address(b"\x22" * 20)
ORACLE = Address(b"\x33" * 20)
DEPOSIT = Amount(10**15)
POLICY = Policy(undecided_max=(DEPOSIT,))


class Keys:
    """Keys from a name: a benchmark has no secrets."""

    def __init__(self, name: str) -> None:
        self.channel = coincurve.PrivateKey(f"channel {name}".encode().ljust(32, b"."))
        self.wallet = coincurve.PrivateKey(f"wallet {name}".encode().ljust(32, b"."))
        self.node = f"node {name}".encode().ljust(32, b".")

    @property
    def address(self) -> Address:
        """Return the channel key's address."""
        return address_of(self.channel.public_key)

    @property
    def payout(self) -> Address:
        """Return the wallet's address."""
        return address_of(self.wallet.public_key)


class Wall:
    """The wall clock; benchmarks end before any timer matters."""

    block_time = UnixSeconds(0)

    def now(self) -> UnixSeconds:
        """Return the time."""
        return UnixSeconds(int(time.time()))

    def wake_at(self, time: UnixSeconds) -> None:
        """Ignore timers."""


Later = Callable[[Callable[[], None]], object]


class FundedChain:
    """A chain that shows every channel as funded, a little `later` than it is asked to watch it."""

    def __init__(self, later: Later) -> None:
        self.engine: Engine
        self._later = later

    def submit(self, tag: str, call: Call) -> None:
        """Say that it is done."""
        if not isinstance(call, OpenChannel):
            raise TypeError(f"a benchmark does not {type(call).__name__}")
        self.engine.receive(ChainReported(Wall().now(), CallSettled(tag, "0x")))

    def watch(self, channel_id: ChannelId) -> None:
        """Show the channel as funded by both."""
        view = View(opened=True, deposited=(DEPOSIT,) * 2, withdrawn=(Amount(0),) * 2)
        event = ChainReported(Wall().now(), ChannelObserved(channel_id, view, view))
        self._later(lambda: self.engine.receive(event))


class FreeWallet:
    """Signs openings; there are no tokens to move."""

    def __init__(self, key: coincurve.PrivateKey) -> None:
        self.engine: Engine
        self._key = key

    def authorize(self, request: Authorize) -> None:
        """Sign."""
        event = FundingAuthorized(
            Wall().now(), request.channel_id, sign(self._key, request.digest), (Pull(),) * len(request.amounts)
        )
        self.engine.receive(event)


def make_engine(
    keys: Keys,
    peer: bytes,
    journal: Journal,
    signer: Signer,
    network: Network,
    notify: Callable[[Notify], None],
    later: Later,
) -> Engine:
    """Return an engine of a party, started."""
    separator = Domain(CHAIN_ID, CONTRACT).separator()
    identity = Identity(peer, keys.address, keys.payout, keys.payout, CHAIN_ID, CONTRACT, separator)
    chain, wallet = FundedChain(later), FreeWallet(keys.wallet)
    engine = Engine(Node(identity), journal, signer, wallet, network, chain, Wall(), notify)
    chain.engine = wallet.engine = engine
    engine.start()
    return engine


def make_terms(first: Keys, second: Keys, nonce: int) -> Terms:
    """Return the terms of a two-party channel in one token."""
    return Terms(
        participants=(first.address, second.address),
        payouts=(first.payout, second.payout),
        assets=(TOKEN,),
        settlement=AssetIndex(0),
        challenge_period_s=3600,
        close_out=CloseOut.EXPIRY,
        exit_spread=0,
        oracle=ORACLE,
        risk_params_hash=ZERO_HASH,
        nonce=opening_nonce(nonce, (first.payout, second.payout)),
    )


def transfers(count: int, author: int, now: int) -> tuple[Transfer, ...]:
    """Return payments of one unit to the other side."""
    until = UnixSeconds(now + 3600)
    return (Transfer(Seat(author), 0, until, Seat(1 - author), AssetIndex(0), Amount(1)),) * count


def open_signer(path: Path, keys: Keys) -> FileSigner:
    """Return a signer with fresh marks."""
    MarkFile.create(path)
    return FileSigner.open(path, keys.channel)


class Party:
    """An engine behind a real host, pumped by the event loop once for all that came in together."""

    def __init__(self, name: str, folder: Path, notify: Callable[[Notify], None]) -> None:
        self.keys = Keys(name)
        folder.mkdir(parents=True, exist_ok=True)
        SqliteJournal.create(folder / "journal", new_journal_id())
        IntentFile.create(folder / "intents")
        self.signer = open_signer(folder / "marks", self.keys)
        self.journal = Store(SqliteJournal.open(folder / "journal"), self.signer, IntentFile.open(folder / "intents"))
        self.host = Host(
            self.keys.node,
            agent="thalweg-bench",
            limits=Limits(),
            on_link_up=lambda peer: self._receive(LinkUp(Wall().now(), bytes(peer))),
            on_link_down=lambda peer, why: self._receive(LinkDown(Wall().now(), bytes(peer), why)),
            on_message=self._on_message,
        )
        self.engine = make_engine(
            self.keys, self.host.peer_id, self.journal, self.signer, self.host, notify, self._later
        )
        self._scheduled = False

    def _receive(self, event: LinkUp | LinkDown) -> None:
        self.engine.receive(event)
        self.pump_soon()

    def _on_message(self, peer: bytes, data: bytes) -> None:
        self.engine.receive_message(bytes(peer), data)
        self.pump_soon()

    def _later(self, call: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(0.1, call)
        loop.call_later(0.11, self.pump_soon)

    def pump_soon(self) -> None:
        """Have the engine work off what comes in during this turn of the loop."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._scheduled = False
        self.engine.pump()
