"""Getting out: whoever has an open channel leaves it alone, with the newest state he can show."""

from typing import Any, Final

from tests.contracts.reference import accounts
from tests.contracts.reference.outcomes import CHILD_GRACE_S, GRACE_S
from tests.contracts.scene import FEED, Channel, State
from tests.contracts.siege.disputes import Disputes
from tests.contracts.siege.ground import STRANGER, Ground
from tests.contracts.siege.kids import Kids
from tests.contracts.siege.strangers import Strangers

from thalweg.chain.children import challenge_child
from thalweg.channel.onchain import Call
from thalweg.channel.terms import CloseOut
from thalweg.instruments.report import GRID_S

SOUND: Final[dict[str, Any]] = {"variance": 10_001, "forward": 61_000, "manner": "sound"}  # a mark


class Leaving(Disputes, Kids, Strangers):
    """What one participant does who has had enough. Others may have started disputes, and oracles may be silent."""

    def _everybody_gets_out(self) -> None:
        left = [channel for channel in self.channels if self._is_disputed_alone(channel)]
        self._dispute_the_child_alone()
        if not self.is_silent:
            self._let_the_oracle_speak(left)
        self._see_the_child_through()
        for channel in left:
            self._see_through(channel)
        self.both_words_of_every_channel_are_the_models()
        self.everybodys_money_is_where_the_model_has_it()
        self.custody_is_what_open_channels_and_claimables_add_up_to()

    def _is_disputed_alone(self, channel: Channel) -> bool:
        """See that the newest state that can be shown is; say whether there is anything to settle."""
        model = self.model.accounts.get(channel.id)
        if model is None or model.is_closed:
            return False
        shown = [one for one in self.states[self.channels.index(channel)] if one.state.version >= model.lowest]
        newest = max(shown, key=lambda one: one.state.version, default=None)
        if model.dispute is None:
            state = newest or (channel.implicit() if not model.lowest else None)
            if state is None:
                return False  # they called a dispute off and signed nothing since: nobody does
            self._alone(channel, channel.challenge(state, valid_until=self.evm.upcoming))
            self.model.challenge(channel.id, state, 0, self.evm.now(), self.evm.now())
        elif newest is not None and self._may_answer(model.dispute, newest):
            self._alone(channel, channel.answer(newest))
            self.model.respond(channel.id, newest, self.evm.now())
        return True

    def _dispute_the_child_alone(self) -> None:
        """See that the newest state of the child is shown, where anybody can dispute it."""
        children, child = self.model.children, self.kid.child
        account, dispute = children.accounts.get(child.id), children.dispute(child)
        lowest = account.lowest if account else 0
        newest = max((one for one in self.kids if one.state.version >= lowest), key=_version, default=None)
        if dispute is not None:
            if newest is not None and self._may_answer(dispute, newest):
                self.evm.send(self.kid.answer(newest), STRANGER)
                children.respond(child, newest, self.evm.now())
            return
        state = newest or (self.kid.implicit() if not lowest else None)
        lenders = [one for one in child.parents if (them := self.model.accounts.get(one)) and them.dispute]
        is_started = self.evm.upcoming > child.until or lenders
        is_late = self.evm.upcoming > child.until + CHILD_GRACE_S
        if state is None or not is_started or is_late or (account is not None and account.is_closed):
            return
        index = child.parents.index(lenders[0]) if lenders else 0
        self.evm.send(challenge_child(child, state.shown, index), STRANGER)
        children.challenge(child, state, child.parents[index], self.evm.now())

    def _see_the_child_through(self) -> None:
        """Settle the child; one that nobody can dispute counts as repaid a month after its `until`."""
        children, child = self.model.children, self.kid.child
        dispute = children.dispute(child)
        if dispute is None:
            self.evm.travel(max(self.evm.upcoming, child.until + CHILD_GRACE_S + 1))
            return
        self.evm.travel(max(self.evm.upcoming, dispute.deadline, *self.expiries))
        for _ in range(4):
            if children.dispute(child) is None:
                break
            self._settle_child(0)
            if children.dispute(child) is not None:
                end = max(self.evm.now(), dispute.deadline, child.until + GRID_S, *self.expiries)
                self.evm.travel(end + 2 * GRACE_S + 1)
        assert child.id in children.outcomes

    def _may_answer(self, dispute: accounts.Dispute, newest: State) -> bool:
        return self.evm.upcoming < dispute.deadline and newest.state.version > dispute.state.state.version

    def _see_through(self, channel: Channel) -> None:
        model = self._account(channel)
        assert model.dispute is not None
        self.evm.travel(max(self.evm.upcoming, model.dispute.deadline, *self.expiries))
        for _ in range(4):
            if model.is_closed:
                break
            self._settle(channel, 0)
            if model.dispute is not None:  # an oracle that stays silent locks nothing for more than two weeks
                self.evm.travel(max(self.evm.now(), model.dispute.deadline + GRID_S, *self.expiries) + 2 * GRACE_S + 1)
        assert model.is_closed

    def _let_the_oracle_speak(self, left: list[Channel]) -> None:
        for channel in left:
            dispute = self._account(channel).dispute
            assert dispute is not None
            is_marked = (self.scene.oracle, FEED, self._first_unmarked(dispute.deadline)) in self.model.marks
            if channel.terms.close_out == CloseOut.MARK and not is_marked:
                self.mark(self.channels.index(channel), is_early=False, **SOUND)
        if (self.scene.oracle, FEED, self._first_unmarked(self._close_out(2))) not in self.model.marks:
            self.mark(2, is_early=False, **SOUND)
        for late, expiry in enumerate(self.expiries):
            while (self.scene.oracle, FEED, self._first_untold(expiry)) not in self.model.settlements:
                self.speak(late, 64_001, is_void=False)

    def _alone(self, channel: Channel, call: Call) -> None:
        Ground.calls += not self.is_leaving
        channel.fold_own(self.evm.send(channel.invocation(call), STRANGER))


def _version(state: State) -> int:
    return state.state.version
