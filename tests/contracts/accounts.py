"""The accounts of py-evm's machine, kept in plain dictionaries: no tries and no encoding, so that calls cost what they
execute. Every change is written to a journal first; going back, in a call or in a test, is undoing the journal's end.
"""

from itertools import count
from typing import Any, Final

from eth.abc import AccountDatabaseAPI

from thalweg.crypto import keccak

_EMPTY: Final = keccak(b"")
_ABSENT: Final = object()


class Accounts(AccountDatabaseAPI):  # type: ignore[misc]  # py-evm is untyped at our border
    """What `AccountDB` is, without a root: nobody proves anything to anybody here."""

    def __init__(self, db: object = None, state_root: bytes = bytes(32)) -> None:
        self._balances: dict[bytes, int] = {}
        self._nonces: dict[bytes, int] = {}
        self._codes: dict[bytes, bytes] = {}
        self._touched: dict[bytes, bool] = {}
        self._slots: dict[tuple[bytes, int], int] = {}
        self._warm: dict[tuple[bytes, int | None], bool] = {}
        self._originals: dict[tuple[bytes, int], int] = {}
        self.transient: dict[tuple[bytes, int], bytes] = {}
        self._journal: list[tuple[dict[Any, Any], Any, Any]] = []
        self._checkpoints: dict[int, int] = {}
        self._numbers = count(1)

    # -- going back -------------------------------------------------------------------------------------------------

    @property
    def length(self) -> int:
        """Return how many changes there have been: where `rewind` can go back to."""
        return len(self._journal)

    def rewind(self, length: int) -> None:
        """Undo all changes but the first `length`."""
        while len(self._journal) > length:
            table, key, before = self._journal.pop()
            if before is _ABSENT:
                table.pop(key, None)  # what a transaction kept for itself is gone already
            else:
                table[key] = before

    def change(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        """Set an entry of a table, so that it can be undone."""
        self._journal.append((table, key, table.get(key, _ABSENT)))
        table[key] = value

    def record(self) -> int:
        number = next(self._numbers)
        self._checkpoints[number] = len(self._journal)
        return number

    def discard(self, checkpoint: int) -> None:
        self.rewind(self._checkpoints.pop(checkpoint))

    def commit(self, checkpoint: int) -> None:
        del self._checkpoints[checkpoint]

    def lock_changes(self) -> None:
        """End a transaction: what it found and kept is forgotten, and everything is cold again."""
        self._originals.clear()
        self._warm.clear()
        self.transient.clear()
        self._checkpoints.clear()

    # -- storage ----------------------------------------------------------------------------------------------------

    def get_storage(self, address: bytes, slot: int, from_journal: bool = True) -> int:
        key = (address, slot)
        if not from_journal and key in self._originals:
            return self._originals[key]
        return self._slots.get(key, 0)

    def set_storage(self, address: bytes, slot: int, value: int) -> None:
        key = (address, slot)
        self._originals.setdefault(key, self._slots.get(key, 0))
        self.change(self._slots, key, value)

    def delete_storage(self, address: bytes) -> None:
        for key in [key for key in self._slots if key[0] == address]:
            self.change(self._slots, key, 0)

    def is_storage_warm(self, address: bytes, slot: int) -> bool:
        return self._warm.get((address, slot), False)

    def mark_storage_warm(self, address: bytes, slot: int) -> None:
        if (address, slot) not in self._warm:
            self.change(self._warm, (address, slot), True)

    # -- accounts ---------------------------------------------------------------------------------------------------

    def get_balance(self, address: bytes) -> int:
        return self._balances.get(address, 0)

    def set_balance(self, address: bytes, balance: int) -> None:
        self.touch_account(address)
        self.change(self._balances, address, balance)

    def get_nonce(self, address: bytes) -> int:
        return self._nonces.get(address, 0)

    def set_nonce(self, address: bytes, nonce: int) -> None:
        self.touch_account(address)
        self.change(self._nonces, address, nonce)

    def increment_nonce(self, address: bytes) -> None:
        self.set_nonce(address, self.get_nonce(address) + 1)

    def get_code(self, address: bytes) -> bytes:
        return self._codes.get(address, b"")

    def set_code(self, address: bytes, code: bytes) -> None:
        self.touch_account(address)
        self.change(self._codes, address, code)

    def get_code_hash(self, address: bytes) -> bytes:
        return keccak(self._codes[address]) if address in self._codes else _EMPTY

    def delete_code(self, address: bytes) -> None:
        self.change(self._codes, address, b"")

    def account_has_code_or_nonce(self, address: bytes) -> bool:
        return bool(self.get_nonce(address) or self.get_code(address))

    def delete_account(self, address: bytes) -> None:
        self.delete_storage(address)
        self.set_balance(address, 0)
        self.set_nonce(address, 0)
        self.set_code(address, b"")
        self.change(self._touched, address, False)

    def account_exists(self, address: bytes) -> bool:
        return self._touched.get(address, False)

    def touch_account(self, address: bytes) -> None:
        if not self._touched.get(address, False):
            self.change(self._touched, address, True)

    def account_is_empty(self, address: bytes) -> bool:
        return not self.account_has_code_or_nonce(address) and not self.get_balance(address)

    def is_address_warm(self, address: bytes) -> bool:
        return self._warm.get((address, None), False)

    def mark_address_warm(self, address: bytes) -> None:
        if (address, None) not in self._warm:
            self.change(self._warm, (address, None), True)

    # -- roots, of which there are none -----------------------------------------------------------------------------

    @property
    def state_root(self) -> bytes:
        return bytes(32)

    @state_root.setter
    def state_root(self, value: bytes) -> None:
        """Nothing depends on it."""

    def has_root(self, state_root: bytes) -> bool:
        return False

    def make_state_root(self) -> bytes:
        return bytes(32)

    def persist(self) -> None:
        """Nothing is written anywhere."""
