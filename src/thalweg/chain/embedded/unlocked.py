"""Transactions that the chain signs itself, with a development account's public key."""

from typing import Final

import coincurve

from thalweg.chain.dev_accounts import DEV_ADDRESSES, DEV_KEYS
from thalweg.chain.embedded.engine import EmbeddedChain
from thalweg.chain.embedded.errors import INVALID_PARAMS, RpcError
from thalweg.chain.embedded.execution import Message, estimate_gas
from thalweg.chain.transaction import Fees, Transaction
from thalweg.units import Address

_TIP_WEI: Final = 10**9


def send_unlocked(chain: EmbeddedChain, message: Message) -> bytes:
    """Sign and take a transaction of a development account; return its hash.

    Raises:
        RpcError: it is nobody's whose key the chain has; it fails; or as `EmbeddedChain.submit`.
    """
    if message.sender not in DEV_ADDRESSES:
        raise RpcError(INVALID_PARAMS, f"no key of the account 0x{message.sender.hex()} is known here")
    header = chain.pending_header()
    transaction = Transaction(
        chain_id=chain.chain_id,
        nonce=chain.pending_nonce(message.sender),
        fees=Fees(2 * header.base_fee_per_gas + _TIP_WEI, _TIP_WEI),
        gas=estimate_gas(chain, message, header),
        to=Address(message.to) if message.to else None,
        value_wei=message.value,
        data=message.data,
    )
    key = coincurve.PrivateKey(DEV_KEYS[DEV_ADDRESSES.index(Address(message.sender))])
    return chain.submit(transaction.signed(key).raw)
