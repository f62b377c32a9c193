"""The Noise protocol framework, one protocol of it: Noise_XX_25519_ChaChaPoly_SHA256. Sans-IO.

Names follow the specification, sections 5 and 7: https://noiseprotocol.org/noise.html. The primitives are those of
`cryptography` and the standard library; keys come from the caller.

    XX:  -> e
         <- e, ee, s, es
         -> s, se
"""

import hmac
import struct
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from thalweg.errors import InvariantBroken, PeerFault, Reason

MESSAGE_BYTES_MAX: Final = 65535
TAG_BYTES: Final = 16
KEY_BYTES: Final = 32
_PROTOCOL: Final = b"Noise_XX_25519_ChaChaPoly_SHA256"  # 32 bytes: HASHLEN, so it is the first hash as it is
_PATTERN: Final = (("e",), ("e", "ee", "s", "es"), ("s", "se"))
_NONCE_MAX: Final = 2**64 - 2
_pack_nonce: Final = struct.Struct("<4xQ").pack


class CipherState:
    """One direction: a key and the number of messages it has encrypted."""

    __slots__ = ("_cipher", "_nonce")

    def __init__(self, key: bytes) -> None:
        self._cipher = ChaCha20Poly1305(key)
        self._nonce = 0

    def encrypt(self, plaintext: bytes, associated: bytes | None = None) -> bytes:
        """Return the ciphertext and tag."""
        return self._cipher.encrypt(self._next(), plaintext, associated)

    def decrypt(self, ciphertext: bytes, associated: bytes | None = None) -> bytes:
        """Return the plaintext.

        Raises:
            PeerFault: MALFORMED, the tag does not fit: altered, replayed, lost or truncated.
        """
        try:
            return self._cipher.decrypt(self._next(), ciphertext, associated)
        except InvalidTag as error:
            raise PeerFault(Reason.MALFORMED, "an encrypted message does not authenticate") from error

    def _next(self) -> bytes:
        nonce = self._nonce
        if nonce > _NONCE_MAX:
            raise InvariantBroken("a Noise nonce is used up; the link must be made anew before 2^64 messages")
        self._nonce = nonce + 1
        return _pack_nonce(nonce)


class _SymmetricState:
    """The handshake's running hash and chaining key (section 5.2)."""

    __slots__ = ("_chain", "_cipher", "hash")

    def __init__(self, prologue: bytes) -> None:
        self.hash = self._chain = _PROTOCOL
        self._cipher: CipherState | None = None
        self.mix_hash(prologue)

    def mix_hash(self, data: bytes) -> None:
        self.hash = sha256(self.hash + data).digest()

    def mix_key(self, secret: bytes) -> None:
        self._chain, key = _derive(self._chain, secret)
        self._cipher = CipherState(key)

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        ciphertext = plaintext if self._cipher is None else self._cipher.encrypt(plaintext, self.hash)
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        plaintext = ciphertext if self._cipher is None else self._cipher.decrypt(ciphertext, self.hash)
        self.mix_hash(ciphertext)
        return plaintext

    def tag_bytes(self) -> int:
        return 0 if self._cipher is None else TAG_BYTES

    def split(self) -> tuple[CipherState, CipherState]:
        first, second = _derive(self._chain, b"")
        return CipherState(first), CipherState(second)


class Handshake:
    """One end of the three messages. `write` and `read` alternate, the initiator writes first."""

    __slots__ = ("_ephemeral", "_initiator", "_remote_ephemeral", "_static", "_step", "_symmetric", "remote_static")

    def __init__(
        self, *, initiator: bool, static: X25519PrivateKey, ephemeral: X25519PrivateKey, prologue: bytes = b""
    ) -> None:
        """`ephemeral` must be fresh for every handshake."""
        self._initiator = initiator
        self._static = static
        self._ephemeral = ephemeral
        self._remote_ephemeral = b""
        self.remote_static = b""  # the other end's static key, known from its message on
        self._symmetric = _SymmetricState(prologue)
        self._step = 0

    @property
    def finished(self) -> bool:
        """Say whether all three messages were exchanged."""
        return self._step == len(_PATTERN)

    @property
    def hash(self) -> bytes:
        """Return the handshake hash: it names this session (channel binding)."""
        return self._symmetric.hash

    def write(self, payload: bytes) -> bytes:
        """Return the next message, carrying `payload`."""
        if self._step >= len(_PATTERN) or (self._step % 2 == 0) is not self._initiator:
            raise InvariantBroken("a Noise message was written out of turn")
        message = b""
        for part in _PATTERN[self._step]:
            message += self._write_part(part)
        self._step += 1
        return message + self._symmetric.encrypt_and_hash(payload)

    def read(self, message: bytes) -> bytes:
        """Take the other end's next message and return its payload.

        Raises:
            PeerFault: MALFORMED, truncated, not authentic, or a key of low order.
        """
        if self._step >= len(_PATTERN) or (self._step % 2 == 0) is self._initiator:
            raise InvariantBroken("a Noise message was read out of turn")
        for part in _PATTERN[self._step]:
            message = self._read_part(part, message)
        self._step += 1
        return self._symmetric.decrypt_and_hash(message)

    def split(self) -> tuple[CipherState, CipherState]:
        """Return the ciphers to send and to receive with, after the last message."""
        if not self.finished:
            raise InvariantBroken("a Noise handshake was split before its end")
        first, second = self._symmetric.split()
        return (first, second) if self._initiator else (second, first)

    def _write_part(self, part: str) -> bytes:
        if part == "e":
            public = self._ephemeral.public_key().public_bytes_raw()
            self._symmetric.mix_hash(public)
            return public
        if part == "s":
            return self._symmetric.encrypt_and_hash(self._static.public_key().public_bytes_raw())
        self._mix_secret(part)
        return b""

    def _read_part(self, part: str, message: bytes) -> bytes:
        if part == "e":
            self._remote_ephemeral, rest = _cut(message, KEY_BYTES)
            self._symmetric.mix_hash(self._remote_ephemeral)
            return rest
        if part == "s":
            sealed, rest = _cut(message, KEY_BYTES + self._symmetric.tag_bytes())
            self.remote_static = self._symmetric.decrypt_and_hash(sealed)
            return rest
        self._mix_secret(part)
        return message

    def _mix_secret(self, part: str) -> None:
        """Mix in a Diffie-Hellman result; the letters of `part` are the initiator's and the responder's key."""
        ours, theirs = (part[0], part[1]) if self._initiator else (part[1], part[0])
        private = self._ephemeral if ours == "e" else self._static
        public = self._remote_ephemeral if theirs == "e" else self.remote_static
        try:
            secret = private.exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError as error:  # the result is all zeros
            raise PeerFault(Reason.MALFORMED, "a key of low order was sent") from error
        self._symmetric.mix_key(secret)


def _derive(chain: bytes, secret: bytes) -> tuple[bytes, bytes]:
    """HKDF with two outputs (section 4.3)."""
    temporary = hmac.digest(chain, secret, "sha256")
    first = hmac.digest(temporary, b"\x01", "sha256")
    return first, hmac.digest(temporary, first + b"\x02", "sha256")


def _cut(message: bytes, size: int) -> tuple[bytes, bytes]:
    if len(message) < size:
        raise PeerFault(Reason.MALFORMED, "a handshake message is truncated")
    return message[:size], message[size:]
