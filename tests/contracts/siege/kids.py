"""The child: what its parties agree to, its disputes, its outcome, while its parents have theirs."""

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from tests.contracts.reference import accounts
from tests.contracts.reference.children import HIDDEN_S, STUCK_S
from tests.contracts.scene import State
from tests.contracts.siege import flaws, states
from tests.contracts.siege.ground import Ground, picks, seats

from thalweg.chain.children import challenge_child, walked_hash
from thalweg.channel.onchain import Progress
from thalweg.units import VERSION_FINAL, Amount


class Kids(Ground):
    """Rules about the child that both channels may lend to."""

    @rule(data=st.data(), skip=st.integers(1, 3), is_sound=st.sampled_from((True,) * 9 + (False,)))
    def agree_as_children(self, data: st.DataObject, skip: int, is_sound: bool = True) -> None:
        account = self.model.children.accounts.get(self.kid.child.id)
        lowest = account.lowest - 1 if account else 0
        version = max([0, lowest, *(one.state.version for one in self.kids)]) + skip
        self.kids.append(states.kids_state(data, self.kid, version, self.expiries, is_sound=is_sound, tick=self.tick))

    @rule(which=seats, pick=picks, flaw=flaws.some(*flaws.SPOILT, "opening", "parent"))
    def challenge_child(self, which: int, pick: int, flaw: str) -> None:
        child, state = self.kid.child, self._kids_state(pick) if pick % 4 else self.kid.implicit()
        index = which % (len(child.parents) + (flaw == "parent"))
        shown, broken = state.shown, []
        if flaw in flaws.SPOILT and state.state.version:
            shown = msgspec.structs.replace(shown, signatures=flaws.SPOILT[flaw](shown.signatures))
            broken.append(accounts.SIGNER)
        elif flaw == "opening":
            child = msgspec.structs.replace(child, salt=bytes(32))
            broken.append(accounts.HASH)
        if index == len(child.parents) and self.evm.upcoming <= child.until:
            broken.append(accounts.MALFORMED)
        parent = child.parents[min(index, len(child.parents) - 1)]
        self._both(
            challenge_child(child, shown, index),
            lambda: self.model.children.challenge(child, state, parent, self.evm.upcoming, broken),
        )

    @precondition(lambda self: self._in_dispute() or not len(self.replayable) % 8)
    @rule(pick=picks, flaw=flaws.some(*flaws.SPOILT))
    def respond_child(self, pick: int, flaw: str) -> None:
        state, broken = self._kids_state(pick), []
        shown = state
        if flaw:
            shown = msgspec.structs.replace(state, signatures=flaws.SPOILT[flaw](state.signatures))
            broken.append(accounts.SIGNER)
        self._both(
            self.kid.answer(shown),
            lambda: self.model.children.respond(self.kid.child, state, self.evm.upcoming, broken),
        )

    @precondition(lambda self: self._in_dispute())
    @rule(skip=st.integers(0, 2), flaw=flaws.some("deadline", "signer"))
    def resume_child(self, skip: int, flaw: str) -> None:
        dispute = self.model.children.dispute(self.kid.child)
        assert dispute is not None
        version, deadline = dispute.state.state.version + skip, dispute.deadline + (flaw == "deadline")
        people = self.kid.people if flaw != "signer" else self.kid.people[::-1]
        broken = [accounts.SIGNER] if flaw == "signer" else []
        self._both(
            self.kid.resumption(version, deadline, people),
            lambda: self.model.children.resume(self.kid.child, version, deadline, broken),
        )

    @precondition(lambda self: self._in_dispute() or not len(self.replayable) % 16)
    @rule(data=st.data(), flaw=flaws.some(*flaws.SPOILT, "early"))
    def close_child(self, data: st.DataObject, flaw: str) -> None:
        if flaw or not data.draw(st.integers(0, 4)):
            self._close_child(data, flaw)

    def _close_child(self, data: st.DataObject, flaw: str) -> None:
        version = VERSION_FINAL - 1 if flaw == "early" else VERSION_FINAL
        final = states.kids_state(data, self.kid, VERSION_FINAL, self.expiries, is_sound=True)
        if flaw == "early":
            final = self.kid.state(version, final.holdings)
        shown, broken = final, []
        if flaw in flaws.SPOILT:
            shown = msgspec.structs.replace(final, signatures=flaws.SPOILT[flaw](final.signatures))
            broken.append(accounts.SIGNER)
        self._both(self.kid.closing(shown), lambda: self.model.children.close(self.kid.child, final, broken))

    @precondition(lambda self: self._in_dispute())
    @rule(
        pick=picks, is_patient=st.sampled_from((True, True, True, False)),
        flaw=flaws.some("holdings", "progress", "state"),
    )  # fmt: skip
    def settle_child(self, pick: int, is_patient: bool, flaw: str) -> None:
        dispute = self.model.children.dispute(self.kid.child)
        assert dispute is not None
        if is_patient and self.evm.now() < dispute.deadline:
            self.evm.travel(dispute.deadline)
        self._settle_child(pick, flaw)

    def _settle_child(self, pick: int, flaw: str = "") -> None:
        dispute = self.model.children.dispute(self.kid.child)
        assert dispute is not None
        state = shown = dispute.state
        broken = []
        if flaw == "state":
            others = [one for one in self.kids if one.state != state.state]
            state = shown = others[pick % len(others)] if others else state
        elif flaw == "holdings":
            shown = msgspec.structs.replace(state, holdings=flaws.enriched(state.holdings))
            broken.append(accounts.HASH)
        progress = self._childs_progress(dispute)
        if flaw == "progress" and dispute.cursor:
            progress = msgspec.structs.replace(progress, deltas=(progress.deltas[0] + 1, *progress.deltas[1:]))
            broken.append(accounts.HASH)
        self.kid.progress = progress
        open_claims = range(dispute.cursor, len(shown.claims) + 1)
        upto = open_claims[pick % len(open_claims)] if open_claims and pick % 3 else len(shown.claims)
        self._both(
            self.kid.settlement(shown, upto),
            lambda: self.model.children.settle(self.kid.child, state, upto, self.evm.upcoming, broken),
        )

    @precondition(lambda self: self._in_dispute() and not len(self.replayable) % 4)
    @rule(pick=picks, is_patient=st.booleans())
    def call_off_child(self, pick: int, is_patient: bool) -> None:
        dispute = self.model.children.dispute(self.kid.child)
        assert dispute is not None
        state = dispute.state if pick % 4 else self._kids_state(pick)
        if is_patient:
            stuck_s = STUCK_S if state.claims else HIDDEN_S
            self.evm.travel(max(dispute.deadline, self.kid.child.until, self.evm.now()) + stuck_s + pick % 2)
        walked = walked_hash(self._childs_progress(dispute))
        self._both(
            self.kid.call_off(state, walked),
            lambda: self.model.children.call_off(self.kid.child, state, self.evm.upcoming),
        )

    def _in_dispute(self) -> bool:
        return self.model.children.dispute(self.kid.child) is not None

    def _kids_state(self, pick: int) -> State:
        """Return one of the child's states, the newest most often."""
        return self.kids[-1 - pick % len(self.kids)] if pick % 3 else self.kids[-1]

    @staticmethod
    def _childs_progress(dispute: accounts.Dispute) -> Progress:
        if not dispute.cursor:
            return Progress()
        return Progress(dispute.cursor, True, tuple(dispute.margin), tuple(map(Amount, dispute.escrow)))
