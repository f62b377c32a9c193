"""What every story of a siege starts from, what it keeps, and how a call is put to both contract and model."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import ClassVar, Final, NamedTuple

from eth_abi import abi as codec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant
from tests.contracts.batches import batched, deploy_batch, failures
from tests.contracts.compiled import creation_code, tell
from tests.contracts.evm import Account, Evm, Receipt, Reverted, account
from tests.contracts.family import Kid
from tests.contracts.reference import accounts, chain, words
from tests.contracts.reference.money import TOKEN
from tests.contracts.scene import FEED, Channel, Scene, State
from tests.contracts.siege import states

from thalweg.chain.calls import Invocation
from thalweg.channel.onchain import View
from thalweg.codec import words as encoded
from thalweg.crypto import keccak
from thalweg.instruments.report import GRID_S
from thalweg.units import NATIVE, Address

WEALTH: Final = 2**126
NAMES: Final = ("alice", "bob", "carol", "dave", "erin")
PEOPLE: Final = tuple(account(name) for name in NAMES)
STRANGER: Final = account("stranger")
PERIOD_S: Final = 600
ODD_GAS: Final = 1_200_000  # a token that burns gas burns no more than this
REPLAYED_MAX: Final = 30
LEAVING_EVERY: Final = 8  # after so many reverts everybody shows that he can still get out
seats = st.integers(0, 4)
picks = st.integers(0, 2**16)
amounts = st.one_of(st.integers(0, 10**6), st.sampled_from((0, 1, 2**124 - 1, 2**124, 2**123)))


class Base(NamedTuple):
    """Everything deployed, and everybody rich: the same for every story."""

    scene: Scene
    odd: Address
    silent: Address
    payees: tuple[Address, ...]
    wallets: tuple[Address, ...]
    batch: Address

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
    wallets = tuple(_wallet(scene, person, (scene.token, odd, silent)) for person in PEOPLE)
    return Base(scene, odd, silent, payees, wallets, deploy_batch(scene))


def _wallet(scene: Scene, owner: Account, tokens: Sequence[Address]) -> Address:
    """Return a rich wallet contract of somebody's, which lets the adjudicator take its tokens."""
    wallet = scene.evm.create(creation_code("Wallet") + codec.encode(("address",), (owner.address,)))
    approval = bytes.fromhex("095ea7b3") + codec.encode(("address", "uint256"), (scene.adjudicator, WEALTH))
    for token in tokens:
        tell(scene.evm, token, "mint(address,uint256)", wallet, WEALTH)
        tell(scene.evm, wallet, "execute(address,bytes)", token, approval)
    return wallet


def _verdict(judge: Callable[[], None]) -> Sequence[str]:
    """Return the reasons for which the model refuses; none where it does not."""
    try:
        judge()
    except accounts.Refused as refused:
        return refused.reasons
    return ()


