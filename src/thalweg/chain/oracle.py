"""Reading a quorum oracle on chain: who signs for it, and what it has been told."""

from typing import Any

from thalweg.chain import abi, wire
from thalweg.chain.artefacts import QUORUM_ORACLE, entries
from thalweg.chain.rpc import Rpc
from thalweg.errors import Reason, Unavailable
from thalweg.units import Address, Hash, Price, UnixSeconds


async def signers(rpc: Rpc, oracle: Address) -> tuple[Address, ...]:
    """Return the signers' addresses, in the order reports name them."""
    (found,) = await _read(rpc, oracle, "signers")
    return tuple(Address(bytes.fromhex(signer[2:])) for signer in found)


async def threshold(rpc: Rpc, oracle: Address) -> int:
    """Return how many signatures a report needs."""
    (found,) = await _read(rpc, oracle, "threshold")
    return int(found)


async def settlement(rpc: Rpc, oracle: Address, feed: Hash, time: UnixSeconds) -> Price | None:
    """Return the registered settlement price, scaled by 1e8; None where there is none or it is VOID."""
    is_known, is_void, price = await _read(rpc, oracle, "settlement", feed, time)
    return Price(price) if is_known and not is_void else None


async def _read(rpc: Rpc, oracle: Address, function: str, *arguments: Any) -> tuple[Any, ...]:
    entry = entries(QUORUM_ORACLE)[function]
    answer = await wire.read(rpc, oracle, entry.selector + abi.encode(entry.inputs, arguments))
    try:
        return abi.decode(entry.outputs, answer)
    except abi.Unreadable as error:
        raise Unavailable(Reason.MALFORMED, f"{wire.hexed(oracle)} is no oracle: {error}") from error
