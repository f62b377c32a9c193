"""Transactions that wait for a block: by sender and nonce, as a real node keeps them.

A gap in a sender's nonces holds back what comes after it; a fee below the block's base fee holds back that sender.
A second transaction of one nonce replaces the first only if it pays at least a tenth more, tip and cap alike.
"""

from collections.abc import Iterator
from typing import Final

from eth.abc import SignedTransactionAPI

from thalweg.chain.embedded.errors import SERVER_ERROR, RpcError

POOL_MAX: Final = 4096
AHEAD_MAX: Final = 1024  # how far a nonce may lie ahead of the account's
BUMP_PERCENT: Final = 10  # geth's price bump


class Pool:
    """Pending transactions."""

    def __init__(self) -> None:
        self._senders: dict[bytes, dict[int, SignedTransactionAPI]] = {}
        self._hashes: dict[bytes, SignedTransactionAPI] = {}

    def __len__(self) -> int:
        return len(self._hashes)

    def find(self, transaction_hash: bytes) -> SignedTransactionAPI | None:
        """Return a pending transaction by its hash."""
        return self._hashes.get(transaction_hash)

    def add(self, transaction: SignedTransactionAPI, account_nonce: int) -> None:
        """Take a transaction whose sender's next nonce on chain is `account_nonce`.

        Raises:
            RpcError: it is known, too old, too far ahead, underpriced as a replacement, or the pool is full.
        """
        if transaction.hash in self._hashes:
            raise RpcError(SERVER_ERROR, "already known")
        if transaction.nonce < account_nonce:
            raise RpcError(SERVER_ERROR, f"nonce too low: next nonce {account_nonce}, tx nonce {transaction.nonce}")
        if transaction.nonce > account_nonce + AHEAD_MAX:
            raise RpcError(SERVER_ERROR, "nonce too far ahead")
        mine = self._senders.setdefault(transaction.sender, {})
        rival = mine.get(transaction.nonce)
        if rival is None and len(self) >= POOL_MAX:
            raise RpcError(SERVER_ERROR, "txpool is full")
        if rival is not None and not _outbids(transaction, rival):
            raise RpcError(SERVER_ERROR, "replacement transaction underpriced")
        if rival is not None:
            self._hashes.pop(rival.hash)
        mine[transaction.nonce] = transaction
        self._hashes[transaction.hash] = transaction

    def remove(self, transaction: SignedTransactionAPI) -> None:
        """Forget a transaction that was mined or cannot be."""
        if self._hashes.pop(transaction.hash, None) is None:
            return
        mine = self._senders[transaction.sender]
        del mine[transaction.nonce]
        if not mine:
            del self._senders[transaction.sender]

    def prune(self, sender: bytes, account_nonce: int) -> None:
        """Forget what a sender can no longer have mined."""
        for transaction in list(self._senders.get(sender, {}).values()):
            if transaction.nonce < account_nonce:
                self.remove(transaction)

    def senders(self) -> tuple[bytes, ...]:
        """Return everyone with something pending."""
        return tuple(self._senders)

    def run(self, sender: bytes, account_nonce: int) -> Iterator[SignedTransactionAPI]:
        """Yield a sender's transactions without a gap from `account_nonce` on."""
        mine = self._senders.get(sender, {})
        for nonce in range(account_nonce, account_nonce + len(mine)):
            if nonce not in mine:
                return
            yield mine[nonce]

    def clear(self) -> None:
        """Forget everything."""
        self._senders.clear()
        self._hashes.clear()


def _outbids(new: SignedTransactionAPI, old: SignedTransactionAPI) -> bool:
    pairs = (
        (new.max_fee_per_gas, old.max_fee_per_gas),
        (new.max_priority_fee_per_gas, old.max_priority_fee_per_gas),
    )
    return all(ours * 100 >= theirs * (100 + BUMP_PERCENT) for ours, theirs in pairs)
