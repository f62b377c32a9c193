"""The two words that the contract keeps of a channel, made from the model: docs/contracts.md, "Storage"."""

from eth_abi import abi as codec
from tests.contracts.reference.accounts import Account, Dispute

from thalweg.channel.hashes import balances_hash
from thalweg.channel.sheet import Holding
from thalweg.crypto import keccak
from thalweg.units import ZERO_HASH, Hash

_OPEN, _DISPUTED, _CLOSED = 1, 2, 3
_FINGERPRINT = 2**176 - 1


def of(account: Account | None) -> tuple[int, int]:
    """Return (funding, dispute)."""
    if account is None:
        return 0, 0
    if account.is_closed:
        return _CLOSED << 248, 0
    status = _OPEN if account.dispute is None else _DISPUTED
    funding = status << 248 | account.lowest << 208 | _totals(account)
    return funding, _dispute(account, account.dispute) if account.dispute else 0


def _totals(account: Account) -> int:
    pairs = [inward << 128 | outward for inward, outward in zip(account.deposited, account.withdrawn, strict=True)]
    return int.from_bytes(keccak(codec.encode(("uint256[]",), (pairs,)))) % 2**208


def _dispute(account: Account, dispute: Dispute) -> int:
    terms, state = account.terms, dispute.state.state
    rules = terms.settlement | terms.close_out << 8 | terms.exit_spread << 16
    if not terms.payouts:  # a child's: until when it lasts
        rules |= terms.nonce >> 192 << 80
    payees = codec.encode(("(address[],address[],uint256)",), ((terms.payouts, terms.assets, rules),))
    balances = state.balances_hash
    if not state.version:
        balances = balances_hash((Holding(),) * len(account.deposited), ZERO_HASH)
    walked: Hash = ZERO_HASH
    if dispute.cursor:
        accruals = list(zip(dispute.margin, dispute.escrow, strict=True))
        walked = Hash(keccak(codec.encode(("(uint256,(int256,uint256)[])",), ((dispute.cursor, accruals),))))
    fingerprint = int.from_bytes(keccak(keccak(payees) + balances + state.claims_root + walked)) & _FINGERPRINT
    return dispute.deadline << 224 | state.version << 184 | dispute.challenger << 176 | fingerprint
