"""Transactions and RLP against eth-account and rlp, the reference implementations."""

import coincurve
import pytest
import rlp as reference
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from thalweg.chain.fees import first_bid, outbid
from thalweg.chain.transaction import Fees, Transaction, rlp
from thalweg.units import Address

KEY = bytes(31) + b"\x01"

items = st.recursive(
    st.binary(max_size=80) | st.integers(0, 2**256 - 1), lambda inner: st.lists(inner, max_size=6), max_leaves=20
)
wei = st.integers(0, 2**80)


@given(items)
def test_rlp_is_the_reference_encoding(item: object) -> None:
    assert rlp(item) == reference.encode(item)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, 1, 55, 56, 255, 256, 65_536])
def test_rlp_changes_its_prefix_where_the_reference_does(size: int) -> None:
    assert rlp(bytes(size)) == reference.encode(bytes(size))


@given(st.integers(0, 2**32), wei, wei, st.integers(21_000, 2**30), st.binary(max_size=200), st.booleans())
def test_a_signed_transaction_is_the_one_eth_account_makes(
    nonce: int, tip: int, more: int, gas: int, data: bytes, creates: bool
) -> None:
    to = None if creates else Address(b"\xab" * 20)
    signed = Transaction(31337, nonce, Fees(tip + more, tip), gas, to, more, data).signed(coincurve.PrivateKey(KEY))
    fields = {
        "type": 2, "chainId": 31337, "nonce": nonce, "maxFeePerGas": tip + more, "maxPriorityFeePerGas": tip,
        "gas": gas, "value": more, "data": data,
    }  # fmt: skip
    if to is not None:
        fields["to"] = to
    expected = Account.sign_transaction(fields, KEY)
    assert signed.raw == bytes(expected.raw_transaction)
    assert signed.hash == bytes(expected.hash)


@given(wei, wei, wei)
def test_a_first_bid_covers_the_base_fee_twice_within_the_limit(base: int, tip: int, limit: int) -> None:
    bid = first_bid(base, tip, limit)
    assert bid.fee_wei == min(limit, 2 * base + tip)
    assert bid.tip_wei <= bid.fee_wei


@given(wei, wei, wei, st.integers(1, 2**90))
def test_a_replacement_pays_an_eighth_more_of_both_or_is_not_made(fee: int, tip: int, base: int, limit: int) -> None:
    before = Fees(max(fee, tip), min(fee, tip))
    after = outbid(before, base, tip, limit)
    if after is None:
        assert max(2 * base + tip, -(-before.fee_wei * 9 // 8)) > limit or first_bid(base, tip, limit).fee_wei == limit
    else:
        assert after.fee_wei <= limit
        assert after.fee_wei * 8 >= before.fee_wei * 9
        assert after.tip_wei * 8 >= before.tip_wei * 9
        assert after.tip_wei <= after.fee_wei
