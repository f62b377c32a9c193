"""Child channels and the parents that lend them money."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from eth_abi import abi as codec
from tests.contracts.evm import Account, Receipt, account
from tests.contracts.scene import CHALLENGE_S, SALT, SECRET, USD, Channel, Scene, State

from thalweg.chain.artefacts import SUBCHANNELS, entries
from thalweg.chain.calls import Invocation
from thalweg.chain.children import (
    Book,
    Child,
    call_off_child,
    challenge_child,
    close_child,
    resolve_child,
    respond_child,
    resume_child,
)
from thalweg.channel.claims import UNCONDITIONAL, Claim, Condition, Subchannel
from thalweg.channel.hashes import (
    balances_hash,
    channel_id,
    child_nonce,
    child_opening,
    claims_root,
    leaf,
    resume_digest,
    state_digest,
)
from thalweg.channel.onchain import Progress
from thalweg.channel.sheet import ChannelState, Holding
from thalweg.channel.terms import Terms
from thalweg.codec import Domain
from thalweg.crypto import keccak, sign
from thalweg.units import (
    VERSION_FINAL,
    ZERO_HASH,
    Amount,
    ClaimId,
    Hash,
    Seat,
    UnixSeconds,
    Version,
)

DAY_S: Final = 86_400
DECIDED: Final = 2
NOBODY: Final = Seat(255)


class Kid:
    """A child channel between people who may have no channel with each other."""

    def __init__(
        self,
        scene: Scene,
        names: Sequence[str],
        amounts: Sequence[int],
        until: int,
        parents: Sequence[Channel],
        **changes: Any,
    ) -> None:
        self.scene = scene
        self.people: tuple[Account, ...] = tuple(map(account, names))
        self.separator = Domain(scene.evm.chain_id, scene.subchannels).separator()
        scene.nonce += 1
        salt = Hash(keccak(f"opening {scene.nonce}".encode()))
        begun = tuple(map(Amount, amounts))
        lenders = tuple(parent.id for parent in parents)
        opening = child_opening(begun, lenders, salt)
        terms: Terms = scene.terms(self.people, payouts=(), nonce=child_nonce(opening, UnixSeconds(until)))
        terms = msgspec.structs.replace(terms, **changes)
        self.opening = opening
        self.child = Child(channel_id(self.separator, terms), scene.subchannels, terms, begun, lenders, salt)
        self.progress = Progress()

    def claim(
        self,
        number: int,
        seats: Sequence[int],
        lent: Sequence[int],
        condition: Condition = UNCONDITIONAL,
    ) -> Subchannel:
        """Return what a parent lends it."""
        return Subchannel(
            ClaimId(number), self.child.judge, self.child.id, tuple(map(Seat, seats)), tuple(map(Amount, lent)),
            self.opening, self.child.until, condition,
        )  # fmt: skip

    def state(
        self,
        version: int,
        balances: Sequence[int | Holding],
        claims: Sequence[Claim] = (),
        mark_time: int = 0,
        signers: Sequence[Account] | None = None,
    ) -> State:
        """Return a state its people signed; plain balances are all free."""
        begun = self.child.amounts
        holdings = tuple(
            one if isinstance(one, Holding) else Holding(Amount(one), Amount(one), begun[cell], Amount(0))
            for cell, one in enumerate(balances)
        )
        root = claims_root(tuple(leaf(claim, SECRET) for claim in claims), UnixSeconds(mark_time))
        state = ChannelState(self.child.id, Version(version), balances_hash(holdings, SALT), root)
        message = state_digest(self.separator, state)
        signatures = tuple(sign(one.key, message) for one in (self.people if signers is None else signers))
        return State(state, holdings, tuple(claims), UnixSeconds(mark_time), signatures)

    def implicit(self) -> State:
        """Return version 0: everybody has what he began with."""
        state = ChannelState(self.child.id, Version(0), ZERO_HASH, ZERO_HASH)
        return State(state, (Holding(),) * len(self.child.amounts), (), UnixSeconds(0), ())

    def final(self, balances: Sequence[int]) -> State:
        """Return a final state."""
        return self.state(VERSION_FINAL, balances)

    def challenge(self, state: State, parent: Channel | None = None) -> Invocation:
        """Return the call that starts its dispute, pointing at a parent's; at nothing where it does not name it."""
        lenders = self.child.parents
        index = lenders.index(parent.id) if parent is not None and parent.id in lenders else len(lenders)
        return challenge_child(self.child, state.shown, index)

    def answer(self, state: State) -> Invocation:
        """Return the call that answers a dispute."""
        return respond_child(self.child, state.shown)

    def settlement(self, state: State, upto: int | None = None) -> Invocation:
        """Return the call that settles up to a claim; all of them by default."""
        salt = SALT if state.state.version else ZERO_HASH
        book = Book(state.holdings, salt, state.claims, state.mark_time, SECRET)
        last = len(state.claims) if upto is None else upto
        return resolve_child(self.child, self.scene.resolver, book, self.progress, last)

    def closing(self, state: State) -> Invocation:
        """Return the call that decides it by a final state."""
        book = Book(state.holdings, SALT, state.claims, state.mark_time, SECRET)
        return close_child(self.child, state.shown, book)

    def resumption(self, version: int, deadline: int, signers: Sequence[Account] | None = None) -> Invocation:
        """Return the call by which all call the dispute that ends at `deadline` off."""
        message = resume_digest(self.separator, self.child.id, Version(version), UnixSeconds(deadline))
        signatures = tuple(sign(one.key, message) for one in (self.people if signers is None else signers))
        return resume_child(self.child, Version(version), signatures)

    @property
    def deadline(self) -> int:
        """Return its dispute's deadline; 0 where it has none."""
        return int(self.scene.evm.ask(self.scene.subchannels, SUBCHANNELS, "dispute", self.child.id)) >> 224

    def call_off(self, state: State, walked: Hash = ZERO_HASH) -> Invocation:
        """Return the call that gives everybody back what he began with."""
        return call_off_child(self.child, state.shown, walked)

    def do(self, invocation: Invocation) -> Receipt:
        """Send a call, and remember how far a settlement has walked."""
        receipt = self.scene.evm.send(invocation)
        event = entries(SUBCHANNELS)["Progressed"]
        for log in receipt.logs:
            if log.topics[0] == event.hash:
                ((cursor, accruals),) = codec.decode([event.inputs[1]], log.data)
                deltas, escrow = tuple(one for one, _ in accruals), tuple(one for _, one in accruals)
                self.progress = Progress(cursor, True, deltas, escrow)
        return receipt

    def refusal(self, invocation: Invocation) -> str:
        """Return why a call would be refused now."""
        return self.scene.evm.refusal(invocation)

    def wait(self) -> None:
        """Let the dispute's deadline come."""
        self.scene.evm.travel(max(self.deadline, self.scene.evm.now() + 1))

    def outcome(self) -> tuple[tuple[int, int], ...]:
        """Return (status, share) of every cell."""
        terms = self.child.terms
        return tuple(
            tuple(self.scene.evm.ask(self.scene.subchannels, SUBCHANNELS, "share", self.child.id, asset, seat))
            for seat in range(len(terms.participants))
            for asset in terms.assets
        )


