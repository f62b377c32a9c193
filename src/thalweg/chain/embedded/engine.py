"""A whole EVM chain in one process: py-evm's newest rules under our own block list, pool and clock.

Our block list, not py-evm's database, says which blocks are canonical: reverting to a snapshot is cutting it short,
which is how tests make a reorganisation. State is content-addressed, so nothing else has to be undone.
Time is the wall clock plus an offset that only ever grows; each block is at least a second after its parent.
"""

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Final

import msgspec
import rlp
from eth.abc import BlockAPI, BlockHeaderAPI, ReceiptAPI, SignedTransactionAPI, StateAPI, VirtualMachineAPI
from eth.chains.base import Chain
from eth.constants import BLANK_ROOT_HASH, POST_MERGE_DIFFICULTY, POST_MERGE_NONCE
from eth.db.atomic import AtomicDB
from eth.exceptions import PyEVMError
from eth.vm.forks.prague import PragueVM
from eth_utils import ValidationError

from thalweg.chain.dev_accounts import DEV_ADDRESSES, DEV_BALANCE_WEI
from thalweg.chain.embedded.errors import INVALID_PARAMS, LIMIT_EXCEEDED, SERVER_ERROR, RpcError
from thalweg.chain.embedded.pool import Pool
from thalweg.crypto import keccak

BLOCK_GAS: Final = 30_000_000
CHAIN_ID: Final = 31337
SNAPSHOTS_MAX: Final = 256
MINE_MAX: Final = 1024  # blocks one request may mine
TIME_MAX: Final = 2**40  # seconds: far beyond any expiry, far below an overflow
_FRAMES_MAX: Final = 16_384  # EVM calls nest 1024 deep, some ten frames each
_COINBASE: Final = bytes(19) + b"\xcb"
_DEV: Final[tuple[bytes, ...]] = DEV_ADDRESSES


class Mined(msgspec.Struct, frozen=True):
    """A block and what its transactions did."""

    block: BlockAPI
    receipts: tuple[ReceiptAPI, ...]

    @property
    def header(self) -> BlockHeaderAPI:
        """The block's header."""
        return self.block.header


