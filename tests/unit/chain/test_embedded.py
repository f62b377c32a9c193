"""The embedded chain's own rules: time, pool, snapshots, what it refuses."""

import coincurve
import pytest
from eth_account import Account
from eth_account.hdaccount import seed_from_mnemonic
from eth_account.hdaccount.deterministic import HDPath

from thalweg.chain.dev_accounts import DEV_ADDRESSES, DEV_BALANCE_WEI, DEV_KEYS
from thalweg.chain.embedded.engine import BLOCK_GAS, SNAPSHOTS_MAX, EmbeddedChain
from thalweg.chain.embedded.errors import RpcError
from thalweg.chain.embedded.execution import Message, call, data_floor, estimate_gas
from thalweg.chain.embedded.pool import AHEAD_MAX
from thalweg.chain.transaction import Fees, Transaction
from thalweg.units import Address

GWEI = 10**9
BOB = Address(b"\xb0" * 20)
# creation code of a contract that reverts with whatever it is called with: calldatacopy(0,0,n) revert(0,n)
ECHO_REVERT = bytes.fromhex("6007600c60003960076000f3" + "365f5f37365ffd")


class Wall:
    """A wall clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def chain(wall: Wall) -> EmbeddedChain:
    return EmbeddedChain(now=wall)


def payment(
    nonce: int = 0, fee: int = 10 * GWEI, tip: int = GWEI, key: bytes = DEV_KEYS[0], **changes: object
) -> bytes:
    plain: dict[str, object] = {
        "chain_id": 31337, "nonce": nonce, "fees": Fees(fee, tip), "gas": 21_000, "to": BOB, "value_wei": 7,
        "data": b"",
    }  # fmt: skip
    return Transaction(**{**plain, **changes}).signed(coincurve.PrivateKey(DEV_KEYS[0])).raw  # type: ignore[arg-type]


def balance(chain: EmbeddedChain, account: bytes) -> int:
    return int(chain.state(chain.head.header).get_balance(account))


def test_the_development_accounts_are_those_of_the_known_mnemonic_and_have_coins(chain: EmbeddedChain) -> None:
    seed = seed_from_mnemonic("test " * 11 + "junk", "")
    assert tuple(HDPath(f"m/44'/60'/0'/0/{index}").derive(seed) for index in range(10)) == DEV_KEYS
    assert tuple(bytes.fromhex(Account.from_key(key).address[2:]) for key in DEV_KEYS) == DEV_ADDRESSES
    assert {balance(chain, account) for account in DEV_ADDRESSES} == {DEV_BALANCE_WEI}


def test_a_payment_is_mined_at_once_and_moves_the_coins(chain: EmbeddedChain) -> None:
    chain.submit(payment())
    assert chain.head.header.block_number == 1
    assert balance(chain, BOB) == 7


def test_without_automine_a_payment_waits_for_a_block(chain: EmbeddedChain) -> None:
    chain.automine = False
    chain.submit(payment())
    assert balance(chain, BOB) == 0
    chain.mine()
    assert balance(chain, BOB) == 7
    assert len(chain.pool) == 0


def test_a_gap_in_the_nonces_holds_back_what_comes_after_it(chain: EmbeddedChain) -> None:
    chain.submit(payment(nonce=1))
    assert balance(chain, BOB) == 0
    chain.submit(payment(nonce=0))
    assert balance(chain, BOB) == 14


def test_a_fee_below_the_base_fee_waits_until_it_is_replaced(chain: EmbeddedChain) -> None:
    chain.submit(payment(fee=10, tip=10))
    assert balance(chain, BOB) == 0
    chain.submit(payment(fee=2 * GWEI, tip=20))
    assert balance(chain, BOB) == 7
    assert len(chain.pool) == 0


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (payment(fee=109 * GWEI, tip=109, nonce=1), "replacement transaction underpriced"),
        (payment(fee=110 * GWEI, tip=108, nonce=1), "replacement transaction underpriced"),
        (payment(fee=100 * GWEI, tip=100, nonce=1), "already known"),
        (payment(nonce=AHEAD_MAX + 1), "too far ahead"),
        (payment(chain_id=1), "invalid chain id"),
        (payment(gas=20_999), "intrinsic gas too low"),
        (payment(gas=BLOCK_GAS + 1), "exceeds block gas limit"),
        (payment(value_wei=DEV_BALANCE_WEI), "insufficient funds"),
        (payment()[:-1], "cannot be read"),
        (b"", "cannot be read"),
        (b"\x02", "cannot be read"),
        (b"\x05\xc0", "cannot be read"),
    ],
)
def test_a_transaction_that_cannot_be_is_refused_and_changes_nothing(
    chain: EmbeddedChain, raw: bytes, message: str
) -> None:
    chain.submit(payment(fee=100 * GWEI, tip=100, nonce=1))
    with pytest.raises(RpcError, match=message):
        chain.submit(raw)
    assert len(chain.pool) == 1
    assert chain.head.header.block_number == 0


def test_a_nonce_that_was_used_is_refused(chain: EmbeddedChain) -> None:
    chain.submit(payment())
    with pytest.raises(RpcError, match="nonce too low"):
        chain.submit(payment(value_wei=8))


def test_what_can_no_longer_be_paid_for_is_dropped(chain: EmbeddedChain) -> None:
    chain.automine = False
    most = DEV_BALANCE_WEI * 9 // 10
    chain.submit(payment(nonce=0, value_wei=most))
    chain.submit(payment(nonce=1, value_wei=most))
    chain.mine()
    assert balance(chain, BOB) == most
    assert len(chain.pool) == 0


def test_each_block_is_after_its_parent_even_when_the_wall_clock_stands_still(chain: EmbeddedChain) -> None:
    chain.mine(3)
    assert [mined.header.timestamp for mined in chain.blocks(0, 3)] == [10**6 + n for n in range(4)]


def test_the_clock_jumps_and_goes_on_from_there(chain: EmbeddedChain, wall: Wall) -> None:
    chain.increase_time(1000)
    chain.mine()
    assert chain.head.header.timestamp == 10**6 + 1000
    wall.time += 5
    chain.mine()
    assert chain.head.header.timestamp == 10**6 + 1005


def test_the_next_timestamp_is_the_one_asked_for(chain: EmbeddedChain, wall: Wall) -> None:
    chain.set_next_timestamp(2 * 10**6)
    chain.mine()
    assert chain.head.header.timestamp == 2 * 10**6
    wall.time += 10
    chain.mine()
    assert chain.head.header.timestamp == 2 * 10**6 + 10


@pytest.mark.parametrize("timestamp", [0, 10**6, 2**41])
def test_the_clock_does_not_go_back_nor_beyond_its_end(chain: EmbeddedChain, timestamp: int) -> None:
    with pytest.raises(RpcError):
        chain.set_next_timestamp(timestamp)
    with pytest.raises(RpcError):
        chain.increase_time(-1)


def test_a_snapshot_brings_back_blocks_and_coins_but_not_the_time(chain: EmbeddedChain) -> None:
    snapshot = chain.snapshot()
    chain.increase_time(50)
    transaction = chain.submit(payment())
    gone = chain.head.header.hash
    assert chain.revert(snapshot)
    assert balance(chain, BOB) == 0
    assert chain.block_of(gone) is None
    assert chain.place(transaction) is None
    assert chain.time() == 10**6 + 50
    assert not chain.revert(snapshot)
    chain.submit(payment())
    assert balance(chain, BOB) == 7


def test_a_later_snapshot_is_used_up_by_an_earlier_one(chain: EmbeddedChain) -> None:
    first, second = chain.snapshot(), chain.snapshot()
    assert chain.revert(first)
    assert not chain.revert(second)


def test_snapshots_are_limited(chain: EmbeddedChain) -> None:
    for _ in range(SNAPSHOTS_MAX):
        chain.snapshot()
    with pytest.raises(RpcError, match="revert to one first"):
        chain.snapshot()


def test_the_faucet_sets_a_balance(chain: EmbeddedChain) -> None:
    chain.set_balance(BOB, 123)
    assert balance(chain, BOB) == 123
    assert chain.head.header.block_number == 1


def test_final_blocks_are_as_deep_as_asked(wall: Wall) -> None:
    chain = EmbeddedChain(final_depth=2, now=wall)
    assert chain.final_number() == 0
    chain.mine(5)
    assert chain.final_number() == 3


def test_a_revert_is_answered_with_its_reason_and_data(chain: EmbeddedChain) -> None:
    raw = payment(to=None, data=ECHO_REVERT, gas=200_000, value_wei=0)
    place = chain.place(chain.submit(raw))
    assert place is not None
    assert place[0].receipts[0].state_root == b"\x01"
    contract = bytes.fromhex("5fbdb2315678afecb367f032d93f642f64180aa3")
    said = bytes.fromhex("08c379a0") + (32).to_bytes(32) + (2).to_bytes(32) + b"no".ljust(32, b"\0")
    with pytest.raises(RpcError, match="execution reverted: no") as refusal:
        call(chain, Message(to=contract, data=said), chain.head.header)
    assert (refusal.value.code, refusal.value.data) == (3, said)


@pytest.mark.parametrize("size", [0, 32, 1000])
def test_an_estimate_is_enough_and_no_more_than_the_slack_above_the_least(chain: EmbeddedChain, size: int) -> None:
    message = Message(sender=DEV_ADDRESSES[0], to=BOB, data=b"\x01" * size)
    header = chain.pending_header()
    estimate = estimate_gas(chain, message, header)
    assert data_floor(message.data) <= estimate <= data_floor(message.data) * 1.02
    chain.submit(payment(data=message.data, gas=estimate, value_wei=0))
    assert chain.head.header.gas_used <= estimate
