"""One simulated node: the production `Engine` on simulated ports, with its disk, its crashes and its restarts."""

import random
from collections.abc import Callable

from thalweg.channel.effects import Authorize, Notify
from thalweg.channel.events import AnyEvent, ChainReported, FundingAuthorized, LinkDown, LinkUp
from thalweg.channel.onchain import BlockObserved, Call, ChainEvent, ChannelObserved, Pull
from thalweg.channel.state import Channel, Offered, find_live
from thalweg.crypto import address_of, sign
from thalweg.errors import InvariantBroken, UserFault
from thalweg.node.engine import Engine, replay
from thalweg.node.ports import Signer
from thalweg.node.state import Identity, Node, snapshot
from thalweg.testing.chain import ChainPort, SimChain
from thalweg.testing.clock import SimClock, Timeline
from thalweg.testing.disk import Crash, SimDisk, SimJournal, SimSigner
from thalweg.testing.keys import key_of
from thalweg.testing.ledger import Ledger
from thalweg.testing.network import SimNetwork
from thalweg.units import Address, ChannelId, UnixSeconds, Version

PUMP_MS_MAX = 5  # events that come in so close together share a commit
SLOW_MS_MAX = 3_000  # the same, of a node that is slow
ENTRIES_MAX = 150  # compact early, so that snapshots are tried too


class Surroundings:
    """What all nodes of a world share."""

    def __init__(self, seed: int, timeline: Timeline, rng: random.Random, network: SimNetwork, chain: SimChain) -> None:
        self.seed = seed
        self.timeline = timeline
        self.rng = rng
        self.network = network
        self.chain = chain
        self.trace: Callable[[bytes], None] = lambda _: None
        self.on_signed: Callable[[ChannelId, Offered], None] = lambda _, __: None
        self.on_pumped: Callable[[Participant], None] = lambda _: None
        self.on_notice: Callable[[Participant, Notify], None] = lambda _, __: None


