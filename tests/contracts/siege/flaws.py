"""What can be wrong with a set of signatures, or with the amounts that travel beside them."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from hypothesis import strategies as st
from tests.contracts.reference import accounts

from thalweg.channel.onchain import Shown
from thalweg.channel.sheet import Holding
from thalweg.units import Amount, Signature

ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of secp256k1

Signatures = tuple[Signature, ...]


def some(*names: str) -> st.SearchStrategy[str]:
    """Draw nothing wrong, twice as often as something."""
    return st.sampled_from(("",) * (2 * len(names)) + names)


def malleable(signature: Signature) -> Signature:
    """Return the other signature that the curve's symmetry gives for the same message and key."""
    word = int.from_bytes(signature[32:])
    parity, s = word >> 255, word % 2**255
    return Signature(signature[:32] + ((ORDER - s) % 2**255 | (1 - parity) << 255).to_bytes(32))


def flipped(signature: Signature) -> Signature:
    """Return a signature with the other recovery bit: somebody else's, if anybody's."""
    return Signature(signature[:32] + (int.from_bytes(signature[32:]) ^ 1 << 255).to_bytes(32))


ZERO: Final = Signature(bytes(64))

SPOILT: Final[dict[str, Callable[[Signatures], Signatures]]] = {
    "missing": lambda signatures: signatures[:-1],
    "none": lambda _: (),
    "too many": lambda signatures: (*signatures, signatures[0]) if len(signatures) < 16 else signatures[:-1],
    "swapped": lambda signatures: (signatures[1], signatures[0], *signatures[2:]),
    "twice": lambda signatures: (signatures[0], signatures[0], *signatures[2:]),
    "zero": lambda signatures: (*signatures[:-1], ZERO),
    "malleable": lambda signatures: (malleable(signatures[0]), *signatures[1:]),
    "flipped": lambda signatures: (*signatures[:-1], flipped(signatures[-1])),
    "zero r": lambda signatures: (Signature(bytes(32) + signatures[0][32:]), *signatures[1:]),
    "zero s": lambda signatures: (Signature(signatures[0][:32] + bytes(32)), *signatures[1:]),
}


def moved(amounts: Sequence[Amount], by: int = 1) -> tuple[Amount, ...]:
    """Return amounts of which the first is another."""
    return (Amount(max(amounts[0] + by, 0) if amounts[0] + by != amounts[0] else by), *amounts[1:])


def enriched(holdings: Sequence[Holding]) -> tuple[Holding, ...]:
    """Return holdings that give the first a unit more, where there is room for it."""
    first = msgspec.structs.replace(holdings[0], balance=Amount((holdings[0].balance + 1) % 2**128))
    return (first, *holdings[1:])


def spoilt(call: Any, flaw: str) -> tuple[Any, list[str]]:
    """Return a call with something wrong in it, and the rules that breaks."""
    if flaw in SPOILT:
        shown = Shown(call.shown.state, SPOILT[flaw](call.shown.signatures))
        return msgspec.structs.replace(call, shown=shown), [accounts.SIGNER]
    if flaw == "totals":
        return msgspec.structs.replace(call, withdrawn=moved(call.withdrawn)), [accounts.HASH]
    if flaw == "holdings":
        return msgspec.structs.replace(call, holdings=enriched(call.holdings)), [accounts.SIGNER]
    if flaw == "salt":
        return msgspec.structs.replace(call, salt=b"\7" * 32), [accounts.SIGNER]
    return call, []
