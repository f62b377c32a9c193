"""Keys for simulated parties: real secp256k1 keys, derived from the world's seed and a name."""

import coincurve

from thalweg.crypto import keccak


def key_of(seed: int, name: str) -> coincurve.PrivateKey:
    """Return the key of that name in the world of that seed."""
    return coincurve.PrivateKey(keccak(b"thalweg simulated key " + seed.to_bytes(16, signed=True) + name.encode()))
