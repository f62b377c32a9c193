"""Who a peer is: the multihash of its Ed25519 public key, `12D3KooW...` in base58; and our own identity key.

Thalweg peers have Ed25519 identities only; their ids carry the key itself (identity multihash), so a link's key can be
checked against the id without looking anything up. https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md
"""

from functools import lru_cache
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from thalweg.errors import PeerFault, Reason, UserFault
from thalweg.network import protobuf

SEED_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
NAMES_MAX: Final = 8192  # kept in base58
_KEY_BYTES: Final = 32
_ED25519: Final = 1  # KeyType of libp2p's PublicKey message
_KEY_PREFIX: Final = protobuf.number_field(1, _ED25519) + bytes((0x12, _KEY_BYTES))
_ID_PREFIX: Final = bytes((0x00, len(_KEY_PREFIX) + _KEY_BYTES)) + _KEY_PREFIX  # identity multihash
_ID_BYTES: Final = len(_ID_PREFIX) + _KEY_BYTES
_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS: Final = {letter: value for value, letter in enumerate(_ALPHABET)}
_TEXT_MAX: Final = 64


class PeerId(bytes):
    """A peer's id: its multihash as bytes, base58 as text."""

    __slots__ = ()

    @classmethod
    def of_key(cls, key: bytes) -> Self:
        """Return the id of a raw 32-byte Ed25519 public key."""
        return cls(_ID_PREFIX + key)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the id that a base58 text names.

        Raises:
            UserFault: MALFORMED, not the id of an Ed25519 key.
        """
        raw = _from_base58(text)
        if raw is None or not _is_ed25519(raw):
            raise UserFault(
                Reason.MALFORMED, f"{text[:_TEXT_MAX]!r} is not a peer id; one of an Ed25519 key begins with 12D3KooW"
            )
        return cls(raw)

    @classmethod
    def of_bytes(cls, raw: bytes) -> Self:
        """Return the id in bytes received from a peer.

        Raises:
            PeerFault: MALFORMED, not the id of an Ed25519 key.
        """
        if not _is_ed25519(raw):
            raise PeerFault(Reason.MALFORMED, "a peer id is not one of an Ed25519 key")
        return cls(raw)

    @property
    def key(self) -> bytes:
        """Return the raw public key inside the id."""
        return self[len(_ID_PREFIX) :]

    def __str__(self) -> str:
        return _to_base58(bytes(self))

    def __repr__(self) -> str:
        return f"PeerId({self})"


class Identity:
    """Our own identity key: who we are to peers."""

    __slots__ = ("_key", "peer_id", "public_key")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise UserFault(Reason.MALFORMED, f"an Ed25519 seed has {SEED_BYTES} bytes, not {len(seed)}")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        raw = self._key.public_key().public_bytes_raw()
        self.peer_id = PeerId.of_key(raw)
        self.public_key = encode_key(raw)

    def sign(self, data: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature of `data`."""
        return self._key.sign(data)


def encode_key(key: bytes) -> bytes:
    """Return a raw Ed25519 public key as libp2p's PublicKey message."""
    return _KEY_PREFIX + key


def decode_key(message: bytes) -> bytes:
    """Return the raw Ed25519 key in a PublicKey message.

    Raises:
        PeerFault: MALFORMED, not an Ed25519 key in its one canonical form.
    """
    if len(message) != len(_KEY_PREFIX) + _KEY_BYTES or not message.startswith(_KEY_PREFIX):
        raise PeerFault(Reason.MALFORMED, "the identity key is not an Ed25519 key")
    return message[len(_KEY_PREFIX) :]


def signed_by(key: bytes, data: bytes, signature: bytes) -> bool:
    """Say whether the raw Ed25519 `key` made this signature; one of small order, which fits anything, made none."""
    if len(key) != _KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        crypto_sign_open(signature + data, key)
    except BadSignatureError:
        return False
    return True


def _is_ed25519(raw: bytes) -> bool:
    return len(raw) == _ID_BYTES and raw.startswith(_ID_PREFIX)


@lru_cache(maxsize=NAMES_MAX)
def _to_base58(raw: bytes) -> str:
    value, letters = int.from_bytes(raw), ""
    while value:
        value, digit = divmod(value, 58)
        letters = _ALPHABET[digit] + letters
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + letters


@lru_cache(maxsize=NAMES_MAX)
def _from_base58(text: str) -> bytes | None:
    if len(text) > _TEXT_MAX or any(letter not in _DIGITS for letter in text):
        return None
    value = 0
    for letter in text:
        value = value * 58 + _DIGITS[letter]
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + value.to_bytes((value.bit_length() + 7) // 8)
