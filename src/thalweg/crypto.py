"""Hashes and secp256k1 signatures. Pure: keys are held by signers in the outer rings, never here.

Signatures are 64 bytes (EIP-2098): `r`, then `s` with the recovery bit in its top bit. Only low `s` is accepted,
so a signature has one form.
"""

from typing import Final

import coincurve
import sha3

from thalweg.units import Address, Hash, Signature

SIGNATURE_BYTES: Final = 64
_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_PARITY_BIT: Final = 1 << 255


def keccak(data: bytes) -> Hash:
    """Return the Keccak-256 hash of `data`: 32 bytes."""
    return Hash(sha3.keccak_256(data).digest())


def address_of(public_key: coincurve.PublicKey) -> Address:
    """Return the 20-byte account address of a secp256k1 public key."""
    return Address(keccak(public_key.format(compressed=False)[1:])[12:])


def sign(key: coincurve.PrivateKey, digest: bytes) -> Signature:
    """Sign a 32-byte digest (RFC 6979, low s) into the 64-byte form."""
    raw = key.sign_recoverable(digest, hasher=None)
    if not raw[64]:
        return Signature(raw[:64])
    return Signature(raw[:32] + bytes((raw[32] | 0x80,)) + raw[33:64])


def recover(digest: bytes, signature: bytes) -> Address | None:
    """Return the address that signed `digest`, or None where the signature is not a canonical one."""
    if len(signature) != SIGNATURE_BYTES:
        return None
    word = int.from_bytes(signature[32:])
    s = word & (_PARITY_BIT - 1)
    if s == 0 or s > _HALF_ORDER:
        return None
    raw = signature[:32] + s.to_bytes(32) + bytes((word >> 255,))
    try:
        return address_of(coincurve.PublicKey.from_signature_and_message(raw, digest, hasher=None))
    except Exception:  # coincurve says just this where no key could have made the signature
        return None


def signed_by(digest: bytes, signature: bytes, signer: Address) -> bool:
    """Say whether `signer` made this signature."""
    return recover(digest, signature) == signer
