"""Token calls against the standards' own encoders."""

from eth_abi import abi
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from thalweg.chain import token
from thalweg.codec import Domain
from thalweg.crypto import keccak
from thalweg.units import NATIVE, Address, Amount, UnixSeconds

TOKEN, ALICE, BOB = (Address(bytes((n,)) * 20) for n in (1, 2, 3))
word = st.integers(0, 2**256 - 1)


@given(word, word, word)
def test_a_permit_is_what_wallets_sign(amount: int, nonce: int, deadline: int) -> None:
    separator = Domain(31337, TOKEN, "USD Coin", "2").separator()
    types = {
        "Permit": [
            {"name": "owner", "type": "address"}, {"name": "spender", "type": "address"},
            {"name": "value", "type": "uint256"}, {"name": "nonce", "type": "uint256"},
            {"name": "deadline", "type": "uint256"},
        ]
    }  # fmt: skip
    message = {"owner": ALICE, "spender": BOB, "value": amount, "nonce": nonce, "deadline": deadline}
    domain = {"name": "USD Coin", "version": "2", "chainId": 31337, "verifyingContract": TOKEN}
    signable = encode_typed_data(domain, types, message)
    expected = keccak(b"\x19\x01" + signable.header + signable.body)
    found = token.permit_digest(separator, ALICE, BOB, Amount(amount), nonce, UnixSeconds(deadline))
    assert found == expected


@given(st.integers(0, 2**128 - 1))
def test_calls_are_encoded_as_the_abi_says(amount: int) -> None:
    for made, name in ((token.approve, "approve"), (token.transfer, "transfer"), (token.mint, "mint")):
        expected = keccak(f"{name}(address,uint256)".encode())[:4] + abi.encode(["address", "uint256"], [BOB, amount])
        assert made(TOKEN, BOB, Amount(amount)).data == expected


def test_sending_the_chains_own_coin_is_a_plain_transfer() -> None:
    invocation = token.transfer(NATIVE, BOB, Amount(7))
    assert (invocation.to, invocation.data, invocation.value) == (BOB, b"", 7)
