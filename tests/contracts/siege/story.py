"""A siege: contract and reference model side by side under all that hostile participants, strangers, tokens, payees and
miners can do. `make siege` goes on for 100,000 calls; `test_siege.py` is the short form.

Two channels share tokens and people. Whatever is asked of both, both do or both refuse; after every step both words of
each channel and everybody's money are what the model says; and when a story ends, whoever still has an open channel
gets out of it with the newest state he holds.
"""

import sys
from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test
from tests.contracts.evm import Account
from tests.contracts.reference import chain
from tests.contracts.reference.money import Money
from tests.contracts.scene import FEED, Channel, State
from tests.contracts.siege.disputes import Disputes
from tests.contracts.siege.funding import Funding
from tests.contracts.siege.ground import NAMES, PEOPLE, PERIOD_S, STRANGER, WEALTH, Base, Ground, base, picks, seats
from tests.contracts.siege.strangers import Strangers

from thalweg.channel.onchain import Call
from thalweg.units import NATIVE, Address

STEPS_MAX: Final = 40  # of a story
STORIES_A_RUN: Final = 50
CALLS_A_STORY: Final = 25  # at least: a repeatable siege is one run, for the next would be the same


class Siege(Funding, Disputes, Strangers):
    """One story, from the opening until everybody is out."""

    ground: ClassVar[Base | None] = None

    @initialize(data=st.data(), people=st.integers(2, 5), kinds=st.sampled_from((0, 1, 2, 3, 4, 5)))
    def settle_in(self, data: st.DataObject, people: int, kinds: int) -> None:
        if Siege.ground is None:
            Siege.ground = base()
        ground = self.base = Siege.ground
        scene = self.scene = ground.scene
        self.evm = scene.evm
        self.snapshot = self.evm.snapshot()
        self.started = True
        token, odd, silent = ground.tokens
        assets = ((token,), (token, NATIVE), (odd,), (NATIVE, silent), (odd, token), (NATIVE,))[kinds]
        payouts = tuple(self._payout(data, person, assets) for person in PEOPLE)
        members = {"assets": assets, "challenge_period_s": PERIOD_S}
        self.channels = [
            scene.channel(
                *NAMES[:count], amounts=self._amounts(data, count * len(assets)), payouts=payouts[:count], **members
            )
            for count in (people, 2)
        ]
        money = Money(scene.adjudicator)
        for one in ground.tokens:
            for person in (*PEOPLE, STRANGER):
                money.balances[one, person.address] = money.allowances[one, person.address] = WEALTH
        money.refusing = set(ground.payees[:3])
        self.model = chain.Chain(money)
        self.expiries = tuple(self.scene.expiry(wait) for wait in (300, 2_000))
        self.states = [[], []]
        self.strays = {}
        self.replayable = []
        self.past = None
        for channel in self.channels:
            self._open(channel, "")
        self.agree(data, 0, 1)

    def teardown(self) -> None:
        if hasattr(self, "started"):
            try:
                if sys.exc_info()[0] is None:
                    self._everybody_gets_out()
            finally:
                self.evm.revert(self.snapshot)

    @rule(data=st.data(), which=seats, seat=seats, picks=st.tuples(picks, picks, picks, picks))
    def fight(self, data: st.DataObject, which: int, seat: int, picks: tuple[int, int, int, int]) -> None:
        """Go from here towards the end of a dispute: newest state, reports, preimages, runs."""
        channel = self.channels[which % 2]
        if not channel.view.opened or channel.view.closed:
            return
        if channel.view.dispute is None:
            self.challenge(which, picks[0], seat, "")
        self.respond(which, 0, "")
        for late in (0, 1):
            self.speak(late, 1 + picks[1] % 200_000, is_void=False)
        for pick in picks:
            if channel.view.dispute is not None:
                self.settle(which, pick, is_patient=True, flaw="")

    def _everybody_gets_out(self) -> None:
        """Whoever has an open channel leaves it alone, with the newest state he can show."""
        for index, channel in enumerate(self.channels):
            model = self.model.accounts.get(channel.id)
            if model is None or model.is_closed:
                continue
            shown = [one for one in self.states[index] if one.state.version >= model.lowest]
            newest = max(shown, key=lambda one: one.state.version, default=None)
            if model.dispute is None:
                state = newest or (channel.implicit() if not model.lowest else None)
                if state is None:
                    continue  # they called a dispute off and signed nothing since: nobody does
                self._alone(channel, channel.challenge(state, valid_until=self.evm.upcoming))
                self.model.challenge(channel.id, state, 0, self.evm.now(), self.evm.now())
            elif newest is not None and self._may_answer(model.dispute, newest):
                self._alone(channel, channel.answer(newest))
                self.model.respond(channel.id, newest, self.evm.now())
            self._see_through(channel, model)
        self.both_words_of_every_channel_are_the_models()
        self.everybodys_money_is_where_the_model_has_it()
        self.custody_is_what_open_channels_and_claimables_add_up_to()

    def _may_answer(self, dispute: chain.Dispute, newest: State) -> bool:
        return self.evm.upcoming < dispute.deadline and newest.state.version > dispute.state.state.version

    def _see_through(self, channel: Channel, model: chain.Account) -> None:
        for late, expiry in enumerate(self.expiries):
            while (self.scene.oracle, FEED, self._first_untold(expiry)) not in self.model.settlements:
                self.speak(late, 61_001, is_void=False)
        self.evm.travel(max(self.evm.now(), model.dispute.deadline if model.dispute else 0, *self.expiries) + 10_000)
        for _ in range(4):
            if model.is_closed:
                break
            self._settle(channel, 0)
        assert model.is_closed

    def _alone(self, channel: Channel, call: Call) -> None:
        Ground.calls += 1
        channel.fold_own(self.evm.send(channel.invocation(call), STRANGER))

    def _payout(self, data: st.DataObject, person: Account, assets: Sequence[Address]) -> Address:
        if NATIVE in assets and data.draw(st.booleans()):
            return data.draw(st.sampled_from(self.base.payees))
        return person.address

    @staticmethod
    def _amounts(data: st.DataObject, count: int) -> list[int]:
        return data.draw(st.lists(st.integers(0, 10**6), min_size=count, max_size=count))


def besiege(calls: int, report: Callable[[int], None] = lambda _: None, *, is_repeatable: bool = False) -> int:
    """Tell stories until so many calls were made; return how many. Repeatable ones are the same every time."""
    stories = settings(
        max_examples=calls // CALLS_A_STORY if is_repeatable else STORIES_A_RUN,
        stateful_step_count=STEPS_MAX,
        derandomize=is_repeatable,
        phases=(Phase.generate, Phase.shrink),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    before = Ground.calls
    while Ground.calls - before < calls:
        run_state_machine_as_test(Siege, settings=stories)
        report(Ground.calls - before)
    return Ground.calls - before
