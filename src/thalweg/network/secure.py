"""libp2p's use of Noise: frames, and a payload that proves who owns the session's static key. Sans-IO.

Every Noise message travels behind its length, two bytes big-endian. The payload holds the Ed25519 identity key and its
signature over the static key. https://github.com/libp2p/specs/blob/master/noise/README.md
"""

from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from thalweg.errors import PeerFault, Reason
from thalweg.network import protobuf
from thalweg.network.noise import MESSAGE_BYTES_MAX, TAG_BYTES, CipherState, Handshake
from thalweg.network.peer_id import Identity, PeerId, decode_key, signed_by

PROTOCOL: Final = "/noise"
PLAIN_BYTES_MAX: Final = MESSAGE_BYTES_MAX - TAG_BYTES
_LENGTH_BYTES: Final = 2
_SIGNED_PREFIX: Final = b"noise-libp2p-static-key:"
_IDENTITY_KEY, _IDENTITY_SIG = 1, 2  # fields of NoiseHandshakePayload


class Credentials:
    """What we prove ourselves with: one static key for the host's life, signed once by the identity."""

    __slots__ = ("identity", "payload", "static")

    def __init__(self, identity: Identity, static: X25519PrivateKey) -> None:
        self.identity = identity
        self.static = static
        public = static.public_key().public_bytes_raw()
        self.payload = identity_payload(identity.public_key, identity.sign(_SIGNED_PREFIX + public))


def identity_payload(public_key: bytes, signature: bytes) -> bytes:
    """Return a handshake payload: an encoded identity key and its signature over the static key."""
    return protobuf.bytes_field(_IDENTITY_KEY, public_key) + protobuf.bytes_field(_IDENTITY_SIG, signature)


def verify_payload(payload: bytes, static: bytes) -> PeerId:
    """Return the peer whose identity signed the static key.

    Raises:
        PeerFault: MALFORMED; WRONG_SIGNER, the signature is not that key's.
    """
    found = dict(protobuf.parse(payload))
    public_key, signature = found.get(_IDENTITY_KEY), found.get(_IDENTITY_SIG)
    if not isinstance(public_key, bytes) or not isinstance(signature, bytes):
        raise PeerFault(Reason.MALFORMED, "the handshake payload lacks an identity key or signature")
    key = decode_key(public_key)
    if not signed_by(key, _SIGNED_PREFIX + static, signature):
        raise PeerFault(Reason.WRONG_SIGNER, "the identity key did not sign the session's static key")
    return PeerId.of_key(key)


def frame(message: bytes) -> bytes:
    """Return a Noise message behind its length."""
    return len(message).to_bytes(_LENGTH_BYTES) + message


class FrameReader:
    """Cuts received bytes into Noise messages; holds at most one unfinished one."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that are complete with these bytes."""
        if self._tail:
            self._tail += data
            if len(self._tail) < _LENGTH_BYTES or len(self._tail) < _frame_end(self._tail, 0):
                return []
            data = bytes(self._tail)
            self._tail = bytearray()
        messages: list[bytes] = []
        offset, end = 0, len(data)
        while end - offset >= _LENGTH_BYTES:
            stop = _frame_end(data, offset)
            if stop > end:
                break
            messages.append(data[offset + _LENGTH_BYTES : stop])
            offset = stop
        if offset < end:
            self._tail += data[offset:]
        return messages

    def take(self) -> bytes:
        """Return and forget the bytes of an unfinished message."""
        tail = bytes(self._tail)
        self._tail.clear()
        return tail


class Sealer:
    """Encrypts what we send."""

    __slots__ = ("_cipher",)

    def __init__(self, cipher: CipherState) -> None:
        self._cipher = cipher

    def seal(self, plaintext: bytes) -> bytes:
        """Return at most `PLAIN_BYTES_MAX` bytes as one frame."""
        return frame(self._cipher.encrypt(plaintext))


class Opener:
    """Decrypts what we receive."""

    __slots__ = ("_cipher", "_frames")

    def __init__(self, cipher: CipherState) -> None:
        self._cipher = cipher
        self._frames = FrameReader()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the plaintexts that are complete with these bytes.

        Raises:
            PeerFault: MALFORMED, a message does not authenticate.
        """
        decrypt = self._cipher.decrypt
        return [decrypt(message) for message in self._frames.feed(data)]


class SecureHandshake:
    """One end of the authenticated handshake. `admit` may refuse the peer as soon as it is known, by raising."""

    __slots__ = ("_admit", "_credentials", "_expected", "_frames", "_initiator", "_noise", "peer")

    def __init__(
        self, credentials: Credentials, *, initiator: bool, expected: PeerId | None, admit: Callable[[PeerId], None]
    ) -> None:
        self._credentials = credentials
        self._initiator = initiator
        self._expected = expected
        self._admit = admit
        self._noise = Handshake(initiator=initiator, static=credentials.static, ephemeral=X25519PrivateKey.generate())
        self._frames = FrameReader()
        self.peer: PeerId | None = None  # known and admitted from here on

    @property
    def finished(self) -> bool:
        """Say whether the session is established."""
        return self._noise.finished

    def start(self) -> bytes:
        """Return the initiator's first message."""
        return frame(self._noise.write(b""))

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take received bytes; return what to send, and the bytes behind the last handshake message.

        Raises:
            PeerFault: MALFORMED, not authentic; WRONG_SIGNER, another peer than the one dialled.
        """
        out = rest = b""
        for message in self._frames.feed(data):
            if self._noise.finished:
                rest += frame(message)
            else:
                out += self._on_message(message)
        if self._noise.finished:
            rest += self._frames.take()
        return out, rest

    def ciphers(self) -> tuple[Sealer, Opener]:
        """Return both directions of the established session."""
        send, receive = self._noise.split()
        return Sealer(send), Opener(receive)

    def _on_message(self, message: bytes) -> bytes:
        payload = self._noise.read(message)
        if not self._noise.remote_static:  # the responder has read the first message
            return frame(self._noise.write(self._credentials.payload))
        peer = verify_payload(payload, self._noise.remote_static)
        if self._expected is not None and peer != self._expected:
            raise PeerFault(Reason.WRONG_SIGNER, f"dialled {self._expected}, but {peer} answered")
        self._admit(peer)
        self.peer = peer
        return frame(self._noise.write(self._credentials.payload)) if self._initiator else b""


def _frame_end(data: bytes | bytearray, offset: int) -> int:
    return offset + _LENGTH_BYTES + (data[offset] << 8 | data[offset + 1])
