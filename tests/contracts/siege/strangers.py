"""The world around: oracles, preimages, time, reorganisations, strangers, tokens and payees without manners."""

from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from tests.contracts.compiled import tell
from tests.contracts.evm import Reverted
from tests.contracts.reference.outcomes import Report
from tests.contracts.scene import FEED, invocation
from tests.contracts.siege import states
from tests.contracts.siege.ground import ODD_GAS, PEOPLE, PERIOD_S, STRANGER, Ground, picks, seats
from tests.contracts.surfaces import flat

from thalweg.chain.artefacts import RESOLVER
from thalweg.chain.calls import encode
from thalweg.instruments.report import Mark, Slice
from thalweg.units import NATIVE, SCALE, Price, UnixSeconds

# What a token or a payee calls back is in its storage: 2,100 gas a word, of the 200,000 that a payout may use.
# Reading and decoding the opening of a channel, 1,252 bytes, takes 120,000; what takes more would not be paid at once.
ECHO_BYTES_MAX: Final = 1_280


class Strangers(Ground):
    """Rules that need nobody's consent."""

    @rule(numbers=st.lists(st.integers(0, 2), max_size=3))
    def reveal(self, numbers: list[int]) -> None:
        preimages = [states.preimage(number) for number in numbers]
        images = [states.image(number) for number in numbers]
        call = invocation(self.scene.resolver, RESOLVER, "reveal", preimages)
        self._both(call, lambda: self.model.reveal(images, self.evm.upcoming))

    @rule(late=st.integers(0, 2), price=st.integers(0, 200_000), is_void=st.booleans())
    def speak(self, late: int, price: int, is_void: bool) -> None:
        moment = self._first_untold(self.expiries[late])
        key = (self.scene.oracle, FEED, moment)
        report = Report(0 if is_void else price * SCALE, is_void)
        if price % 4 and (late < 2 or price % 16 == 1):
            self.evm.travel(max(self.evm.now() + 1, moment))
        call = self.scene.register(moment, report.price, is_void=is_void)
        self._both(encode(call, self.scene.adjudicator), lambda: self.model.register(key, report, self.evm.upcoming))

    @precondition(lambda self: any(one.terms.close_out for one in self.channels) or not len(self.replayable) % 8)
    @rule(
        which=seats, is_early=st.booleans(), variance=st.integers(0, 10**7), forward=st.integers(1, 200_000),
        manner=st.sampled_from(("sound", "sound", "sound", "void", "bare", "unsound")),
    )  # fmt: skip
    def mark(self, which: int, is_early: bool, variance: int, forward: int, manner: str) -> None:
        """Register a tick: the one that a dispute may be priced by, or the one that collateral was computed on."""
        tick = self.tick if is_early else self._first_unmarked(self._close_out(which))
        last = max(self.expiries) + 60
        slices: tuple[Slice, ...] = (flat(tick + 60, variance, forward), flat(last, variance + 10**4, forward + 1))
        slices = slices if tick + 60 < last else slices[:1]
        if manner == "unsound":
            slices = (slices[-1], slices[0])
        is_void = manner == "void"
        price = Price(0 if is_void else forward * SCALE)
        report = Mark(FEED, UnixSeconds(tick), price, is_void, () if manner in ("void", "bare") else slices)
        if variance % 4:
            self.evm.travel(max(self.evm.now() + 1, tick))
        key = (self.scene.oracle, FEED, tick)
        self._both(self.scene.marking(report), lambda: self.model.register_mark(key, report, self.evm.upcoming))

    @rule(seconds=st.sampled_from((1, 60, PERIOD_S, 3_000)))
    def wait(self, seconds: int) -> None:
        self.evm.travel(self.evm.now() + seconds)

    @rule(is_back=st.booleans())
    def reorganise(self, is_back: bool) -> None:
        """Remember a moment, or go back to it: what was mined since never was."""
        if not is_back or self.past is None:
            self.past = self._present()
        else:
            self._go_back(self.past)

    @precondition(lambda self: self.replayable)
    @rule(pick=picks)
    def replay(self, pick: int) -> None:
        """Send again what was carried out: it is refused, or changes nothing."""
        invocation, sender = self.replayable[pick % len(self.replayable)]
        Ground.calls += 1
        before = self._everything()
        try:
            self.evm.send(invocation, sender, gas=ODD_GAS)
        except Reverted:
            return
        assert self._everything() == before

    @rule(kind=st.integers(0, 2), amount=st.integers(1, 10**6))
    def stray(self, kind: int, amount: int) -> None:
        """Send money to the contract that nobody asked for."""
        if kind == 0:
            self.evm.give_coins(self.scene.adjudicator, amount)
            asset = NATIVE
        else:
            asset = self.base.tokens[0 if kind == 1 else 2]
            tell(self.evm, asset, "transfer(address,uint256)", self.scene.adjudicator, amount, sender=STRANGER)
            self.model.money.balances[asset, STRANGER.address] -= amount
        money = self.model.money
        money.balances[asset, money.keeper] = money.of(asset, money.keeper) + amount
        self.strays[asset] = self.strays.get(asset, 0) + amount

    @rule(
        pick=picks, seat=seats, is_so=st.booleans(),
        how=st.sampled_from(("block", "fee", "lie", "eat", "rebase", "echo", "echo", "payee")),
    )  # fmt: skip
    def misbehave(self, how: str, seat: int, is_so: bool, pick: int) -> None:
        """Change the manners of the odd token, or of a payee."""
        odd, money = self.base.odd, self.model.money
        manner = money.manner(odd)
        who = (*(one.address for one in PEOPLE), self.scene.adjudicator)[pick % 6]
        replayed = self.replayable[pick % len(self.replayable)][0] if self.replayable else None
        if how == "block":
            tell(self.evm, odd, "block_address(address,bool)", who, is_so)
            (manner.blocked.add if is_so else manner.blocked.discard)(who)
        elif how == "fee":
            manner.fee = pick % 3
            tell(self.evm, odd, "set_fee(uint256)", manner.fee)
        elif how == "lie":
            manner.is_lying = is_so and bool(pick % 2)
            tell(self.evm, odd, "lie(bool)", manner.is_lying)
        elif how == "eat":
            manner.is_greedy = is_so and not pick % 4
            tell(self.evm, odd, "eat(bool)", manner.is_greedy)
        elif how == "rebase" and not pick % 4:
            self._rebase(pick)
        elif how == "echo" and replayed is not None and len(replayed.data) <= ECHO_BYTES_MAX:
            tell(self.evm, odd, "echo(address,bytes)", replayed.to, replayed.data)
        elif how == "payee" and replayed is not None and len(replayed.data) <= ECHO_BYTES_MAX:
            tell(self.evm, self.base.payees[3], "call(address,bytes)", replayed.to, replayed.data)

    def _rebase(self, pick: int) -> None:
        odd, money = self.base.odd, self.model.money
        held = money.of(odd, money.keeper)
        after = held - pick % (held + 1) if pick % 8 else held + pick
        tell(self.evm, odd, "rebase(address,uint256)", money.keeper, after)
        money.balances[odd, money.keeper] = after
        self.strays[odd] = self.strays.get(odd, 0) + after - held
