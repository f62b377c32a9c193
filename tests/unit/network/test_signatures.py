"""Ed25519 signatures: published vectors, OpenSSL as the other opinion, and what nobody may pass off as signed."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from thalweg.network.peer_id import Identity, signed_by

ORDER = 2**252 + 27742317777372353535851937790883648493  # of the base point
SMALL_ORDER = bytes((1,)) + bytes(31)  # the neutral point

# RFC 8032, section 7.1, tests 1 to 3: seed, public key, message, signature
RFC_8032 = (
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
)


@pytest.mark.parametrize(("seed", "key", "message", "signature"), RFC_8032)
def test_the_published_vectors_hold(seed: str, key: str, message: str, signature: str) -> None:
    identity, data = Identity(bytes.fromhex(seed)), bytes.fromhex(message)
    assert identity.peer_id.key.hex() == key
    assert identity.sign(data).hex() == signature
    assert signed_by(bytes.fromhex(key), data, bytes.fromhex(signature))


@given(st.binary(max_size=300), st.integers(0, 99), st.integers(1, 255), st.sampled_from(("data", "signature", "key")))
def test_openssl_agrees_on_what_is_signed_and_on_what_was_altered(
    data: bytes, place: int, flip: int, part: str
) -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    parts = {"key": private.public_key().public_bytes_raw(), "data": data, "signature": private.sign(data)}
    assert signed_by(**parts)
    altered = bytearray(parts[part] or b"\0")
    altered[place % len(altered)] ^= flip
    parts[part] = bytes(altered)
    with pytest.raises((InvalidSignature, ValueError)):
        Ed25519PublicKey.from_public_bytes(parts["key"]).verify(parts["signature"], parts["data"])
    assert not signed_by(**parts)


def test_a_key_of_small_order_signs_nothing() -> None:
    signature = SMALL_ORDER + bytes(32)
    Ed25519PublicKey.from_public_bytes(SMALL_ORDER).verify(signature, b"anything")  # OpenSSL takes it for any message
    assert not signed_by(SMALL_ORDER, b"anything", signature)


def test_a_signature_has_one_form() -> None:
    identity = Identity(bytes(32))
    signature = identity.sign(b"data")
    other = signature[:32] + (int.from_bytes(signature[32:], "little") + ORDER).to_bytes(32, "little")
    assert not signed_by(identity.peer_id.key, b"data", other)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_another_length_made_no_signature(size: int) -> None:
    assert not signed_by(bytes(size), b"data", bytes(64))


@pytest.mark.parametrize("size", [0, 63, 65])
def test_a_signature_of_another_length_is_none(size: int) -> None:
    assert not signed_by(Identity(bytes(32)).peer_id.key, b"data", bytes(size))
