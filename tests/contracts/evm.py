"""A real EVM in the process (py-evm's Prague rules), with receipts and reverts as values.

There are no blocks, pools or tries: a transaction is executed at once, on accounts in memory, at the time the next
block would have. Coins buy no gas: fees are zero, so balances change by what is sent and nothing else.
"""

from typing import Any, Final

import coincurve
import msgspec
from eth.exceptions import Revert
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.state import PragueState
from eth.vm.spoof import SpoofTransaction
from eth_abi import abi as codec
from tests.contracts.accounts import Accounts
from tests.contracts.interpreter import Computation

from thalweg.chain.artefacts import entries
from thalweg.chain.calls import Invocation, Log, deployment
from thalweg.chain.revert import revert_reason
from thalweg.crypto import address_of, keccak
from thalweg.units import Address

CHAIN_ID: Final = 131277322940537
GAS_LIMIT: Final = 8_000_000
BLOCK_GAS: Final = 30_000_000
GENESIS_TIME: Final = 3_000_000_000  # a round number, far from the edges of every word that holds a time
WEALTH_WEI: Final = 10**22


class Account(msgspec.Struct, frozen=True):
    """A key and its address."""

    key: coincurve.PrivateKey
    address: Address


def account(name: str) -> Account:
    """Return the account of a name: always the same one."""
    known = _ACCOUNTS.get(name)
    if known is None:
        key = coincurve.PrivateKey(keccak(name.encode()))
        known = _ACCOUNTS[name] = Account(key, address_of(key.public_key))
    return known


_ACCOUNTS: Final[dict[str, Account]] = {}


class Receipt(msgspec.Struct, frozen=True):
    """What a transaction did."""

    gas_used: int
    logs: tuple[Log, ...]
    created: Address | None


class Reverted(Exception):
    """The reason a call was refused for."""


class _State(PragueState):  # type: ignore[misc]
    """The state of a chain, transient storage included, in one journal."""

    account_db_class = Accounts
    computation_class = Computation

    def get_transient_storage(self, address: bytes, slot: int) -> bytes:
        return self._account_db.transient.get((address, slot), b"")  # type: ignore[no-any-return]

    def set_transient_storage(self, address: bytes, slot: int, value: bytes) -> None:
        self._account_db.change(self._account_db.transient, (address, slot), value)

    def clear_transient_storage(self) -> None:
        """It is cleared when the transaction ends."""

    def snapshot(self) -> tuple[bytes, int]:
        return bytes(32), self._account_db.record()

    def commit(self, snapshot: tuple[bytes, int]) -> None:
        self._account_db.commit(snapshot[1])

    def revert(self, snapshot: tuple[bytes, int]) -> None:
        self._account_db.discard(snapshot[1])


