"""Agreeing, and not: states, challenges, answers, resumptions, settlements."""

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from tests.contracts.reference import accounts
from tests.contracts.reference.money import TOKEN
from tests.contracts.scene import Channel, State, tampered
from tests.contracts.siege import flaws, states
from tests.contracts.siege.ground import Ground, picks, seats

from thalweg.channel.onchain import RespondState, Shown
from thalweg.units import Amount, Signature


class Disputes(Ground):
    """Rules about states. Agreeing costs no call."""

    @rule(data=st.data(), which=seats, skip=st.integers(1, 3), is_sound=st.sampled_from((True,) * 9 + (False,)))
    def agree(self, data: st.DataObject, which: int, skip: int, is_sound: bool = True) -> None:
        index = which % 2
        channel, known = self.channels[index], self.states[index]
        if not channel.view.opened or channel.view.closed:
            return
        version = max([0, self._account(channel).lowest - 1, *(one.state.version for one in known)]) + skip
        known.append(
            states.state(data, channel, version, self.expiries, is_sound=is_sound, tick=self.tick, kid=self.kid)
        )

    @rule(
        which=seats, pick=picks, seat=seats,
        flaw=flaws.some(*flaws.SPOILT, "late", "signature", "seat", "version"),
    )  # fmt: skip
    def challenge(self, which: int, pick: int, seat: int, flaw: str) -> None:
        channel, shown = self._shown(which, pick)
        state = shown if shown is not None and pick % 8 else channel.implicit()
        if not channel.view.opened:
            return
        seat %= len(channel.people)
        until = self.evm.now() - 1 if flaw == "late" else self.evm.now() + 600
        call = channel.challenge(state, seat, valid_until=until)
        broken = []
        if flaw in flaws.SPOILT and state.state.version:
            call = msgspec.structs.replace(call, shown=_misshown(state, flaw))
            broken.append(accounts.SIGNER)
        elif flaw == "signature":
            call = msgspec.structs.replace(call, signature=flaws.malleable(call.signature))
            broken.append(accounts.SIGNER)
        elif flaw == "seat":
            call = msgspec.structs.replace(call, challenger=(seat + 1) % len(channel.people))
            broken.append(accounts.SIGNER)
        elif flaw == "version" and state.state.version:
            newer = msgspec.structs.replace(state.state, version=state.state.version + 1)
            call = msgspec.structs.replace(call, shown=Shown(newer, state.signatures))
            broken.append(accounts.SIGNER)
        self._both(
            channel.invocation(call),
            lambda: self.model.challenge(channel.id, state, seat, self.evm.upcoming, until, broken),
        )

    @precondition(lambda self: any(channel.view.dispute for channel in self.channels) or not len(self.replayable) % 4)
    @rule(which=seats, pick=picks, flaw=flaws.some(*flaws.SPOILT, "other channel"))
    def respond(self, which: int, pick: int, flaw: str) -> None:
        channel, state = self._shown(which, pick)
        if state is None:
            return
        call, broken = channel.answer(state), []
        if flaw in flaws.SPOILT:
            call = msgspec.structs.replace(call, shown=_misshown(state, flaw))
            broken.append(accounts.SIGNER)
        elif flaw == "other channel":
            channel = self.channels[1 - which % 2]
            call = RespondState(channel.terms, state.shown)
            broken.append(accounts.SIGNER)
        if not channel.view.opened:
            return
        self._both(channel.invocation(call), lambda: self.model.respond(channel.id, state, self.evm.upcoming, broken))

    @precondition(lambda self: any(channel.view.dispute for channel in self.channels))
    @rule(which=seats, skip=st.integers(0, 2), flaw=flaws.some(*flaws.SPOILT, "deadline"))
    def resume(self, which: int, skip: int, flaw: str) -> None:
        channel = self.channels[which % 2]
        dispute = channel.view.dispute
        if dispute is None:
            return
        deadline, version = dispute.deadline + (flaw == "deadline"), dispute.version + skip
        signatures = channel.resume_signatures(version, deadline)
        broken = []
        if flaw in flaws.SPOILT:
            plain = tuple(Signature(one + other) for one, other in signatures)
            signatures = [(one[:32], one[32:]) for one in flaws.SPOILT[flaw](plain)]
            broken.append(accounts.SIGNER)
        self._both(
            channel.resumption(version, signatures), lambda: self.model.resume(channel.id, version, deadline, broken)
        )

    @precondition(lambda self: any(channel.view.dispute for channel in self.channels))
    @rule(
        which=seats, pick=picks, is_patient=st.sampled_from((True, True, True, False)),
        flaw=flaws.some("totals", "holdings", "salt", "payees", "progress", "run", "state"),
    )  # fmt: skip
    def settle(self, which: int, pick: int, is_patient: bool, flaw: str) -> None:
        channel = self.channels[which % 2]
        dispute = channel.view.dispute
        if dispute is None:
            return
        if is_patient and self.evm.now() < dispute.deadline:
            self.evm.travel(max(dispute.deadline, self.evm.now() + 1))
        self._settle(channel, pick, flaw)

    def _settle(self, channel: Channel, pick: int, flaw: str = "") -> None:
        kept = self._account(channel).dispute
        assert kept is not None
        state = kept.state
        shown = state
        if not state.state.version and flaw == "salt":
            flaw = ""  # version 0 has none
        if flaw == "state":
            others = [one for one in self.states[self.channels.index(channel)] if one.state != state.state]
            shown = others[pick % len(others)] if others else state
        open_claims = range(kept.cursor, len(shown.claims) + 1)
        upto = open_claims[pick % len(open_claims)] if open_claims and pick % 3 else len(shown.claims)
        call = channel.settlement(shown, upto)
        if not state.state.version:
            call = msgspec.structs.replace(call, salt=bytes(32))
        broken: list[str] = []
        invocation = channel.invocation(call) if not flaw else None
        if flaw == "payees":
            turned = msgspec.structs.replace(channel.terms, payouts=channel.terms.payouts[::-1])
            invocation = channel.invocation(msgspec.structs.replace(call, terms=turned))
            broken += [accounts.HASH] if turned != channel.terms else []
        elif flaw == "progress" and shown.claims:
            margins = call.progress.deltas or (0,) * len(channel.amounts)
            lie = msgspec.structs.replace(
                call.progress, cursor=max(kept.cursor, 1), deltas=(margins[0] + 1, *margins[1:])
            )
            lie = msgspec.structs.replace(lie, escrow=call.progress.escrow or (Amount(0),) * len(margins))
            invocation = channel.invocation(msgspec.structs.replace(call, progress=lie, upto=max(upto, lie.cursor)))
            broken.append(accounts.HASH)
        elif flaw == "run" and shown.claims and upto - kept.cursor >= 2:
            honest = channel.invocation(call)
            run = states.run_of(honest)
            invocation = tampered(honest, "resolve", _9=[*run[1:], run[0]])
            broken.append(TOKEN)
        elif flaw in ("totals", "holdings", "salt"):
            spoilt, _ = flaws.spoilt(call, flaw)
            invocation = channel.invocation(spoilt)
            broken.append(accounts.HASH)
        self._both(
            invocation or channel.invocation(call),
            lambda: self.model.settle(channel.id, shown, upto, self.evm.upcoming, broken),
        )


def _misshown(state: State, flaw: str) -> Shown:
    return Shown(state.state, flaws.SPOILT[flaw](state.signatures))
