"""The contracts and the simulator's model of them, side by side: the same calls, the same outcome, to the unit."""

from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.contracts.claims import option, position
from tests.contracts.evm import Reverted, account
from tests.contracts.scene import FEED, ORACLES, Scene, State

from thalweg.channel.claims import Position
from thalweg.channel.onchain import Call
from thalweg.channel.sheet import Holding
from thalweg.instruments.terms import Payoff
from thalweg.testing.adjudicator import execute
from thalweg.testing.ledger import Ledger, Quorum
from thalweg.testing.ledger import Reverted as ModelReverted
from thalweg.units import SCALE, Amount, UnixSeconds

STAKE = 10**9
seats = st.integers(0, 1)
amounts = st.integers(0, 10**8)


class Twins(RuleBasedStateMachine):
    """One channel of two, on the chain and in the model. Whatever is asked of both, both do or both refuse."""

    scene: Scene | None = None

    @initialize(data=st.data(), first=amounts, second=amounts)
    def open(self, data: st.DataObject, first: int, second: int) -> None:
        if Twins.scene is None:
            Twins.scene = Scene()
        scene = self.chain = Twins.scene
        self.snapshot = scene.evm.snapshot()
        self.channel = scene.channel(amounts=(first, second))
        self.stranger = account("stranger")
        for person in (*self.channel.people, self.stranger):
            scene.give(person, STAKE)
            scene.allow(person, STAKE)
        self.expiries = tuple(scene.expiry(wait) for wait in (500, 9_000))
        self.states: list[State] = []
        self.version = 0
        self.ledger = Ledger(
            chain_id=scene.evm.chain_id,
            contract=scene.adjudicator,
            separator=scene.separator,
            tokens={(scene.token, one.address): STAKE for one in (*self.channel.people, self.stranger)},
            oracles={scene.oracle: Quorum(tuple(one.address for one in ORACLES), 3)},
        )
        self._both(self.channel.opening())
        self.states.append(self.channel.implicit())
        self.agree(data, 1)

    def teardown(self) -> None:
        if hasattr(self, "snapshot"):
            self.chain.evm.revert(self.snapshot)

    @precondition(lambda self: not self.channel.view.closed)
    @rule(seat=seats, amount=amounts)
    def top_up(self, seat: int, amount: int) -> None:
        self._both(self.channel.top_up(seat, amount))

    @precondition(lambda self: not self.channel.view.closed)
    @rule(data=st.data(), skip=st.integers(1, 3))
    def agree(self, data: st.DataObject, skip: int) -> None:
        self.version += skip
        self.states.append(self.channel.state(self.version, self._split(data), self._book(data), mark_time=7))

    @precondition(lambda self: self.version and not self.channel.view.closed)
    @rule()
    def withdraw(self) -> None:
        self._both(self.channel.withdrawal(self.states[-1]))

    @precondition(lambda self: not self.channel.view.closed)
    @rule(data=st.data(), seat=seats)
    def challenge(self, data: st.DataObject, seat: int) -> None:
        self._both(self.channel.challenge(data.draw(st.sampled_from(self.states[::-1])), seat))

    @precondition(lambda self: self.version and not self.channel.view.closed)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        shown = [state for state in self.states if state.state.version]
        self._both(self.channel.answer(data.draw(st.sampled_from(shown[::-1]))))

    @precondition(lambda self: self.channel.view.dispute is not None)
    @rule(data=st.data(), is_patient=st.sampled_from((True, True, True, False)))
    def settle(self, data: st.DataObject, is_patient: bool) -> None:
        dispute = self.channel.view.dispute
        assert dispute is not None
        if is_patient and self.chain.evm.now() < dispute.deadline:
            self.channel.wait()
        state = next(state for state in self.states if state.state.version == dispute.version)
        upto = data.draw(st.sampled_from((len(state.claims), *range(dispute.progress.cursor, len(state.claims)))))
        call = self.channel.settlement(state, upto)
        self._both(call if state.state.version else msgspec.structs.replace(call, salt=bytes(32)))

    @precondition(lambda self: not self.channel.view.closed)
    @rule(data=st.data(), seat=seats, prices=st.tuples(st.integers(0, 200_000), st.integers(0, 200_000)))
    def fight(self, data: st.DataObject, seat: int, prices: tuple[int, int]) -> None:
        """Go from here to the end of a dispute: newest state, both reports, settlement in runs."""
        if self.channel.view.dispute is None:
            self.challenge(data, seat)
        self.answer(data)
        for late, price in enumerate(prices):
            self.speak(late, price, is_void=False)
        for _ in range(4):
            if self.channel.view.dispute is not None:
                self.settle(data, is_patient=True)

    @rule(late=seats, price=st.integers(0, 200_000), is_void=st.booleans())
    def speak(self, late: int, price: int, is_void: bool) -> None:
        time = UnixSeconds(self.expiries[late])
        key = (self.chain.oracle, FEED, time)
        if key not in self.ledger.reports:
            self.chain.evm.travel(max(self.chain.evm.now() + 1, time))
            self._both(self.chain.register(time, 0 if is_void else price * SCALE, is_void=is_void))

    @rule(seconds=st.sampled_from((1, 600, 3_600)))
    def wait(self, seconds: int) -> None:
        self.chain.evm.travel(self.chain.evm.now() + seconds)

    @precondition(lambda self: self.version > 9 and not self.channel.view.closed)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        self._both(self.channel.closing(self.channel.state(2**40 - 1, self._split(data))))

    @invariant()
    def money_is_where_the_model_has_it(self) -> None:
        for (token, owner), amount in self.ledger.tokens.items():
            assert self.chain.balance(owner, token) == amount

    @invariant()
    def the_view_says_what_the_model_keeps(self) -> None:
        model = self.ledger.accounts[self.channel.id]
        view = self.channel.view
        assert (view.closed, view.deposited) == (model.is_closed, model.deposited)
        if view.closed:
            return
        assert view.withdrawn == model.withdrawn
        kept = model.contest
        assert (view.dispute is None) == (kept is None)
        if view.dispute is not None and kept is not None:
            assert (view.dispute.version, view.dispute.deadline) == (kept.version, kept.deadline)
            assert view.dispute.challenger == kept.challenger
            assert view.dispute.progress == kept.progress

    def _both(self, call: Call) -> None:
        """Have both execute a call; they must agree on whether it succeeds, and on why not."""
        refused, told = "", ""
        try:
            self.channel.do(call)
        except Reverted as reverted:
            refused = str(reverted).partition(": ")[2]
        try:
            self.ledger = execute(self.ledger, call, self.stranger.address, UnixSeconds(self.chain.evm.now()))
        except ModelReverted as reverted:
            told = str(reverted.reason)
        assert refused == told

    def _split(self, data: st.DataObject) -> list[Holding]:
        """Divide what the chain holds, with a part of it withdrawn and a part of the rest free."""
        view = self.channel.view
        held = sum(view.deposited) - sum(view.withdrawn)
        first = data.draw(st.integers(0, held), label="first")
        holdings = []
        for seat, mine in enumerate((first, held - first)):
            leaving = data.draw(st.integers(0, mine), label="leaving")
            free = data.draw(st.integers(0, mine - leaving), label="free")
            counted = (view.deposited[seat], Amount(view.withdrawn[seat] + leaving))
            holdings.append(Holding(Amount(mine - leaving), Amount(free), *counted))
        return holdings

    def _book(self, data: st.DataObject) -> list[Position]:
        expiries = sorted(
            data.draw(st.lists(st.sampled_from(self.expiries), min_size=data.draw(seats), max_size=4), label="expiries")
        )
        return [self._position(data, number, expiry) for number, expiry in enumerate(expiries, 1)]

    def _position(self, data: st.DataObject, number: int, expiry: int) -> Position:
        payoff = data.draw(st.sampled_from((Payoff.CALL, Payoff.PUT)))
        strike, long = data.draw(st.integers(1, 200_000)), data.draw(seats)
        quantity = data.draw(st.integers(1, 10**6)) / SCALE
        return position(number, option(self.chain.oracle, strike, expiry, payoff), quantity, long, 1 - long)


TestTwins: Any = Twins.TestCase
TestTwins.settings = settings(
    max_examples=12, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