class Standing(NamedTuple):
    """What a channel was before a call."""

    is_closed: bool
    dispute: accounts.Dispute | None
    withdrawn: tuple[int, ...]


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
    payers: list[tuple[Address, ...]]
    kid: Kid
    kids: list[State]
    model: chain.Chain
    expiries: tuple[int, ...]
    tick: int
    is_silent: bool
    states: list[list[State]]
    strays: dict[Address, int]
    replayable: list[tuple[Invocation, Account]]
    past: Past | None
    batch: list[tuple[Invocation, Callable[[], None]]] | None = None
    reverts = 0
    is_leaving = False
    is_over = False  # everybody leaves for good: nobody tries in between whether he could

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
    def both_words_of_the_child_are_the_models(self) -> None:
        if not hasattr(self, "kid"):
            return
        child = self.kid.child.id
        model = self.model.children.accounts.get(child)
        for slot, expected in enumerate(words.of(model)):
            place = int.from_bytes(keccak(encoded((slot, child))))
            assert self.evm.slot(self.scene.subchannels, place) == expected
        if child in self.model.children.outcomes:
            assert [share for _, share in self.kid.outcome()] == self.model.children.outcomes[child]

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

    # -- leaving ----------------------------------------------------------------------------------------------------

    def _everybody_gets_out(self) -> None:
        """Let whoever has an open channel leave it alone; fail where he cannot."""
        raise NotImplementedError

    def _leave_and_come_back(self) -> None:
        """See that everybody could leave now, and go on as if nobody had."""
        now = self._present()
        self.is_leaving = True
        self._everybody_gets_out()
        self._go_back(now)
        self.is_leaving = False

    def _present(self) -> Past:
        views = tuple(channel.view for channel in self.channels)
        return Past(self.evm.snapshot(), self.model.copied(), views, list(self.replayable), dict(self.strays))

    def _go_back(self, past: Past) -> None:
        self.evm.revert(past.snapshot)
        self.model = past.model.copied()
        self.replayable, self.strays = list(past.replayable), dict(past.strays)
        for channel, view in zip(self.channels, past.views, strict=True):
            channel.view = view

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
        if self.batch is not None:
            self.batch.append((invocation, judge))
            return None
        Ground.calls += not self.is_leaving
        before = self._standing()
        allowed = _verdict(judge)
        try:
            receipt = self.evm.send(invocation, sender, **({} if gas is None else {"gas": gas}))
        except Reverted as reverted:
            said = str(reverted)
            Ground.outcomes[invocation.data[:4], said] += 1
            assert TOKEN in allowed or said in allowed, f"refused for {said!r}, where the model has {allowed}"
            self.reverts += 1
            if not (self.is_leaving or self.is_over) and self.reverts % LEAVING_EVERY == 0:
                self._leave_and_come_back()
            return None
        Ground.outcomes[invocation.data[:4], ""] += 1
        assert not allowed, f"carried out, where the model has {allowed}"
        if is_replayable:
            self.replayable = [*self.replayable[-REPLAYED_MAX:], (invocation, sender)]
        self._take_in(receipt, before)
        return receipt

    def _all(self, calls: Sequence[tuple[Invocation, Callable[[], None]]]) -> None:
        """Have the model judge calls one after the other, and the chain carry them out in one transaction."""
        Ground.calls += len(calls)
        before = self._standing()
        verdicts = [_verdict(judge) for _, judge in calls]
        receipt = self.evm.send(batched(self.base.batch, [invocation for invocation, _ in calls]))
        failed = failures(receipt)
        for index, allowed in enumerate(verdicts):
            said = failed.get(index, "")
            assert said in allowed if said else not allowed, f"{index}: {said!r}, where the model has {allowed}"
        self._take_in(receipt, before)

    def _standing(self) -> dict[bytes, Standing]:
        return {
            channel: Standing(one.is_closed, one.dispute, tuple(one.withdrawn))
            for channel, one in self.model.accounts.items()
        }

    def _take_in(self, receipt: Receipt, before: dict[bytes, Standing]) -> None:
        for channel in self.channels:
            channel.fold_own(receipt)
        for number, standing in before.items():
            model = self.model.accounts[number]
            if model.is_closed and not standing.is_closed:
                self._check_closing(model, standing)

    def _check_closing(self, model: accounts.Account, before: Standing) -> None:
        """All of a closed channel's money was paid out, none of anybody else's; in whatever runs, as in one.

        Nobody got more, or less, than the newest state shown gives him.
        """
        for asset in range(model.assets):
            assert sum(model.withdrawn[asset :: model.assets]) == sum(model.deposited[asset :: model.assets])
        dispute = before.dispute
        if dispute is None or not model.is_settled:
            return
        given = states.given(dispute.state, model, before.withdrawn)
        if given is not None:
            assert model.withdrawn == given
        if dispute.begun is None:
            return
        facts = self.model.facts(model.terms, dispute, self.evm.now())
        at_once = states.settled_at_once(dispute, model.terms, dispute.begun, facts)
        if at_once is not None:
            assert model.withdrawn == at_once

    def _first_untold(self, moment: int) -> int:
        """Return the first grid point from a moment on that the oracle has not called void."""
        while (known := self.model.settlements.get((self.scene.oracle, FEED, moment))) is not None and known.is_void:
            moment += GRID_S
        return moment

    def _first_unmarked(self, moment: int) -> int:
        """Return the first grid point from a moment on whose mark is not known to be void, or without a surface."""
        moment = -(-moment // GRID_S) * GRID_S
        while (known := self.model.marks.get((self.scene.oracle, FEED, moment))) is not None and not known.slices:
            moment += GRID_S
        return moment

    def _close_out(self, which: int) -> int:
        """Return when a channel, or the child, is closed out at the mark as things are."""
        child = self.model.children.dispute(self.kid.child)
        if which % 3 == 2:
            ends = [self.kid.child.until, *([child.deadline] if child and self.kid.child.terms.close_out else [])]
            return min(ends)
        dispute = self.channels[which % 2].view.dispute
        return self.tick if dispute is None else dispute.deadline

    def _account(self, channel: Channel) -> accounts.Account:
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
