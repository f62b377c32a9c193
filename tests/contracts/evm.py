"""A real EVM in the process (eth-tester on py-evm), with receipts and reverts as values."""

from typing import Any, Final

import coincurve
import msgspec
from eth_abi import abi as codec
from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.exceptions import TransactionFailed

from thalweg.chain.artefacts import entries
from thalweg.chain.calls import Invocation, Log, deployment
from thalweg.crypto import address_of, keccak
from thalweg.units import Address

GAS_LIMIT: Final = 8_000_000
GENESIS_TIME: Final = 3_000_000_000  # ahead of every clock, so that blocks are a second apart and runs repeat
WEALTH_WEI: Final = 10**22


class Account(msgspec.Struct, frozen=True):
    """A key and its address."""

    key: coincurve.PrivateKey
    address: Address


def account(name: str) -> Account:
    """Return the account of a name: always the same one."""
    key = coincurve.PrivateKey(keccak(name.encode()))
    return Account(key, address_of(key.public_key))


class Receipt(msgspec.Struct, frozen=True):
    """What a transaction did."""

    gas_used: int
    logs: tuple[Log, ...]
    created: Address | None


class Reverted(Exception):
    """The reason a call was refused for."""


class Evm:
    """One chain. `sender` pays for everything unless said otherwise; it is nobody in particular."""

    def __init__(self) -> None:
        overrides = PyEVMBackend.generate_genesis_params({"gas_limit": 30_000_000, "timestamp": GENESIS_TIME})
        self._tester = EthereumTester(PyEVMBackend(genesis_parameters=overrides))
        self._known: set[Address] = set()
        self.sender = self.fund(account("stranger"))

    def fund(self, who: Account) -> Account:
        """Give an account coins, and the chain its key."""
        if who.address not in self._known:
            self._tester.add_account("0x" + who.key.secret.hex())
            self._known.add(who.address)
        if not self.coins(who.address):
            rich = self._tester.get_accounts()[0]
            self._tester.send_transaction({"from": rich, "to": _hex(who.address), "value": WEALTH_WEI, "gas": 21_000})
        return who

    @property
    def chain_id(self) -> int:
        """Return the chain's id."""
        return int(self._tester.backend.chain.chain_id)

    def now(self) -> int:
        """Return the newest block's time."""
        return int(self._tester.get_block_by_number("latest")["timestamp"])

    def travel(self, time: int) -> None:
        """Let the next block have this time."""
        self._tester.time_travel(time)

    def deploy(self, name: str, *arguments: Any) -> Address:
        """Create one of our contracts."""
        return self.create(deployment(name, *arguments))

    def create(self, code: bytes) -> Address:
        """Create a contract."""
        receipt = self._transact({"data": "0x" + code.hex()}, self.sender)
        assert receipt.created is not None
        return receipt.created

    def send(self, invocation: Invocation, sender: Account | None = None, gas: int = GAS_LIMIT) -> Receipt:
        """Mine a transaction; raise `Reverted` with the reason where it fails."""
        fields = {
            "to": _hex(invocation.to),
            "data": "0x" + invocation.data.hex(),
            "value": invocation.value,
            "gas": gas,
        }
        return self._transact(fields, sender or self.sender)

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
        return int(self._tester.get_balance(_hex(who)))

    def slot(self, contract: Address, index: int) -> int:
        """Return one storage slot."""
        return int(str(self._tester.get_storage_at(_hex(contract), hex(index))), 16)

    def snapshot(self) -> int:
        """Remember the chain as it is."""
        return int(self._tester.take_snapshot())

    def revert(self, snapshot: int) -> None:
        """Go back to a snapshot."""
        self._tester.revert_to_snapshot(snapshot)

    def _transact(self, fields: dict[str, Any], sender: Account) -> Receipt:
        self.fund(sender)
        transaction = {"from": _hex(sender.address), "gas": GAS_LIMIT, **fields}
        receipt = self._tester.get_transaction_receipt(self._tester.send_transaction(transaction))
        if receipt["status"] != 1:
            raise Reverted(self._reason(transaction))
        created = receipt["contract_address"]
        return Receipt(
            gas_used=int(receipt["gas_used"]),
            logs=tuple(
                Log(
                    Address(_bytes(log["address"])),
                    tuple(_bytes(topic) for topic in log["topics"]),
                    _bytes(log["data"]),
                )
                for log in receipt["logs"]
            ),
            created=Address(_bytes(created)) if created else None,
        )

    def _reason(self, transaction: dict[str, Any]) -> str:
        try:
            self._tester.call(transaction, "pending")
        except TransactionFailed as failure:
            return str(failure.args[0])
        return ""

    def _call(self, invocation: Invocation, sender: Account, gas: int) -> bytes:
        self.fund(sender)
        fields = {
            "from": _hex(sender.address),
            "to": _hex(invocation.to),
            "data": "0x" + invocation.data.hex(),
            "value": invocation.value,
            "gas": gas,
        }
        try:
            return _bytes(self._tester.call(fields, "pending"))
        except TransactionFailed as failure:
            raise Reverted(str(failure.args[0])) from failure


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
