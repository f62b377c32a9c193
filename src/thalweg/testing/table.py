"""A few bare channels around one table: no nodes, disks, links or chain. For tests of one rule at a time.

Every seat's channel is stepped by hand. What it wants signed is signed at once; what it says waits in `sent` until it
is delivered; notices and calls are collected.
"""

import random
from collections import deque
from typing import Final

from thalweg.channel import hashes
from thalweg.channel.agreeing import signed_messages
from thalweg.channel.effects import Effect, Notify, SendMessage, SignDigest, SignState, Submit
from thalweg.channel.events import (
    AnyEvent,
    ChainReported,
    DigestSigned,
    LinkUp,
    MessageReceived,
    OfferRequested,
    OperationsRequested,
    Policy,
    ReportReceived,
    StateSigned,
    TakeRequested,
)
from thalweg.channel.messages import ChannelMessage
from thalweg.channel.onchain import ChannelObserved, View
from thalweg.channel.operations import AnyOperation, Leg, Offer
from thalweg.channel.state import new_channel
from thalweg.channel.step import step
from thalweg.channel.terms import CloseOut, Terms
from thalweg.codec import Domain
from thalweg.crypto import address_of, keccak, sign
from thalweg.errors import InvariantBroken
from thalweg.instruments.report import SignedReport
from thalweg.testing.keys import key_of
from thalweg.testing.oracle import SimOracle
from thalweg.units import ZERO_HASH, Address, Amount, AssetIndex, Hash, Seat, Signature, UnixSeconds

NOW: Final = UnixSeconds(1_800_000_000)
LATER_S: Final = 600
DEPOSIT: Final = Amount(10**12)
CHAIN_ID: Final = 31_337
CONTRACT: Final = Address(keccak(b"adjudicator")[:20])
ORACLE: Final = Address(keccak(b"oracle")[:20])
TALK_MAX: Final = 10_000  # messages of one `run`: whoever talks longer talks for ever


