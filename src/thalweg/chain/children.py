"""Calls that dispute and settle a child channel, as transactions. Pure: values in, bytes out.

A child has no money of its own: parents lend it theirs by a `Subchannel` claim, and mirror the outcome that the claim's
judge fixes once (contracts/Subchannels.vy). Its states are signed under that contract's domain.
"""

from typing import Any, Final

import msgspec

from thalweg.chain import abi as codec
from thalweg.chain.artefacts import RESOLVER, SUBCHANNELS, entries
from thalweg.chain.calls import NO_SALT, Invocation, pack, rules_of, run_of, signatures_of, terms_of
from thalweg.channel.claims import Claim
from thalweg.channel.hashes import balances_hash
from thalweg.channel.onchain import Progress, Shown
from thalweg.channel.sheet import ChannelState, Holding
from thalweg.channel.terms import Terms
from thalweg.codec import words
from thalweg.crypto import keccak
from thalweg.units import ZERO_HASH, Address, Amount, ChannelId, Hash, Signature, UnixSeconds, Version

_UNTIL_SHIFT: Final = 80  # in a settlement's rules
_NONCE_SHIFT: Final = 192


class Child(msgspec.Struct, frozen=True):
    """A child channel: its terms have no payouts, and their nonce binds `amounts`, `parents`, `salt` and `until`."""

    id: ChannelId
    judge: Address
    terms: Terms
    amounts: tuple[Amount, ...]
    parents: tuple[ChannelId, ...]
    salt: Hash

    @property
    def until(self) -> UnixSeconds:
        """Return when it ends at the latest."""
        return UnixSeconds(self.terms.nonce >> _NONCE_SHIFT)


class Book(msgspec.Struct, frozen=True):
    """A state in full: what settles it. `secret` salts the leaves of its claims."""

    holdings: tuple[Holding, ...]
    salt: Hash
    claims: tuple[Claim, ...]
    mark_time: UnixSeconds
    secret: bytes


def challenge_child(child: Child, shown: Shown, parent: int = 0) -> Invocation:
    """Return the call that starts a child's dispute, by the index of a parent in dispute or once `until` has passed.

    Version 0, what it began with, needs no signatures.
    """
    state = shown.state
    signed = signatures_of(shown.signatures) if state.version else []
    return _call(
        child, "challenge", terms_of(child.terms), child.amounts, child.parents, child.salt, state.version,
        *_hashes(child, state), signed, parent,
    )  # fmt: skip


def respond_child(child: Child, shown: Shown) -> Invocation:
    """Return the call that answers with a greater version."""
    state = shown.state
    return _call(
        child, "respond", terms_of(child.terms), state.version, state.balances_hash, state.claims_root,
        signatures_of(shown.signatures),
    )  # fmt: skip


def resolve_child(child: Child, resolver: Address, book: Book, progress: Progress, upto: int) -> Invocation:
    """Return the call that resolves the next claims of a child; with the last one it is decided."""
    run = run_of(book.claims, book.secret, book.mark_time, progress, upto)
    entry = entries(RESOLVER)["resolve"]
    arguments = (child.judge, child.id, _payees(child), _totals(child), _holdings(book), book.salt, *run)
    return Invocation(resolver, entry.selector + codec.encode(entry.inputs, arguments))


def resume_child(child: Child, version: Version, signatures: tuple[Signature, ...]) -> Invocation:
    """Return the call by which everybody calls a dispute off; `version` is the lowest that may be shown afterwards."""
    return _call(child, "resume", terms_of(child.terms), version, signatures_of(signatures))


def close_child(child: Child, shown: Shown, book: Book) -> Invocation:
    """Return the call that decides a child in dispute by a final state."""
    return _call(
        child, "close", terms_of(child.terms), _totals(child), _holdings(book), book.salt,
        signatures_of(shown.signatures),
    )  # fmt: skip


def call_off_child(child: Child, shown: Shown, walked: Hash = ZERO_HASH) -> Invocation:
    """Return the call that gives everybody back what he began with, where nobody could settle for three months."""
    return _call(child, "call_off", child.id, _payees(child), _totals(child), *_hashes(child, shown.state), walked)


def _call(child: Child, function: str, *arguments: Any) -> Invocation:
    entry = entries(SUBCHANNELS)[function]
    return Invocation(child.judge, entry.selector + codec.encode(entry.inputs, arguments))


def _hashes(child: Child, state: ChannelState) -> tuple[Hash, Hash]:
    """Return the hashes of a state's balances and claims; those of version 0, which nobody signs, are made here."""
    if state.version:
        return state.balances_hash, state.claims_root
    return balances_hash((Holding(),) * len(child.amounts), NO_SALT), ZERO_HASH


def _payees(child: Child) -> tuple[Any, ...]:
    return (), child.terms.assets, rules_of(child.terms) | child.until << _UNTIL_SHIFT


def _totals(child: Child) -> list[int]:
    return [pack(amount, 0) for amount in child.amounts]


def _holdings(book: Book) -> list[tuple[int, int]]:
    return [(pack(one.balance, one.free), pack(one.deposited, one.withdrawn)) for one in book.holdings]


def walked_hash(progress: Progress) -> Hash:
    """Return the hash of a settlement's progress; zero where no claim was resolved."""
    if not progress.cursor:
        return ZERO_HASH
    cells = [value for pair in zip(progress.deltas, progress.escrow, strict=True) for value in pair]
    return keccak(words((32, progress.cursor, 64, len(progress.deltas), *cells)))
