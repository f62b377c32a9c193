"""One engine on simulated ports, worked by hand, and two of them with a channel in between."""

from thalweg.channel.effects import Authorize, Notify
from thalweg.channel.events import (
    AcceptRequested,
    ChainReported,
    FundingAuthorized,
    LinkUp,
    OpenRequested,
    Policy,
)
from thalweg.channel.hashes import opening_nonce
from thalweg.channel.messages import Message
from thalweg.channel.onchain import Call, ChannelObserved, Pull, View
from thalweg.codec import decode, encode
from thalweg.crypto import address_of, sign
from thalweg.node.engine import ENTRIES_BYTES_MAX, Engine
from thalweg.node.state import Identity, Node
from thalweg.testing.clock import SimClock, Timeline
from thalweg.testing.disk import SimDisk, SimJournal, SimSigner
from thalweg.testing.keys import key_of
from thalweg.testing.table import CHAIN_ID, CONTRACT, Table
from thalweg.units import Amount, ChannelId, Hash, UnixSeconds

TABLE = Table()
SEPARATOR = TABLE.channels[0].separator
POLICY = Policy(undecided_max=(Amount(10**9),))
BOB = b"bob"


class Machine:
    """One engine on simulated ports; what it says is kept in `sent`, links it dropped in `dropped`."""

    def __init__(self, name: str = "alice", entries_max: int = 20_000) -> None:
        self.key, self.wallet = key_of(0, name), key_of(0, f"{name} wallet")
        self.peer = name.encode()
        self.address, self.payer = address_of(self.key.public_key), address_of(self.wallet.public_key)
        self.disk = SimDisk()
        self.clock = SimClock(Timeline(), 0, lambda: None)
        self.entries_max, self.bytes_max = entries_max, ENTRIES_BYTES_MAX
        self.sent: list[tuple[bytes, Message]] = []
        self.dropped: list[bytes] = []
        self.calls: list[Call] = []
        self.notices: list[Notify] = []
        self.engine = self.boot()

    def empty(self) -> Node:
        return Node(Identity(self.peer, self.address, self.address, self.payer, CHAIN_ID, CONTRACT, SEPARATOR))

    def boot(self, journal: SimJournal | None = None) -> Engine:
        self.engine = Engine(
            self.empty(),
            journal or SimJournal(self.disk),
            SimSigner(self.key, self.disk, lambda *_: None),
            self,
            self,
            self,
            self.clock,
            self.notices.append,
            self.entries_max,
            self.bytes_max,
        )
        self.engine.start()
        return self.engine

    @property
    def now(self) -> UnixSeconds:
        return self.clock.now()

    # the ports
    def queue(self, peer: bytes, message: bytes) -> None:
        self.disk.fuse.burn()
        self.sent.append((peer, decode(message, Message)))  # type: ignore[arg-type]

    def flush(self) -> None: ...

    def disconnect(self, peer: bytes, reason: str) -> None:
        self.dropped.append(peer)

    def submit(self, tag: str, call: Call) -> None:
        self.calls.append(call)

    def watch(self, channel_id: ChannelId) -> None:
        pass

    def authorize(self, request: Authorize) -> None:
        signature = sign(self.wallet, request.digest)
        self.engine.receive(FundingAuthorized(self.now, request.channel_id, signature, (Pull(),)))


def talk(one: Machine, two: Machine) -> None:
    """Carry messages between two machines until both are quiet."""
    for machine in (one, two):
        machine.engine.pump()
    while one.sent or two.sent:
        for source, target in ((one, two), (two, one)):
            said, source.sent = source.sent, []
            for _, message in said:
                target.engine.receive_message(source.peer, encode(message))
            target.engine.pump()


def joined(entries_max: int = 20_000) -> tuple[Machine, Machine]:
    """Return two machines with a channel between them, its deposits counted."""
    alice, bob = Machine("alice", entries_max), Machine("bob", entries_max)
    for one, two in ((alice, bob), (bob, alice)):
        one.engine.receive(LinkUp(one.now, two.peer))
    talk(alice, bob)
    people = (alice, bob)
    addresses = tuple(person.address for person in people)
    nonce = opening_nonce(0, tuple(person.payer for person in people))
    members = {name: getattr(TABLE.terms, name) for name in TABLE.terms.__struct_fields__}
    terms = type(TABLE.terms)(**{**members, "participants": addresses, "payouts": addresses, "nonce": nonce})
    alice.engine.request(
        OpenRequested(
            now=alice.now,
            request="open",
            terms=terms,
            amounts=(Amount(1000), Amount(1000)),
            payers=tuple(person.payer for person in people),
            peers=tuple(person.peer for person in people),
            deadline=UnixSeconds(alice.now + 60),
            secret=Hash(bytes(32)),
            policy=POLICY,
        )
    )
    talk(alice, bob)
    (channel_id,) = bob.engine.node.openings
    bob.engine.request(AcceptRequested(bob.now, channel_id, POLICY))
    talk(alice, bob)
    view = View(opened=True, deposited=(Amount(1000),) * 2, withdrawn=(Amount(0),) * 2)
    for person in people:
        person.engine.receive(ChainReported(person.now, ChannelObserved(channel_id, view, view)))
    talk(alice, bob)
    return alice, bob


def the_channel(machine: Machine) -> ChannelId:
    (channel_id,) = machine.engine.node.channels
    return channel_id
