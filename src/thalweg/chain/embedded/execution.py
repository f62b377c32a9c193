"""Running a message without a transaction: eth_call and eth_estimateGas.

The message pays no fee, so its sender needs no coins beyond the value it carries.
"""

from typing import Final, NoReturn

import msgspec
from eth.abc import BlockHeaderAPI, ComputationAPI
from eth.exceptions import Revert
from eth.vm.spoof import SpoofTransaction
from eth_utils import ValidationError

from thalweg.chain.embedded.engine import BLOCK_GAS, EmbeddedChain
from thalweg.chain.embedded.errors import REVERTED, SERVER_ERROR, RpcError
from thalweg.chain.revert import revert_reason

_CALL_STIPEND: Final = 2_300
_SLACK: Final = 0.015  # a search for gas ends when it is within this fraction, as geth's does


class Message(msgspec.Struct, frozen=True):
    """What eth_call runs; `to` empty creates a contract."""

    sender: bytes = bytes(20)
    to: bytes = b""
    data: bytes = b""
    value: int = 0
    gas: int = BLOCK_GAS


def call(chain: EmbeddedChain, message: Message, header: BlockHeaderAPI) -> bytes:
    """Run `message` in the context and state of `header`; return what it returned.

    Raises:
        RpcError: REVERTED, with the revert data; or it cannot be run at all.
    """
    computation = _run(chain, message, header, message.gas)
    if computation.is_error:
        _refuse(computation)
    return bytes(computation.output)


def estimate_gas(chain: EmbeddedChain, message: Message, header: BlockHeaderAPI) -> int:
    """Return a gas limit that `message` succeeds with, at most 1.5 % above the smallest.

    Raises:
        RpcError: as `call`.
    """
    whole = _run(chain, message, header, message.gas)
    if whole.is_error:
        _refuse(whole)
    used = message.gas - int(whole.get_gas_remaining())
    low, high = max(used, data_floor(message.data)) - 1, message.gas
    guess = (used + int(whole.get_gas_refund()) + _CALL_STIPEND) * 64 // 63
    while high - low > max(1, int(high * _SLACK)):
        if not low < guess < high:
            guess = (low + high) // 2
        if _succeeds(chain, message, header, guess):
            high = guess
        else:
            low = guess
        guess = (low + high) // 2
    return high


def data_floor(data: bytes) -> int:
    """Return the least gas a transaction with this calldata pays (EIP-7623)."""
    tokens = 4 * len(data) - 3 * data.count(0)
    return 21_000 + 10 * tokens


def _succeeds(chain: EmbeddedChain, message: Message, header: BlockHeaderAPI, gas: int) -> bool:
    try:
        return not _run(chain, message, header, gas).is_error
    except RpcError:
        return False  # below the intrinsic gas


def _run(chain: EmbeddedChain, message: Message, header: BlockHeaderAPI, gas: int) -> ComputationAPI:
    machine = chain.machine(header.copy(base_fee_per_gas=0))
    state = machine.state
    transaction = SpoofTransaction(
        machine.create_unsigned_transaction(
            nonce=state.get_nonce(message.sender),
            gas_price=0,
            gas=gas,
            to=message.to,
            value=message.value,
            data=message.data,
        ),
        from_=message.sender,
    )
    try:
        return state.apply_transaction(transaction)
    except ValidationError as error:
        raise RpcError(SERVER_ERROR, str(error)) from error


def _refuse(computation: ComputationAPI) -> NoReturn:
    if not isinstance(computation.error, Revert):
        raise RpcError(SERVER_ERROR, f"{type(computation.error).__name__}: {computation.error}")
    data = bytes(computation.output)
    reason = revert_reason(data)
    raise RpcError(REVERTED, f"execution reverted: {reason}" if reason else "execution reverted", data)
