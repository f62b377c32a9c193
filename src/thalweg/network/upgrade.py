"""From a TCP connection to an authenticated, multiplexed link. Sans-IO.

Stages, in order: both ends agree on Noise (multistream), prove who they are (Noise XX), and agree on yamux
(multistream, encrypted). The dialer speaks first in each.
"""

from collections.abc import Callable

import msgspec

from thalweg.errors import InvariantBroken, PeerFault, Reason
from thalweg.network import multistream, secure, yamux
from thalweg.network.peer_id import PeerId
from thalweg.network.secure import Credentials, Opener, Sealer, SecureHandshake

_Stage = Callable[[bytes], bytes]


class Upgraded(msgspec.Struct, frozen=True):
    """An established link: who is there, both directions, and the first yamux bytes where some came along."""

    peer: PeerId
    sealer: Sealer
    opener: Opener
    rest: bytes


class Upgrade:
    """One end's way through the stages. `result` is set at the end; what is still missing is `feed` to it."""

    __slots__ = (
        "_bytes_left",
        "_handshake",
        "_is_dialer",
        "_negotiation",
        "_opener",
        "_out",
        "_sealer",
        "_stage",
        "result",
    )

    def __init__(
        self,
        credentials: Credentials,
        *,
        dialer: bool,
        expected: PeerId | None,
        admit: Callable[[PeerId], None],
        bytes_max: int,
    ) -> None:
        """`expected` is whom we dialled; `admit` is called once with the proven peer and may refuse it by raising."""
        self._handshake = SecureHandshake(credentials, initiator=dialer, expected=expected, admit=admit)
        self._is_dialer = dialer
        self._negotiation = self._negotiate(secure.PROTOCOL)
        self._sealer: Sealer | None = None
        self._opener: Opener | None = None
        self._bytes_left = bytes_max
        self._out = b""
        self._stage: _Stage = self._agree_on_noise
        self.result: Upgraded | None = None

    def start(self) -> bytes:
        """Return what to send before anything is received."""
        return self._negotiation.start() if isinstance(self._negotiation, multistream.Dialer) else b""

    def feed(self, data: bytes) -> bytes:
        """Take received bytes and return what to send.

        Raises:
            PeerFault: a stage failed, or more came than a handshake may take.
            Unavailable: `admit` refused the peer for no fault of its own.
        """
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            raise PeerFault(Reason.OVERSIZED, "the handshake takes too many bytes")
        while data and self.result is None:
            data = self._stage(data)
        out, self._out = self._out, b""
        return out

    def _agree_on_noise(self, data: bytes) -> bytes:
        self._out += self._negotiation.feed(data)
        if not self._negotiation.agreed:
            return b""
        if self._is_dialer:
            self._out += self._handshake.start()
        self._stage = self._authenticate
        return self._negotiation.rest

    def _authenticate(self, data: bytes) -> bytes:
        answer, rest = self._handshake.feed(data)
        self._out += answer
        if not self._handshake.finished:
            return b""
        self._sealer, self._opener = self._handshake.ciphers()
        self._negotiation = self._negotiate(yamux.PROTOCOL)
        if isinstance(self._negotiation, multistream.Dialer):
            self._out += self._sealer.seal(self._negotiation.start())
        self._stage = self._agree_on_yamux
        return rest

    def _agree_on_yamux(self, data: bytes) -> bytes:
        if self._sealer is None or self._opener is None or self._handshake.peer is None:
            raise InvariantBroken("an upgrade agrees on yamux before it is authenticated")
        plain = b"".join(self._opener.feed(data))
        answer = self._negotiation.feed(plain)
        if answer:
            self._out += self._sealer.seal(answer)
        if self._negotiation.agreed:
            self.result = Upgraded(self._handshake.peer, self._sealer, self._opener, self._negotiation.rest)
        return b""

    def _negotiate(self, protocol: str) -> multistream.Dialer | multistream.Listener:
        return multistream.Dialer(protocol) if self._is_dialer else multistream.Listener(protocol.__eq__)