def lending(parent: Channel, lent: Sequence[int], claims: Sequence[Claim], version: int = 5) -> State:
    """Return a parent's state in which everybody has lent something, and the rest is free."""
    held = [
        Holding(Amount(deposited - out), Amount(deposited - out), deposited)
        for deposited, out in zip(parent.view.deposited, lent, strict=True)
    ]
    return parent.state(version, held, claims)


def disputed(parent: Channel, state: State, seat: int = 0) -> None:
    """Put a parent in dispute."""
    parent.do(parent.challenge(state, seat, valid_until=parent.evm.upcoming + 600))


def virtual(scene: Scene, *, until_s: int = 10 * DAY_S, **changes: Any) -> tuple[Kid, Channel, Channel]:
    """Return a channel of alice and bob over hal, who has one with each; both lend it 30 and 20."""
    near, far = scene.opened("alice", "hal"), scene.opened("hal", "bob")
    until = scene.evm.now() + until_s
    return Kid(scene, ("alice", "bob"), (30 * USD, 20 * USD), until, [near, far], **changes), near, far


def lent(kid: Kid, parent: Channel) -> State:
    """Return a parent's state with its loan to a virtual channel."""
    return lending(parent, (30 * USD, 20 * USD), [kid.claim(1, (0, 1), (30 * USD, 20 * USD))])


def settle(parent: Channel, state: State) -> None:
    """Settle a parent, once its deadline has come."""
    if parent.evm.upcoming < parent.deadline:
        parent.wait()
    parent.do(parent.settlement(state))


__all__ = ["CHALLENGE_S", "DAY_S", "DECIDED", "NOBODY", "Kid", "disputed", "lending", "lent", "settle", "virtual"]