class Participant:
    """A node and whoever owns it. While it is down, `engine` is None and the disk is all there is."""

    is_honest = True

    def __init__(self, name: str, around: Surroundings, skew_s: int, *, is_slow: bool = False) -> None:
        self.name = name
        self.peer = name.encode()
        self.disk = SimDisk()
        self.engine: Engine | None = None
        self.crashes = 0
        self.is_awaited = False  # down, and somebody has planned to start it
        self._around = around
        self._skew_s = skew_s
        self._key = key_of(around.seed, name)
        self._payer_key = key_of(around.seed, f"{name} wallet")
        self._clock: SimClock | None = None
        self._port: ChainPort | None = None
        self._pump_planned = False
        self._pump_ms_max = SLOW_MS_MAX if is_slow else PUMP_MS_MAX

    # --- who it is --------------------------------------------------------------------------------------------------

    @property
    def address(self) -> Address:
        """Return the channel key's address."""
        return address_of(self._key.public_key)

    @property
    def payer(self) -> Address:
        """Return the wallet's address."""
        return address_of(self._payer_key.public_key)

    @property
    def payout(self) -> Address:
        """Return the address that channels pay to: a cold one, whose key is nowhere."""
        return address_of(key_of(self._around.seed, f"{self.name} payout").public_key)

    def identity(self) -> Identity:
        """Return what this node is to others."""
        ledger: Ledger = self._around.chain.head.ledger
        return Identity(
            self.peer, self.address, self.payout, self.payer, ledger.chain_id, ledger.contract, ledger.separator
        )

    @property
    def is_up(self) -> bool:
        """Say whether the node runs."""
        return self.engine is not None

    @property
    def now(self) -> UnixSeconds:
        """Return what the node takes the time to be."""
        return self._clock.now() if self._clock else self._around.timeline.now_s

    @property
    def channels(self) -> dict[ChannelId, Channel]:
        """Return the node's channels; none while it is down."""
        return self.engine.node.channels if self.engine else {}

    # --- life and death ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start, or start again on the same disk.

        Raises:
            InvariantBroken: the signer signed what the journal does not know, though nobody put an old journal back.
        """
        self._clock = SimClock(self._around.timeline, self._skew_s, self._wake)
        self._port = ChainPort(self._around.chain, self.payer, self._on_chain)
        try:
            engine = Engine(
                Node(self.identity()),
                SimJournal(self.disk),
                self._signer(),
                self,
                self,
                self,
                self._clock,
                self._on_notice,
                entries_max=ENTRIES_MAX,
            )
            self._check_marks(engine)
            self.engine = engine
            engine.start(recovering=self.disk.restored)
        except Crash:
            self.stop()
            return
        self.disk.restored = False
        self._around.network.node_started(self.peer)
        self._around.on_pumped(self)

    def _signer(self) -> Signer:
        return SimSigner(self._key, self.disk, self._on_signed)

    def _on_signed(self, channel_id: ChannelId, version: Version) -> None:
        """Let the world know a state before its signature can leave."""
        entry = find_live(self.channels[channel_id], version) if channel_id in self.channels else None
        if entry is not None:
            self._around.on_signed(channel_id, entry)

    def _check_marks(self, engine: Engine) -> None:
        for channel_id, channel in engine.node.channels.items():
            mark = self.disk.marks.get(channel_id)
            if mark and mark.version > channel.newest_signed and not self.disk.is_old:
                raise InvariantBroken(f"{self.name} signed version {mark.version} before it was durable: {channel!r}")

    def stop(self) -> None:
        """Stop as if the power were cut. Somebody must start it again."""
        if self._clock is None or self._port is None:
            return
        self.crashes += 1
        self.engine = None
        self._clock.stopped = True
        self.disk.fuse.put_out()
        self._around.chain.leave(self._port)
        self._clock, self._port = None, None
        self._around.network.break_all(self.peer)

    def check_replay(self) -> None:
        """Check that the journal alone gives this node again, byte for byte.

        Raises:
            InvariantBroken: it does not.
        """
        if self.engine is None:
            return
        self.engine.save()
        again, _ = replay(SimJournal(self.disk), Node(self.identity()))
        if snapshot(again) != snapshot(self.engine.node):
            raise InvariantBroken(f"{self.name}'s journal does not replay to its state")

    def blind(self, is_blind: bool) -> None:
        """Cut this node off the chain, or let it see again."""
        if self._port is not None:
            self._port.is_blind = is_blind

    def set_clock(self, skew_s: int) -> None:
        """Have this node's clock be wrong by another amount."""
        self._skew_s = skew_s
        if self._clock is not None:
            self._clock.jump(skew_s)

    # --- what comes in ----------------------------------------------------------------------------------------------

    def request(self, event: AnyEvent) -> UserFault | None:
        """Ask the node for something; return its refusal, if it refuses."""
        refusal: list[UserFault] = []

        def ask(engine: Engine) -> None:
            try:
                engine.request(event)
            except UserFault as fault:
                refusal.append(fault)

        self._run(ask)
        return refusal[0] if refusal else None

    def receive(self, event: AnyEvent) -> None:
        """Let the node hear of something; it works it off a little later, with what else came in."""
        if self.engine is not None:
            self.engine.receive(event)
            self._plan_pump()

    def on_link_up(self, peer: bytes) -> None:
        """Hear of a new link."""
        self.receive(LinkUp(self.now, peer))

    def on_link_down(self, peer: bytes) -> None:
        """Hear that a link broke."""
        self.receive(LinkDown(self.now, peer))

    def on_message(self, peer: bytes, data: bytes) -> None:
        """Get a message."""
        self._run(lambda engine: engine.receive_message(peer, data), is_last=False)
        self._plan_pump()

    def _on_chain(self, event: ChainEvent) -> None:
        if isinstance(event, BlockObserved):
            if self._clock is not None:
                self._clock.see_block(event.time)
        elif not isinstance(event, ChannelObserved) or event.channel_id in self.channels:
            self.receive(ChainReported(self.now, event))

    def _wake(self) -> None:
        self._run(lambda engine: engine.wake())

    def _plan_pump(self) -> None:
        if not self._pump_planned:
            self._pump_planned = True
            self._around.timeline.after(self._around.rng.randrange(self._pump_ms_max + 1), self._pump)

    def _pump(self) -> None:
        self._pump_planned = False
        self._run(lambda engine: engine.pump())

    def _run(self, action: Callable[[Engine], None], *, is_last: bool = True) -> None:
        """Do something with the engine, unless it is down; a lit fuse may end it in the middle."""
        if self.engine is None:
            return
        try:
            action(self.engine)
        except Crash:
            self.stop()
            return
        if is_last:
            self._around.on_pumped(self)

    # --- the ports that are this node's own: network, chain, wallet --------------------------------------------------

    def queue(self, peer: bytes, message: bytes) -> None:
        """Send a message, unless the power is cut just before."""
        self.disk.fuse.burn()
        self._around.trace(message)
        self._around.network.send(self.peer, peer, message)

    def flush(self) -> None:
        """Nothing waits here: what is sent is on its way."""

    def disconnect(self, peer: bytes, reason: str) -> None:
        """Drop the link to a peer."""
        self._around.trace(reason.encode())
        self._around.network.break_link(self.peer, peer)

    def submit(self, tag: str, call: Call) -> None:
        """Send a call to the chain, unless the power is cut just before."""
        self.disk.fuse.burn()
        if self._port is not None:
            self._port.submit(tag, call)

    def watch(self, channel_id: ChannelId) -> None:
        """Watch a channel."""
        if self._port is not None:
            self._port.watch(channel_id)

    def authorize(self, request: Authorize) -> None:
        """Sign an opening with the wallet's key; the tokens' allowance was given before."""
        self.disk.fuse.burn()
        signature = sign(self._payer_key, request.digest)
        pulls = (Pull(),) * len(request.terms.assets)
        event = FundingAuthorized(self.now, request.channel_id, signature, pulls)
        self._around.timeline.after(1, lambda: self.receive(event))

    def _on_notice(self, notice: Notify) -> None:
        self._around.on_notice(self, notice)
