"""A siege: contract and reference model side by side under all that hostile participants, strangers, tokens, payees and
miners can do. `make siege` goes on for 100,000 calls; `test_siege.py` is the short form.

Two channels share tokens and people. Whatever is asked of both, both do or both refuse; after every step both words of
each channel and everybody's money are what the model says; and when a story ends, whoever still has an open channel
gets out of it with the newest state he holds, and then everybody collects what failed payouts left him.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test
from tests.contracts.evm import Account
from tests.contracts.family import Kid
from tests.contracts.reference import chain
from tests.contracts.reference.money import Money
from tests.contracts.scene import Channel
from tests.contracts.siege import flaws
from tests.contracts.siege.crowds import Crowds
from tests.contracts.siege.funding import OPENING_FLAWS, Funding
from tests.contracts.siege.ground import NAMES, PEOPLE, PERIOD_S, STRANGER, WEALTH, Base, Ground, base, picks, seats
from tests.contracts.siege.leaving import Leaving

from thalweg.channel.hashes import opening_nonce
from thalweg.channel.terms import CloseOut
from thalweg.units import NATIVE, SCALE, Address, AssetIndex

STEPS_MAX: Final = 40  # of a story
FAR_S: Final = 30 * 86_400  # to the last expiry: a close-out at the mark finds something alive
STORIES_A_RUN: Final = 50
CALLS_A_STORY: Final = 24  # at least: a repeatable siege is one run, for the next would be the same


class Siege(Leaving, Funding, Crowds):
    """One story, from the opening until everybody is out."""

    ground: ClassVar[Base | None] = None

    @initialize(data=st.data(), people=st.sampled_from((2, 2, 3, 4, 5)), kinds=st.integers(0, 7))
    def settle_in(self, data: st.DataObject, people: int, kinds: int) -> None:
        if Siege.ground is None:
            Siege.ground = base()
        ground = self.base = Siege.ground
        scene = self.scene = ground.scene
        self.evm = scene.evm
        self.snapshot = self.evm.snapshot()
        self.started = True
        token, odd, silent = ground.tokens
        assets = (
            (token,), (token, NATIVE), (odd,), (NATIVE, silent), (odd, token), (NATIVE,), (silent, odd, token),
            (NATIVE, token, silent, odd),
        )[kinds]  # fmt: skip
        coin = AssetIndex(data.draw(st.integers(0, len(assets) - 1)))
        payouts = tuple(self._payout(data, person, assets) for person in PEOPLE)
        self.payers = [self._payers(data, count) for count in (people, 2)]
        self.channels = [self._channel(data, payouts, payers, assets=assets, settlement=coin) for payers in self.payers]
        money = Money(scene.adjudicator)
        for one in ground.tokens:
            for owner in (*(person.address for person in (*PEOPLE, STRANGER)), *ground.wallets):
                money.balances[one, owner] = money.allowances[one, owner] = WEALTH
        money.refusing = set(ground.payees[:3])
        self.model = chain.Chain(money)
        self.tick = scene.tick()
        self.expiries = tuple(self.tick + wait for wait in (360, 2_100, FAR_S))
        self.is_silent = data.draw(st.integers(0, 3)) == 0
        self.kid, self.kids = self._child(data, assets=assets, settlement=coin), []
        self.states = [[], []]
        self.strays = {}
        self.replayable = []
        self.past = None
        for channel in self.channels:
            self._open(data, channel, data.draw(flaws.some(*OPENING_FLAWS)))
            self._open(data, channel, "")
        for which in (0, 1):
            self.agree(data, which, 1)
        self.agree_as_children(data, 1)

    def teardown(self) -> None:
        if hasattr(self, "started"):
            try:
                if sys.exc_info()[0] is None:
                    self.is_over = True
                    self._everybody_gets_out()
                    self._everybody_collects()
                    self.everybodys_money_is_where_the_model_has_it()
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

    @precondition(lambda self: self.kid.child.id not in self.model.children.outcomes)
    @rule(
        data=st.data(),
        seat=seats,
        end=st.sampled_from(("settle", "settle", "close", "call off")),
        picks=st.tuples(picks, picks),
    )
    def fight_over_the_child(self, data: st.DataObject, seat: int, end: str, picks: tuple[int, int]) -> None:
        """Go from here towards the child's outcome: a parent's dispute, one state, the newest, and an end."""
        parent = self.channels[0]
        if not self._in_dispute():
            if parent.view.opened and not parent.view.closed and parent.view.dispute is None:
                self.challenge(0, picks[0], seat, "")
            self.challenge_child(0, picks[1], "")
        if not self._in_dispute():
            return
        self.respond_child(0, "")
        if end == "settle":
            self.settle_child(picks[0], is_patient=True, flaw="")
        elif end == "close":
            self._close_child(data, "")
        else:
            self.call_off_child(1, is_patient=True)

    def _payout(self, data: st.DataObject, person: Account, assets: Sequence[Address]) -> Address:
        if NATIVE in assets and data.draw(st.booleans()):
            return data.draw(st.sampled_from(self.base.payees))
        return person.address

    def _payers(self, data: st.DataObject, count: int) -> tuple[Address, ...]:
        """Return who pays for each seat: its person, or his wallet contract."""
        pairs = zip(PEOPLE[:count], self.base.wallets, strict=False)
        return tuple(data.draw(st.sampled_from((person.address, person.address, wallet))) for person, wallet in pairs)

    def _channel(
        self, data: st.DataObject, payouts: Sequence[Address], payers: tuple[Address, ...], **money: Any
    ) -> Channel:
        count = len(payers)
        close_out = data.draw(st.sampled_from(CloseOut)) if count == 2 else CloseOut.EXPIRY
        return self.scene.channel(
            *NAMES[:count],
            amounts=self._amounts(data, count * len(money["assets"])),
            payouts=tuple(payouts[:count]),
            challenge_period_s=PERIOD_S,
            close_out=close_out,
            exit_spread=data.draw(st.sampled_from((0, 10**6, SCALE - 1))) if close_out == CloseOut.MARK else 0,
            nonce=opening_nonce(self.scene.nonce + 1, payers),
            **money,
        )

    def _child(self, data: st.DataObject, **money: Any) -> Kid:
        """Return a child that both channels, or one of them, may lend to."""
        names = data.draw(st.sampled_from((NAMES[:2], NAMES[:3])))
        close_out = data.draw(st.sampled_from(CloseOut)) if len(names) == 2 else CloseOut.EXPIRY
        count = len(names) * len(money["assets"])
        return Kid(
            self.scene,
            names,
            data.draw(st.lists(st.integers(0, 2_000), min_size=count, max_size=count)),
            self.tick + data.draw(st.sampled_from((1_000, FAR_S - 59))),
            self.channels[: data.draw(st.integers(1, 2))],
            challenge_period_s=PERIOD_S,
            close_out=close_out,
            exit_spread=5 if close_out == CloseOut.MARK else 0,
            **money,
        )

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
