"""Channels that talk, break off, crash and are lied to, in any order: every step has a hostile twin.

What must hold is checked by the core itself, by the table (no signer is asked for a second state of a version), and
here after every step; at the end the links come back, and everybody must hold the same.
"""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from thalweg.channel.events import LinkDown, LinkUp, Started, TakeRequested, TimerFired
from thalweg.channel.messages import ChannelMessage, Message
from thalweg.channel.operations import AnyOperation, Leg, Transfer, Withdraw, is_in_range
from thalweg.channel.state import Leaving
from thalweg.errors import PeerFault, Reason, UserFault
from thalweg.instruments.report import GRID_S, Settlement
from thalweg.instruments.terms import Instrument, Payoff
from thalweg.testing.checks import check_cover, check_money
from thalweg.testing.mallory import twist
from thalweg.testing.oracle import FEED
from thalweg.testing.table import DEPOSIT, NOW, ORACLE, Table
from thalweg.units import SCALE, Amount, AssetIndex, Price, Quantity, Seat, UnixSeconds

EXPIRY = UnixSeconds(NOW - NOW % GRID_S + 600)
PATIENCE_S = 120  # answer_s and challenge_s of a table's policy
seats = st.integers(0, 2)


class Channels(RuleBasedStateMachine):
    """Two or three participants at a table."""

    @initialize(count=st.sampled_from((2, 2, 3)), limit=st.sampled_from((DEPOSIT, Amount(10**9))))
    def open(self, count: int, limit: Amount) -> None:
        self.table = Table(count, undecided_max=limit).open()
        self.count = count
        self.agreed = [channel.agreed.version for channel in self.table.channels]
        self.links = {(one, two): True for one in range(count) for two in range(count) if one != two}

    # --- what people do ---------------------------------------------------------------------------------------------

    def ask(self, seat: int, *operations: AnyOperation) -> None:
        channel = self.table.channels[seat]
        if not all(map(is_in_range, operations)):
            with pytest.raises(UserFault, match=str(Reason.OVERFLOW)):
                self.table.operate(seat, *operations)
            return
        try:
            self.table.operate(seat, *operations)
        except UserFault:
            assert channel.leaving == Leaving.ALONE or channel.recovering

    @rule(payer=seats, payee=seats, amount=st.integers(-1, 2 * DEPOSIT), count=st.integers(1, 3))
    def pay(self, payer: int, payee: int, amount: int, count: int) -> None:
        until = UnixSeconds(self.table.now + 300)
        payment = Transfer(Seat(0), 0, until, Seat(payee % self.count), AssetIndex(0), Amount(amount))
        self.ask(payer % self.count, *(payment,) * count)

    @rule(seat=seats, amount=st.integers(1, 1000))
    def withdraw(self, seat: int, amount: int) -> None:
        until = UnixSeconds(self.table.now + 300)
        self.ask(seat % self.count, Withdraw(Seat(0), 0, until, AssetIndex(0), Amount(amount)))

    @rule(maker=seats, taker=seats, strike=st.sampled_from((50_000, 70_000)), quantity=st.integers(1, SCALE))
    def offer(self, maker: int, taker: int, strike: int, quantity: int) -> None:
        maker, taker = maker % self.count, taker % self.count
        knots = (strike * SCALE,)
        terms = Instrument(payoff=Payoff.PUT, oracle=ORACLE, feed=FEED, expiry=EXPIRY, unit=10**6, knots=knots)
        try:
            self.table.offer(maker, taker, Leg(terms, Seat(maker), Seat(taker), Quantity(quantity), 100))
        except UserFault:
            return

    @rule(seat=seats, data=st.data())
    def take(self, seat: int, data: st.DataObject) -> None:
        channel = self.table.channels[seat % self.count]
        offers = [offer for offer in channel.offers if offer.taker == channel.seat]
        if offers:
            offer = data.draw(st.sampled_from(offers))
            event = TakeRequested(self.table.now, "take", channel.id, offer.id, data.draw(st.booleans()))
            try:
                self.table.step(channel.seat, event)
            except UserFault:
                return

    @rule(price=st.integers(0, 100_000))
    def settle(self, price: int) -> None:
        self.table.now = UnixSeconds(max(self.table.now, EXPIRY + 1))
        self.table.report(self.table.oracle.sign(Settlement(FEED, EXPIRY, Price(price * SCALE))))

    # --- what is said, and its twins --------------------------------------------------------------------------------

    def carry(self) -> None:
        source, target, message = self.table.sent.popleft()
        if self.links[source, target]:
            self.table.tell(source, target, message)

    @precondition(lambda self: self.table.sent)
    @rule(count=st.integers(1, 5))
    def deliver(self, count: int) -> None:
        for _ in range(count):
            if self.table.sent:
                self.carry()

    @precondition(lambda self: self.table.sent)
    @rule(seed=st.integers(0, 2**32), how=st.sampled_from(("twist", "twice", "another")))
    def deliver_a_hostile_twin(self, seed: int, how: str) -> None:
        source, target, message = self.table.sent[0]
        if not self.links[source, target]:
            return
        before = self.table.channels[target]
        twin = self.twin(message, seed) if how == "twist" else message
        liar = (target + 1) % self.count if how == "another" else source
        if twin is not None and liar != target:
            try:
                self.table.tell(liar, target, twin)
            except PeerFault:
                assert self.table.channels[target] == before
                self.part(liar, target)

    def twin(self, message: ChannelMessage, seed: int) -> ChannelMessage | None:
        data = twist(msgspec.json.encode(message), random.Random(seed))
        try:
            twin: Any = msgspec.json.decode(data, type=Message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return twin if getattr(twin, "channel_id", None) == self.table.channels[0].id else None

    # --- what befalls them ------------------------------------------------------------------------------------------

    def part(self, one: int, two: int) -> None:
        """Break a link; what is on it is lost."""
        for source, target in ((one, two), (two, one)):
            if self.links[source, target]:
                self.links[source, target] = False
                self.table.step(source, LinkDown(self.table.now, self.table.peers[target]))
        left = [item for item in self.table.sent if set(item[:2]) != {one, two}]
        self.table.sent.clear()
        self.table.sent.extend(left)

    def join(self, one: int, two: int) -> None:
        for source, target in ((one, two), (two, one)):
            if not self.links[source, target]:
                self.links[source, target] = True
                self.table.step(source, LinkUp(self.table.now, self.table.peers[target]))

    @rule(one=seats, two=seats)
    def break_or_mend_a_link(self, one: int, two: int) -> None:
        one, two = one % self.count, two % self.count
        if one != two:
            (self.part if self.links[one, two] else self.join)(one, two)

    @rule(seat=seats)
    def crash(self, seat: int) -> None:
        seat %= self.count
        for other in range(self.count):
            if other != seat:
                self.part(seat, other)
        self.table.step(seat, Started(self.table.now))

    @rule(seconds=st.integers(1, 50))
    def wait(self, seconds: int) -> None:
        self.table.now = UnixSeconds(self.table.now + seconds)
        for seat, channel in enumerate(self.table.channels):
            self.table.step(seat, TimerFired(self.table.now, channel.id))

    # --- what must hold ---------------------------------------------------------------------------------------------

    @invariant()
    def every_agreed_state_is_sound_and_versions_only_grow(self) -> None:
        if not hasattr(self, "table"):
            return
        known: dict[int, bytes] = {}
        for seat, channel in enumerate(self.table.channels):
            assert channel.agreed.version >= self.agreed[seat]
            self.agreed[seat] = channel.agreed.version
            assert known.setdefault(channel.agreed.version, self.table.digest(seat)) == self.table.digest(seat)
            check_money(channel.agreed.sheet, channel.terms)
            check_cover(channel.agreed.sheet, channel.terms)

    def teardown(self) -> None:
        """Mend everything: all must come to hold the same, with nothing left waiting."""
        if not hasattr(self, "table"):
            return
        for one, two in list(self.links):
            self.part(one, two)
        for one, two in list(self.links):
            self.join(one, two)
        self.table.run()
        self.wait(PATIENCE_S)
        self.table.run()
        if any(channel.leaving != Leaving.NO or channel.recovering for channel in self.table.channels):
            return  # somebody lost patience, or was told of states he cannot have: the chain decides
        assert len({self.table.digest(seat) for seat in range(self.count)}) == 1
        assert all(channel.queue == () for channel in self.table.channels)
        assert not any(channel.offered for channel in self.table.channels)


TestChannels = Channels.TestCase
TestChannels.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