class Table:
    """`channels[seat]` is one participant's channel. `now` is everybody's clock; `later` is when things expire."""

    def __init__(self, seats: int = 2, assets: int = 1, undecided_max: Amount = DEPOSIT, seed: int = 0) -> None:
        self.now = NOW
        self.keys = [key_of(seed, f"seat {seat}") for seat in range(seats)]
        self.oracle = SimOracle(seed, CHAIN_ID, ORACLE, random.Random(seed))  # noqa: S311 - must repeat itself
        self.policy = Policy(undecided_max=(undecided_max,) * assets, quorum=self.oracle.quorum)
        addresses = tuple(address_of(key.public_key) for key in self.keys)
        terms = Terms(
            participants=addresses,
            payouts=addresses,
            assets=tuple(Address(keccak(b"asset %d" % index)[:20]) for index in range(assets)),
            settlement=AssetIndex(0),
            challenge_period_s=900,
            close_out=CloseOut.EXPIRY,
            exit_spread=0,
            oracle=ORACLE,
            risk_params_hash=ZERO_HASH,
            nonce=seed,
        )
        separator = Domain(CHAIN_ID, CONTRACT).separator()
        self.peers = tuple(b"peer %d" % seat for seat in range(seats))
        self.channels = [
            new_channel(separator, terms, Seat(seat), self.peers, Hash(keccak(b"secret")), self.policy)
            for seat in range(seats)
        ]
        self.sent: deque[tuple[int, int, ChannelMessage]] = deque()
        self.notices: list[tuple[int, Notify]] = []
        self.calls: list[tuple[int, Submit]] = []
        self.marks: dict[int, SignState] = {}  # by seat, what was signed last
        self._offers = 0

    @property
    def later(self) -> UnixSeconds:
        """Return a time by when things should be done."""
        return UnixSeconds(self.now + LATER_S)

    @property
    def terms(self) -> Terms:
        """Return the channel's terms."""
        return self.channels[0].terms

    # --- the loop ---------------------------------------------------------------------------------------------------

    def step(self, seat: int, event: AnyEvent) -> None:
        """Step one seat's channel, and perform what it wants."""
        after, effects = step(self.channels[seat], event)
        self.channels[seat] = after
        for effect in effects:
            self._perform(seat, effect)

    def _perform(self, seat: int, effect: Effect) -> None:
        match effect:
            case SendMessage():
                self.sent.append((seat, self.peers.index(effect.peer), effect.message))  # type: ignore[arg-type]
            case SignState():
                self._mark(seat, effect)
                signature = self.sign(seat, effect.digest)
                for told in signed_messages(self.channels[seat], effect.version, signature):
                    self._perform(seat, told)
                self.step(seat, StateSigned(self.now, effect.channel_id, effect.version, signature))
            case SignDigest():
                signature = self.sign(seat, effect.digest)
                self.step(seat, DigestSigned(self.now, effect.channel_id, effect.subject, signature))
            case Notify():
                self.notices.append((seat, effect))
            case Submit():
                self.calls.append((seat, effect))
            case _:
                pass

    def _mark(self, seat: int, wanted: SignState) -> None:
        """Refuse what every signer refuses: another state of a version, or one below the newest that was signed."""
        newest = self.marks.get(seat)
        if newest is not None and wanted.version <= newest.version and wanted != newest:
            raise InvariantBroken(f"seat {seat} signed version {newest.version} and is asked for {wanted.version}")
        self.marks[seat] = wanted

    def sign(self, seat: int, digest: bytes) -> Signature:
        """Sign with a seat's channel key."""
        return sign(self.keys[seat], digest)

    def tell(self, source: int, target: int, message: ChannelMessage) -> None:
        """Deliver one message, whoever made it up."""
        self.step(target, MessageReceived(self.now, self.peers[source], message))

    def deliver(self) -> tuple[int, int, ChannelMessage]:
        """Deliver the next message."""
        source, target, message = self.sent.popleft()
        self.tell(source, target, message)
        return source, target, message

    def run(self) -> None:
        """Deliver messages until nobody says anything more."""
        for _ in range(TALK_MAX):
            if not self.sent:
                return
            self.deliver()
        raise AssertionError("they talk for ever")

    # --- what people do ---------------------------------------------------------------------------------------------

    def open(self, deposits: tuple[Amount, ...] | None = None) -> "Table":
        """Open the channel, with everybody's deposits counted and agreed."""
        cells = len(self.channels) * len(self.terms.assets)
        self.observe(View(opened=True, deposited=deposits or (DEPOSIT,) * cells, withdrawn=(Amount(0),) * cells))
        self.link_all()
        self.run()
        return self

    def observe(self, view: View, seats: list[int] | None = None) -> None:
        """Show a view of the chain, final at once, to some seats or to all."""
        for seat in range(len(self.channels)) if seats is None else seats:
            event = ChannelObserved(self.channels[seat].id, view, view)
            self.step(seat, ChainReported(self.now, event))

    def link_all(self) -> None:
        """Link everybody with everybody."""
        for seat in range(len(self.channels)):
            for other in range(len(self.channels)):
                if other != seat:
                    self.step(seat, LinkUp(self.now, self.peers[other]))

    def operate(self, seat: int, *operations: AnyOperation) -> None:
        """Have a seat's user ask for operations."""
        self.step(seat, OperationsRequested(self.now, "request", self.channels[seat].id, operations))

    def offer(self, maker: int, taker: int, *legs: Leg) -> Offer:
        """Have a seat's user offer a trade."""
        self._offers += 1
        offer = Offer(Hash(keccak(b"offer %d" % self._offers)), Seat(maker), Seat(taker), legs, self.later)
        self.step(maker, OfferRequested(self.now, "request", self.channels[maker].id, offer))
        return offer

    def take(self, offer: Offer) -> None:
        """Have the taker's user take an offer."""
        self.step(offer.taker, TakeRequested(self.now, "request", self.channels[0].id, offer.id))

    def trade(self, maker: int, taker: int, *legs: Leg) -> None:
        """Offer, take, and agree."""
        offer = self.offer(maker, taker, *legs)
        self.run()
        self.take(offer)
        self.run()

    def report(self, signed: SignedReport) -> None:
        """Let everybody hear of a report."""
        for seat in range(len(self.channels)):
            self.step(seat, ReportReceived(self.now, signed))

    def balances(self, seat: int = 0) -> list[int]:
        """Return everybody's balances as one seat has agreed to them."""
        return [holding.balance for holding in self.channels[seat].agreed.sheet.holdings]

    def digest(self, seat: int = 0) -> Hash:
        """Return the digest of a seat's newest agreed state."""
        channel = self.channels[seat]
        return hashes.state_digest(channel.separator, channel.agreed.state)
