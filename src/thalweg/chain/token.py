"""ERC-20 tokens from outside: what an account has, and the transactions that move, allow or (on test chains) mint.

https://eips.ethereum.org/EIPS/eip-20, permits: https://eips.ethereum.org/EIPS/eip-2612
"""

from typing import Final

from thalweg.chain import abi, wire
from thalweg.chain.calls import Invocation
from thalweg.chain.rpc import Refused, Rpc
from thalweg.codec import digest, type_hash, word, words
from thalweg.crypto import keccak
from thalweg.errors import Reason, Unavailable
from thalweg.units import NATIVE, Address, Amount, Hash, UnixSeconds

DECIMALS_MAX: Final = 77  # 10**77 is the last power of ten in a word
NATIVE_DECIMALS: Final = 18
PERMIT_TYPE: Final = type_hash("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")


async def balance(rpc: Rpc, token: Address, owner: Address) -> Amount:
    """Return what an account has of a token, or of the chain's own coin."""
    if token == NATIVE:
        return Amount(await wire.balance(rpc, owner))
    return Amount(await _number(rpc, token, "balanceOf(address)", owner))


async def allowance(rpc: Rpc, token: Address, owner: Address, spender: Address) -> Amount:
    """Return how much of its tokens an account lets another take."""
    return Amount(await _number(rpc, token, "allowance(address,address)", owner, spender))


async def decimals(rpc: Rpc, token: Address) -> int:
    """Return how many decimals a whole token has."""
    if token == NATIVE:
        return NATIVE_DECIMALS
    found = await _number(rpc, token, "decimals()")
    if found > DECIMALS_MAX:
        raise Unavailable(Reason.MALFORMED, f"token {wire.hexed(token)} says it has {found} decimals")
    return found


async def symbol(rpc: Rpc, token: Address) -> str:
    """Return what a token is called.

    Raises:
        Unavailable: MALFORMED, it does not say.
    """
    try:
        (found,) = abi.decode(("string",), await wire.read(rpc, token, calldata("symbol()")))
    except (abi.Unreadable, Refused) as error:
        raise Unavailable(Reason.MALFORMED, f"token {wire.hexed(token)} does not say its symbol") from error
    return str(found)


async def permit_nonce(rpc: Rpc, token: Address, owner: Address) -> int:
    """Return the nonce of an account's next permit."""
    return await _number(rpc, token, "nonces(address)", owner)


async def separator(rpc: Rpc, token: Address) -> Hash:
    """Return the token's EIP-712 domain separator."""
    return Hash(word(await _number(rpc, token, "DOMAIN_SEPARATOR()")))


def permit_digest(
    separator: Hash, owner: Address, spender: Address, amount: Amount, nonce: int, deadline: UnixSeconds
) -> Hash:
    """Return what `owner` signs to let `spender` take `amount` until `deadline`."""
    return digest(separator, keccak(words((PERMIT_TYPE, owner, spender, amount, nonce, deadline))))


def approve(token: Address, spender: Address, amount: Amount) -> Invocation:
    """Return the transaction that lets `spender` take `amount`."""
    return Invocation(token, calldata("approve(address,uint256)", spender, amount))


def transfer(token: Address, to: Address, amount: Amount) -> Invocation:
    """Return the transaction that sends tokens, or the chain's own coin."""
    if token == NATIVE:
        return Invocation(to, b"", amount)
    return Invocation(token, calldata("transfer(address,uint256)", to, amount))


def mint(token: Address, to: Address, amount: Amount) -> Invocation:
    """Return the transaction that makes test tokens."""
    return Invocation(token, calldata("mint(address,uint256)", to, amount))


def calldata(signature: str, *arguments: int | bytes) -> bytes:
    """Return the call of a function whose arguments are single words."""
    return keccak(signature.encode())[:4] + words(arguments)


async def _number(rpc: Rpc, token: Address, signature: str, *arguments: int | bytes) -> int:
    answer = await wire.read(rpc, token, calldata(signature, *arguments))
    if len(answer) != 32:
        raise Unavailable(Reason.MALFORMED, f"{wire.hexed(token)} answers {signature} with {len(answer)} bytes")
    return int.from_bytes(answer)