class Evm:
    """One chain. `sender` sends everything unless said otherwise; it is nobody in particular."""

    def __init__(self) -> None:
        context = ExecutionContext(
            coinbase=b"\xcb" * 20, timestamp=GENESIS_TIME, block_number=1, difficulty=0, mix_hash=bytes(32),
            gas_limit=BLOCK_GAS, prev_hashes=(), chain_id=CHAIN_ID, base_fee_per_gas=0, excess_blob_gas=0,
        )  # fmt: skip
        self._context: Any = context
        self._state = _State(None, context, bytes(32))
        self._accounts: Accounts = self._state._account_db
        self._now = GENESIS_TIME
        self._next = GENESIS_TIME + 1
        self._snapshots: list[tuple[int, int, int]] = []
        self.calls = 0
        self.sender = self.fund(account("stranger"))

    def fund(self, who: Account) -> Account:
        """Give an account coins, in a block of its own."""
        if not self.coins(who.address):
            self.give_coins(who.address, WEALTH_WEI)
            self._now, self._next = self._next, self._next + 1
        return who

    def give_coins(self, to: Address, amount: int) -> None:
        """Add coins to an account without running it, as a block's reward or a self-destruction can."""
        self._accounts.set_balance(to, self.coins(to) + amount)

    @property
    def chain_id(self) -> int:
        """Return the chain's id."""
        return int(self._context.chain_id)

    def fork(self, chain_id: int) -> None:
        """Go on as another chain, for good."""
        self._context._chain_id = chain_id

    def now(self) -> int:
        """Return the newest block's time."""
        return self._now

    @property
    def upcoming(self) -> int:
        """Return the time of the next block."""
        return self._next

    def travel(self, time: int) -> None:
        """Let the next block have this time."""
        assert time > self._now, "time only goes forward"
        self._next = time

    def deploy(self, name: str, *arguments: Any) -> Address:
        """Create one of our contracts."""
        return self.create(deployment(name, *arguments))

    def create(self, code: bytes, value: int = 0) -> Address:
        """Create a contract."""
        receipt = self._transact(b"", code, value, self.sender, GAS_LIMIT)
        assert receipt.created is not None
        return receipt.created

    def send(self, invocation: Invocation, sender: Account | None = None, gas: int = GAS_LIMIT) -> Receipt:
        """Mine a transaction; raise `Reverted` with the reason where it fails."""
        return self._transact(invocation.to, invocation.data, invocation.value, sender or self.sender, gas)

    def refusal(self, invocation: Invocation, sender: Account | None = None, gas: int = GAS_LIMIT) -> str:
        """Return why a transaction would be refused now; "" where it would not."""
        try:
            self._call(invocation, sender or self.sender, gas)
        except Reverted as refused:
            return str(refused)
        return ""

    def view(self, invocation: Invocation) -> bytes:
        """Return what a call answers."""
        return self._call(invocation, self.sender, GAS_LIMIT)

    def ask(self, to: Address, name: str, function: str, *arguments: Any) -> Any:
        """Call a view of one of our contracts; a single result comes bare."""
        entry = entries(name)[function]
        data = entry.selector + codec.encode(entry.inputs, arguments)
        answer = codec.decode(entry.outputs, self._call(Invocation(to, data), self.sender, GAS_LIMIT))
        return answer[0] if len(answer) == 1 else answer

    def tell(self, to: Address, name: str, function: str, *arguments: Any, sender: Account | None = None) -> Receipt:
        """Send a call of one of our contracts."""
        entry = entries(name)[function]
        return self.send(Invocation(to, entry.selector + codec.encode(entry.inputs, arguments)), sender)

    def coins(self, who: Address) -> int:
        """Return an account's native balance."""
        return self._accounts.get_balance(who)

    def code(self, contract: Address) -> bytes:
        """Return what a contract runs."""
        return self._accounts.get_code(contract)

    def slot(self, contract: Address, index: int) -> int:
        """Return one storage slot."""
        return self._accounts.get_storage(contract, index)

    def snapshot(self) -> int:
        """Remember the chain as it is."""
        self._snapshots.append((self._accounts.length, self._now, self._next))
        return len(self._snapshots) - 1

    def revert(self, snapshot: int) -> None:
        """Go back to a snapshot; it stays good, those taken after it do not."""
        length, self._now, self._next = self._snapshots[snapshot]
        del self._snapshots[snapshot + 1 :]
        self._accounts.rewind(length)

    def _transact(self, to: bytes, data: bytes, value: int, sender: Account, gas: int) -> Receipt:
        done = self._run(to, data, value, sender, gas)
        self._now, self._next = self._next, self._next + 1
        if done.is_error:
            raise Reverted(_reason(done))
        remaining, spent = done.get_gas_remaining(), gas - done.get_gas_remaining()
        refund = min(done.get_gas_refund(), spent // 5)
        logs = tuple(
            Log(Address(address), tuple(topic.to_bytes(32) for topic in topics), bytes(body))
            for address, topics, body in done.get_log_entries()
        )
        used = gas - remaining - refund + done.data_floor_gas
        return Receipt(used, logs, None if to else Address(done.msg.storage_address))

    def _call(self, invocation: Invocation, sender: Account, gas: int) -> bytes:
        length = self._accounts.length
        try:
            done = self._run(invocation.to, invocation.data, invocation.value, sender, gas)
        finally:
            self._accounts.rewind(length)
        if done.is_error:
            raise Reverted(_reason(done))
        return bytes(done.output)

    def _run(self, to: bytes, data: bytes, value: int, sender: Account, gas: int) -> Any:
        self.calls += 1
        self.fund(sender)
        self._context._timestamp = self._next
        unsigned = PragueVM.get_transaction_builder().create_unsigned_transaction(
            nonce=self._accounts.get_nonce(sender.address), gas_price=0, gas=gas, to=to, value=value, data=data
        )
        done = self._state.apply_transaction(SpoofTransaction(unsigned, from_=sender.address))
        self._accounts.lock_changes()
        return done


def _reason(done: Any) -> str:
    if isinstance(done.error, Revert):
        return revert_reason(bytes(done.output)) or "reverted"
    return f"{type(done.error).__name__}: {done.error}"