class EmbeddedChain:
    """The chain. Not thread-safe: one event loop drives it, one request at a time.

    Args:
        chain_id: what EIP-155 and EIP-712 signatures are bound to.
        balances: wei by address at genesis; the development accounts where None.
        automine: mine a block for each transaction as it arrives; otherwise someone calls `mine`.
        final_depth: how many blocks below the head the "finalized" and "safe" tags point.
        now: the wall clock, in seconds.
    """

    def __init__(
        self,
        chain_id: int = CHAIN_ID,
        balances: Mapping[bytes, int] | None = None,
        *,
        automine: bool = True,
        final_depth: int = 0,
        now: Callable[[], float] = time.time,
    ) -> None:
        # py-evm's import allows 100,000 frames; JSON nested that deep would overflow the C stack and kill the process
        sys.setrecursionlimit(_FRAMES_MAX)
        self.chain_id = chain_id
        self.automine = automine
        self.final_depth = final_depth
        self.pool = Pool()
        self._now = now
        self._offset_s = 0
        self._next_time: int | None = None
        self._snapshots: dict[int, int] = {}
        self._snapshots_taken = 0
        funded = dict[bytes, int](balances) if balances is not None else dict.fromkeys(_DEV, DEV_BALANCE_WEI)
        self._chain = _genesis(chain_id, funded, int(now()))
        self._blocks = [Mined(self._chain.get_block_by_header(self._chain.get_canonical_head()), ())]
        self._heights = {self.head.header.hash: 0}
        self._places: dict[bytes, tuple[int, int]] = {}

    # -- reading ----------------------------------------------------------------------------------------------------

    @property
    def head(self) -> Mined:
        """The newest block."""
        return self._blocks[-1]

    def final_number(self) -> int:
        """Return the number of the newest final block."""
        return max(0, len(self._blocks) - 1 - self.final_depth)

    def block_at(self, number: int) -> Mined | None:
        """Return the canonical block of a number."""
        return self._blocks[number] if 0 <= number < len(self._blocks) else None

    def block_of(self, block_hash: bytes) -> Mined | None:
        """Return the canonical block of a hash."""
        number = self._heights.get(block_hash)
        return None if number is None else self._blocks[number]

    def blocks(self, first: int, last: int) -> Iterable[Mined]:
        """Yield the canonical blocks from number `first` to `last`, both included."""
        return islice(self._blocks, max(0, first), max(0, last + 1))

    def place(self, transaction_hash: bytes) -> tuple[Mined, int] | None:
        """Return the block of a mined transaction and its index there."""
        place = self._places.get(transaction_hash)
        return None if place is None else (self._blocks[place[0]], place[1])

    def machine(self, header: BlockHeaderAPI) -> VirtualMachineAPI:
        """Return a machine whose context is `header` and whose state is the header's."""
        return self._chain.get_vm(header)

    def state(self, header: BlockHeaderAPI) -> StateAPI:
        """Return the state after the block of `header`, to read from."""
        return self._chain.get_vm(header).state

    def pending_header(self) -> BlockHeaderAPI:
        """Return the header that the next block would start from, at this moment."""
        return self._child(self._next_timestamp())

    def pending_nonce(self, address: bytes) -> int:
        """Return the nonce after everything mined and pending of an account."""
        mined = int(self.state(self.head.header).get_nonce(address))
        return mined + sum(1 for _ in self.pool.run(address, mined))

    # -- time -------------------------------------------------------------------------------------------------------

    def time(self) -> int:
        """Return the chain's clock, in Unix seconds."""
        return int(self._now()) + self._offset_s

    def increase_time(self, seconds: int) -> int:
        """Move the clock on; return by how much it is ahead of the wall clock.

        Raises:
            RpcError: the clock would go back, or beyond `TIME_MAX`.
        """
        if seconds < 0 or self.time() + seconds > TIME_MAX:
            raise RpcError(INVALID_PARAMS, f"cannot move the clock by {seconds} seconds")
        self._offset_s += seconds
        return self._offset_s

    def set_next_timestamp(self, timestamp: int) -> None:
        """Give the next block this timestamp, and move the clock to it.

        Raises:
            RpcError: it is not after the newest block's, or beyond `TIME_MAX`.
        """
        if not self.head.header.timestamp < timestamp <= TIME_MAX:
            raise RpcError(INVALID_PARAMS, f"the next timestamp must be after {self.head.header.timestamp}")
        self._next_time = timestamp
        self._offset_s = timestamp - int(self._now())

    def _next_timestamp(self) -> int:
        if self._next_time is not None:
            return self._next_time
        return max(self.time(), int(self.head.header.timestamp) + 1)

    # -- writing ----------------------------------------------------------------------------------------------------

    def submit(self, raw: bytes) -> bytes:
        """Take a signed transaction; return its hash.

        Raises:
            RpcError: it cannot be parsed, is for another chain, cannot be paid for, or the pool refuses it.
        """
        transaction = self._parse(raw)
        state = self.state(self.head.header)
        self.pool.add(transaction, self._check(transaction, state))
        if self.automine and self._is_due():
            self.mine()
        return bytes(transaction.hash)

    def mine(self, count: int = 1) -> None:
        """Mine blocks, with whatever is pending and can be paid for.

        Raises:
            RpcError: `count` is not within 1 to `MINE_MAX`.
        """
        if not 1 <= count <= MINE_MAX:
            raise RpcError(INVALID_PARAMS, f"can mine 1 to {MINE_MAX} blocks at a time")
        for _ in range(count):
            self._mine({})

    def set_balance(self, address: bytes, wei: int) -> None:
        """Set an account's balance: a faucet. The edit is part of a block of its own."""
        self._mine({address: wei})

    def snapshot(self) -> int:
        """Return the name of the chain as it is now.

        Raises:
            RpcError: `SNAPSHOTS_MAX` are kept already.
        """
        if len(self._snapshots) >= SNAPSHOTS_MAX:
            raise RpcError(LIMIT_EXCEEDED, f"{SNAPSHOTS_MAX} snapshots are kept already; revert to one first")
        self._snapshots_taken += 1
        self._snapshots[self._snapshots_taken] = len(self._blocks)
        return self._snapshots_taken

    def revert(self, snapshot: int) -> bool:
        """Return to a snapshot, which is used up, as are all later ones. The clock does not go back."""
        if snapshot not in self._snapshots:
            return False
        length = self._snapshots[snapshot]
        self._snapshots = {name: kept for name, kept in self._snapshots.items() if name < snapshot}
        for mined in self._blocks[length:]:
            self._heights.pop(mined.header.hash)
            for transaction in mined.block.transactions:
                self._places.pop(transaction.hash)
        del self._blocks[length:]
        self._next_time = None
        self.pool.clear()
        return True

    # -- inside -----------------------------------------------------------------------------------------------------

    def _parse(self, raw: bytes) -> SignedTransactionAPI:
        try:
            transaction = PragueVM.get_transaction_builder().decode(raw)
            transaction.validate()
            transaction.check_signature_validity()
            chain_id = transaction.chain_id
        except (rlp.exceptions.RLPException, PyEVMError, ValidationError, ValueError, IndexError, TypeError) as error:
            raise RpcError(SERVER_ERROR, f"rlp: the transaction cannot be read: {error}") from error
        if chain_id not in (None, self.chain_id):  # None: for any chain, as the deployment proxy's own transaction is
            raise RpcError(SERVER_ERROR, f"invalid chain id for signer: have {chain_id} want {self.chain_id}")
        return transaction

    def _check(self, transaction: SignedTransactionAPI, state: StateAPI) -> int:
        if transaction.gas > BLOCK_GAS:
            raise RpcError(SERVER_ERROR, "exceeds block gas limit")
        if transaction.gas < transaction.intrinsic_gas:
            raise RpcError(SERVER_ERROR, f"intrinsic gas too low: minimum needed {transaction.intrinsic_gas}")
        cost = transaction.gas * transaction.max_fee_per_gas + transaction.value
        have = state.get_balance(transaction.sender)
        if have < cost:
            raise RpcError(SERVER_ERROR, f"insufficient funds for gas * price + value: have {have} want {cost}")
        return int(state.get_nonce(transaction.sender))

    def _child(self, timestamp: int) -> BlockHeaderAPI:
        parent = self.head.header
        return self._chain.create_header_from_parent(
            parent,
            timestamp=timestamp,
            gas_limit=parent.gas_limit,
            coinbase=_COINBASE,
            mix_hash=keccak(parent.hash),  # prevrandao: changes each block, and the same in each run
        )

    def _is_due(self) -> bool:
        """Say whether a block mined now would have a transaction in it."""
        header, state = self.pending_header(), self.state(self.head.header)
        firsts = (next(self.pool.run(sender, state.get_nonce(sender)), None) for sender in self.pool.senders())
        return any(first is not None and first.max_fee_per_gas >= header.base_fee_per_gas for first in firsts)

    def _mine(self, balances: Mapping[bytes, int]) -> None:
        header = self.pending_header()
        self._next_time = None
        machine = self._chain.get_vm(header)
        machine.block_preprocessing(machine.get_block())
        for address, wei in balances.items():
            machine.state.set_balance(address, wei)
        header, transactions, receipts = self._execute(machine, header)
        filled = machine.set_block_transactions_and_withdrawals(machine.get_block(), header, transactions, receipts)
        block = machine.mine_block(filled).block
        self._chain.chaindb.persist_block(block)
        number = len(self._blocks)
        self._blocks.append(Mined(block, tuple(receipts)))
        self._heights[block.hash] = number
        for index, transaction in enumerate(transactions):
            self._places[transaction.hash] = (number, index)
            self.pool.remove(transaction)

    def _execute(
        self, machine: VirtualMachineAPI, header: BlockHeaderAPI
    ) -> tuple[BlockHeaderAPI, list[SignedTransactionAPI], list[ReceiptAPI]]:
        transactions: list[SignedTransactionAPI] = []
        receipts: list[ReceiptAPI] = []
        for sender in self.pool.senders():
            nonce = machine.state.get_nonce(sender)
            self.pool.prune(sender, nonce)
            for transaction in tuple(self.pool.run(sender, nonce)):
                if transaction.max_fee_per_gas < header.base_fee_per_gas:
                    break
                if header.gas_used + transaction.gas > header.gas_limit:
                    break
                try:
                    receipt, _ = machine.apply_transaction(header, transaction)
                except ValidationError:  # what could be paid for when it arrived no longer can
                    self.pool.remove(transaction)
                    break
                header = machine.add_receipt_to_header(header, receipt)
                transactions.append(transaction)
                receipts.append(receipt)
        return header, transactions, receipts


def _genesis(chain_id: int, balances: Mapping[bytes, int], timestamp: int) -> Chain:
    rules = Chain.configure("EmbeddedRules", chain_id=chain_id, vm_configuration=((0, PragueVM),))
    parameters = {
        "coinbase": bytes(20),
        "difficulty": POST_MERGE_DIFFICULTY,
        "extra_data": b"",
        "gas_limit": BLOCK_GAS,
        "mix_hash": bytes(32),
        "nonce": POST_MERGE_NONCE,
        "receipt_root": BLANK_ROOT_HASH,
        "timestamp": timestamp,
        "transaction_root": BLANK_ROOT_HASH,
    }
    accounts = {address: {"balance": wei, "nonce": 0, "code": b"", "storage": {}} for address, wei in balances.items()}
    return rules.from_genesis(AtomicDB(), parameters, accounts)
