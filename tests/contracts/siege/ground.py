"""What every story of a siege starts from, what it keeps, and how a call is put to both contract and model."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import ClassVar, Final, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant
from tests.contracts.compiled import creation_code, tell
from tests.contracts.evm import Account, Evm, Receipt, Reverted, account
from tests.contracts.reference import chain, words
from tests.contracts.reference.money import TOKEN
from tests.contracts.reference.outcomes import Facts
from tests.contracts.scene import FEED, Channel, Scene, State
from tests.contracts.siege import states

from thalweg.chain.calls import Invocation
from thalweg.channel.onchain import View
from thalweg.codec import words as encoded
from thalweg.crypto import keccak
from thalweg.units import NATIVE, Address

WEALTH: Final = 2**126
NAMES: Final = ("alice", "bob", "carol", "dave", "erin")
PEOPLE: Final = tuple(account(name) for name in NAMES)
STRANGER: Final = account("stranger")
PERIOD_S: Final = 600
ODD_GAS: Final = 1_200_000  # a token that burns gas burns no more than this
REPLAYED_MAX: Final = 30
seats = st.integers(0, 4)
picks = st.integers(0, 2**16)
amounts = st.one_of(st.integers(0, 10**6), st.sampled_from((0, 1, 2**124 - 1, 2**124, 2**123)))


class Base(NamedTuple):
    """Everything deployed, and everybody rich: the same for every story."""

    scene: Scene
    odd: Address
    silent: Address
    payees: tuple[Address, ...]

    @property
    def tokens(self) -> tuple[Address, ...]:
        """Return the tokens: plain, odd, silent."""
        return self.scene.token, self.odd, self.silent


def base() -> Base:
    """Deploy everything."""
    scene = Scene()
    odd, silent = (scene.evm.create(creation_code(name)) for name in ("OddToken", "SilentToken"))
    payees = tuple(scene.evm.create(creation_code("Payee")) for _ in range(4))
    for manner, payee in enumerate(payees[:3], 1):
        tell(scene.evm, payee, "behave(uint8)", manner)
    for person in (*PEOPLE, STRANGER):
        scene.evm.give_coins(person.address, WEALTH)
    for token in (scene.token, odd, silent):
        for person in (*PEOPLE, STRANGER):
            scene.give(person, WEALTH, token)
            scene.allow(person, WEALTH, token)
    return Base(scene, odd, silent, payees)


class Past(NamedTuple):
    """A moment that a reorganisation can go back to."""

    snapshot: int
    model: chain.Chain
    views: tuple[View, ...]
    replayable: list[tuple[Invocation, Account]]
    strays: dict[Address, int]


class Ground(RuleBasedStateMachine):
    """The story so far: two channels on the chain, what the model has of them, and what may be done again."""

    calls: ClassVar[int] = 0
    outcomes: ClassVar[Counter[tuple[bytes, str]]] = Counter()  # by selector, and how it went
    base: Base
    scene: Scene
    evm: Evm
    snapshot: int
    channels: list[Channel]
    model: chain.Chain
    expiries: tuple[int, ...]
    states: list[list[State]]
    strays: dict[Address, int]
    replayable: list[tuple[Invocation, Account]]
    past: Past | None

    # -- what holds always ------------------------------------------------------------------------------------------

    @invariant()
    def both_words_of_every_channel_are_the_models(self) -> None:
        for channel in getattr(self, "channels", ()):
            model = self.model.accounts.get(channel.id)
            for slot, expected in enumerate(words.of(model)):
                place = int.from_bytes(keccak(encoded((slot, channel.id))))
                assert self.evm.slot(self.scene.adjudicator, place) == expected
            view = channel.view
            assert (view.opened, view.closed) == (model is not None, model is not None and model.is_closed)
            if model is not None and not model.is_closed:
                assert (list(view.deposited), list(view.withdrawn)) == (model.deposited, model.withdrawn)

    @invariant()
    def everybodys_money_is_where_the_model_has_it(self) -> None:
        if not hasattr(self, "model"):
            return
        money = self.model.money
        for (asset, owner), amount in money.balances.items():
            if any(asset) or owner == money.keeper:
                assert self._balance(Address(asset), Address(owner)) == amount

    @invariant()
    def custody_is_what_open_channels_and_claimables_add_up_to(self) -> None:
        if not hasattr(self, "model"):
            return
        money = self.model.money
        for asset in (NATIVE, *self.base.tokens):
            assert money.of(asset, money.keeper) == self.model.owed(asset) + self.strays.get(asset, 0)

    # -- for the rules ----------------------------------------------------------------------------------------------

    def _both(
        self,
        invocation: Invocation,
        judge: Callable[[], None],
        sender: Account = STRANGER,
        gas: int | None = None,
        *,
        is_replayable: bool = True,
    ) -> Receipt | None:
        """Have the model judge a call and the chain carry it out; they must agree."""
        Ground.calls += 1
        allowed: Sequence[str] = ()
        before = {channel: (one.is_closed, one.dispute) for channel, one in self.model.accounts.items()}
        try:
            judge()
        except chain.Refused as refused:
            allowed = refused.reasons
        try:
            receipt = self.evm.send(invocation, sender, **({} if gas is None else {"gas": gas}))
        except Reverted as reverted:
            said = str(reverted)
            Ground.outcomes[invocation.data[:4], said] += 1
            assert TOKEN in allowed or said in allowed, f"refused for {said!r}, where the model has {allowed}"
            return None
        Ground.outcomes[invocation.data[:4], ""] += 1
        assert not allowed, f"carried out, where the model has {allowed}"
        for channel in self.channels:
            channel.fold_own(receipt)
        if is_replayable:
            self.replayable = [*self.replayable[-REPLAYED_MAX:], (invocation, sender)]
        for number, (was_closed, dispute) in before.items():
            model = self.model.accounts[number]
            if model.is_closed and not was_closed:
                self._check_closing(model, dispute)
        return receipt

    def _check_closing(self, model: chain.Account, dispute: chain.Dispute | None) -> None:
        """All of a closed channel's money was paid out, none of anybody else's; in whatever runs, as in one."""
        for asset in range(model.assets):
            assert sum(model.withdrawn[asset :: model.assets]) == sum(model.deposited[asset :: model.assets])
        if dispute is None or dispute.begun is None:
            return
        facts = Facts(self.evm.now(), dispute.deadline, self.model.revealed, self.model.settlements, self.model.marks)
        at_once = states.settled_at_once(dispute.state, model.terms, dispute.begun, facts)
        if at_once is not None:
            assert model.withdrawn == at_once

    def _first_untold(self, moment: int) -> int:
        """Return the first grid point from a moment on that the oracle has not called void."""
        while (known := self.model.settlements.get((self.scene.oracle, FEED, moment))) is not None and known.is_void:
            moment += 60
        return moment

    def _account(self, channel: Channel) -> chain.Account:
        return self.model.accounts[channel.id]

    def _shown(self, which: int, pick: int) -> tuple[Channel, State | None]:
        """Return one of a channel's states, the newest most often."""
        known = self.states[which % 2]
        if not known or not self.channels[which % 2].view.opened:
            return self.channels[which % 2], None
        return self.channels[which % 2], known[-1 - pick % len(known)] if pick % 3 else known[-1]

    def _is_greedy(self, channel: Channel) -> bool:
        return self.base.odd in channel.terms.assets and self.model.money.manner(self.base.odd).is_greedy

    def _balance(self, asset: Address, owner: Address) -> int:
        if asset == NATIVE:
            return self.evm.coins(owner)
        return self.evm.slot(asset, int.from_bytes(keccak(encoded((0, owner)))))

    def _everything(self) -> tuple[object, ...]:
        """Return all words and balances that anybody cares for."""
        places = [int.from_bytes(keccak(encoded((slot, channel.id)))) for channel in self.channels for slot in range(2)]
        money = [
            self._balance(asset, owner)
            for asset in (NATIVE, *self.base.tokens)
            for owner in (*(one.address for one in PEOPLE), STRANGER.address, self.scene.adjudicator)
        ]
        return (*(self.evm.slot(self.scene.adjudicator, place) for place in places), *money)
