"""BIP-32: one seed, a tree of secp256k1 keys. Private derivation only.

https://github.com/bitcoin/bips/blob/master/bip-0032.mediawiki
"""

import hashlib
import hmac
from typing import Final, NamedTuple

import coincurve

from thalweg.errors import Reason, UserFault

HARDENED: Final = 1 << 31
DEPTH_MAX: Final = 16

_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


class Node(NamedTuple):
    """A private key in the tree and the chain code its children derive from."""

    secret: bytes
    chain_code: bytes


def root(seed: bytes) -> Node:
    """Return the master node of a seed (BIP-32: 16 to 64 bytes)."""
    digest = hmac.digest(b"Bitcoin seed", seed, hashlib.sha512)
    return _node(int.from_bytes(digest[:32]), digest[32:])


def child(parent: Node, index: int) -> Node:
    """Return a child; `index` + HARDENED for one that does not follow from the public key."""
    is_hardened = index >= HARDENED
    content = b"\0" + parent.secret if is_hardened else coincurve.PrivateKey(parent.secret).public_key.format()
    digest = hmac.digest(parent.chain_code, content + index.to_bytes(4), hashlib.sha512)
    left = int.from_bytes(digest[:32])
    if left >= _ORDER:
        raise _unlucky()
    return _node((left + int.from_bytes(parent.secret)) % _ORDER, digest[32:])


def derive(seed: bytes, path: str) -> Node:
    """Return the node at a path such as m/44'/60'/0'/0/0.

    Raises:
        UserFault: MALFORMED, if that is not a path.
    """
    start, *steps = path.split("/")
    if start != "m" or len(steps) > DEPTH_MAX:
        raise UserFault(Reason.MALFORMED, f"{path!r} is not a derivation path: it looks like m/44'/60'/0'/0/0")
    node = root(seed)
    for step in steps:
        number = step.removesuffix("'")
        if not (number.isascii() and number.isdigit()) or len(number) > 10 or int(number) >= HARDENED:
            raise UserFault(Reason.MALFORMED, f"{step!r} in {path!r} is not an index below 2^31")
        node = child(node, int(number) + (HARDENED if step.endswith("'") else 0))
    return node


def _node(secret: int, chain_code: bytes) -> Node:
    if not 0 < secret < _ORDER:
        raise _unlucky()
    return Node(secret.to_bytes(32), chain_code)


def _unlucky() -> UserFault:
    """Return what BIP-32 asks for where a key falls outside the curve's order: once in 2^127 seeds."""
    return UserFault(Reason.MALFORMED, "this seed has no key at this path: create another")
