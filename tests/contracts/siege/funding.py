"""Money in, money out by consent: opening, topping up, withdrawing, closing, collecting."""

from typing import Final

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from tests.contracts.compiled import tell
from tests.contracts.evm import Account
from tests.contracts.reference import accounts
from tests.contracts.scene import Channel, invocation
from tests.contracts.siege import flaws, states
from tests.contracts.siege.ground import ODD_GAS, PEOPLE, STRANGER, Ground, amounts, picks, seats

from thalweg.chain.artefacts import ADJUDICATOR
from thalweg.units import NATIVE, VERSION_FINAL, Address, Amount, UnixSeconds

OPENING_FLAWS: Final = (*flaws.SPOILT, "late", "amounts", "payers", "value", "wallet")
RELUCTANT: Final = (b"\1", bytes.fromhex("1626ba7e"), bytes.fromhex("ffffffff") + bytes(28))  # a wallet's answers


class Funding(Ground):
    """Rules about money that all agree on."""

    @precondition(lambda self: len(self.replayable) % 4 == 0)
    @rule(data=st.data(), which=seats, flaw=flaws.some(*OPENING_FLAWS))
    def open_again(self, data: st.DataObject, which: int, flaw: str) -> None:
        self._open(data, self.channels[which % 2], flaw)

    def _open(self, data: st.DataObject, channel: Channel, flaw: str) -> None:
        payers = self.payers[self.channels.index(channel)]
        until = UnixSeconds(self.evm.now() - 1) if flaw == "late" else self.evm.now() + 600
        call = channel.opening(deadline=until, payers=payers)
        broken = []
        if flaw in flaws.SPOILT:
            call = msgspec.structs.replace(call, signatures=flaws.SPOILT[flaw](call.signatures))
            broken.append(accounts.SIGNER)
        elif flaw == "amounts":
            call = msgspec.structs.replace(call, amounts=flaws.moved(call.amounts))
            broken.append(accounts.SIGNER)
        elif flaw == "payers":
            call = msgspec.structs.replace(call, payers=(STRANGER.address, *call.payers[1:]))
            broken += [accounts.HASH, accounts.SIGNER]
        invocation = channel.invocation(call)
        if flaw == "value":
            invocation = msgspec.structs.replace(invocation, value=Amount(invocation.value + 1))
            broken.append("adjudicator: insufficient balance")
        reluctant = [one for one in payers if one in self.base.wallets] if flaw == "wallet" else []
        broken += [accounts.SIGNER] if reluctant else []
        for wallet in reluctant:
            tell(self.evm, wallet, "misbehave(bytes)", data.draw(st.sampled_from(RELUCTANT)))
        self._both(
            invocation,
            lambda: self.model.open(
                channel.id, channel.terms, call.amounts, call.payers, self.evm.upcoming, call.deadline, broken
            ),
            gas=ODD_GAS if self._is_greedy(channel) else None,
        )
        for wallet in reluctant:
            tell(self.evm, wallet, "misbehave(bytes)", b"")

    @rule(
        data=st.data(), which=seats, seat=seats, asset=st.integers(0, 1), amount=amounts,
        flaw=flaws.some("zero", "malleable", "flipped", "late", "totals", "value", "other", "payout"),
    )  # fmt: skip
    def top_up(self, data: st.DataObject, which: int, seat: int, asset: int, amount: int, flaw: str) -> None:
        channel = self.channels[which % 2]
        seat, asset = seat % len(channel.people), asset % len(channel.terms.assets)
        if not channel.view.opened:
            return
        call = channel.top_up(seat, amount, asset)
        broken, sender = [], STRANGER
        if flaw in flaws.SPOILT:
            call = msgspec.structs.replace(call, signature=flaws.SPOILT[flaw]((call.signature,))[0])
            broken.append(accounts.SIGNER)
        elif flaw == "late":
            call = msgspec.structs.replace(call, deadline=UnixSeconds(self.evm.now() - 1))
            broken += [accounts.SIGNER]
        elif flaw == "totals":
            call = msgspec.structs.replace(call, withdrawn=flaws.moved(call.withdrawn))
            broken.append(accounts.HASH)
        elif flaw == "other":
            call = msgspec.structs.replace(call, amount=Amount(amount + 1))
            broken.append(accounts.SIGNER)
        elif flaw == "payout":  # a payout address needs no signature, a stranger does
            call = msgspec.structs.replace(call, signature=flaws.ZERO)
            payout = channel.terms.payouts[seat]
            sender = next((one for one in PEOPLE if one.address == payout), STRANGER)
            if sender is STRANGER:
                broken.append(accounts.SIGNER)
        invocation = channel.invocation(call)
        if flaw == "value":
            invocation = msgspec.structs.replace(invocation, value=Amount(invocation.value + 1))
            broken.append("adjudicator: insufficient balance")
        self._both(
            invocation,
            lambda: self.model.deposit(
                channel.id, seat, asset, call.amount, sender.address, self.evm.upcoming, call.deadline, broken
            ),
            sender,
            gas=ODD_GAS if self._is_greedy(channel) else None,
        )

    @rule(which=seats, pick=picks, flaw=flaws.some(*flaws.SPOILT, "totals", "holdings", "salt"))
    def withdraw(self, which: int, pick: int, flaw: str) -> None:
        channel, state = self._shown(which, pick)
        if state is None:
            return
        call = channel.withdrawal(state)
        call, broken = flaws.spoilt(call, flaw)
        self._both(channel.invocation(call), lambda: self.model.withdraw(channel.id, state, broken))

    @rule(data=st.data(), which=seats, flaw=flaws.some(*flaws.SPOILT, "totals", "holdings", "salt", "early"))
    def close(self, data: st.DataObject, which: int, flaw: str) -> None:
        channel = self.channels[which % 2]
        if not channel.view.opened or (not flaw and data.draw(st.integers(0, 4))):
            return
        version = VERSION_FINAL - 1 if flaw == "early" else VERSION_FINAL
        final = states.state(data, channel, version, self.expiries, is_sound=True, is_final=True)
        call, broken = flaws.spoilt(channel.closing(final), flaw)
        self._both(channel.invocation(call), lambda: self.model.close(channel.id, final, broken))

    @precondition(lambda self: self._waiting() or not len(self.replayable) % 8)
    @rule(pick=picks, seat=seats, to=seats)
    def collect(self, pick: int, seat: int, to: int) -> None:
        waiting = self._waiting()
        asset, payee = waiting[pick % len(waiting)] if waiting else (NATIVE, PEOPLE[seat].address)
        person = next(one for one in PEOPLE if one.address == payee)
        self._collect(Address(asset), person, (*PEOPLE, STRANGER)[to].address)

    def _collect(self, asset: Address, person: Account, to: Address) -> None:
        call = invocation(self.scene.adjudicator, ADJUDICATOR, "collect", asset, to)
        self._both(call, lambda: self.model.collect(asset, person.address, to), person, is_replayable=False)

    def _everybody_collects(self) -> None:
        """Let everybody have what waits for him, now that the token behaves; only what it took away is still owed."""
        odd, money = self.base.odd, self.model.money
        manner = money.manner(odd)
        for who in sorted(manner.blocked):
            tell(self.evm, odd, "block_address(address,bool)", who, False)
        for wrong in ("lie(bool)", "eat(bool)"):
            tell(self.evm, odd, wrong, False)
        tell(self.evm, odd, "set_fee(uint256)", 0)
        manner.blocked.clear()
        manner.is_lying, manner.is_greedy, manner.fee = False, False, 0
        for asset, payee in self._waiting():
            self._collect(Address(asset), next(one for one in PEOPLE if one.address == payee), Address(payee))
        assert all(money.claimable[key] > money.of(key[0], money.keeper) for key in self._waiting())

    def _waiting(self) -> list[tuple[bytes, bytes]]:
        """Return what waits for people: assets, and for whom."""
        return [key for key in self.model.money.claimable if any(one.address == key[1] for one in PEOPLE)]
