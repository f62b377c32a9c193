"""multistream-select 1.0: two ends agree on the protocol of a connection or stream, by name. Sans-IO.

Every message is a line: a varint length, the text, a newline. The dialer sends the header and one proposal at once; the
listener echoes both, or answers `na` and waits for the next proposal. https://github.com/multiformats/multistream-select
"""

from collections.abc import Callable
from typing import Final

from thalweg.errors import PeerFault, Reason, Unavailable
from thalweg.network import varint

HEADER: Final = "/multistream/1.0.0"
LINE_BYTES_MAX: Final = 256
PROPOSALS_MAX: Final = 16
_NOT_AVAILABLE: Final = "na"
_NAME_SHOWN_MAX: Final = 80


def line(text: str) -> bytes:
    """Return a text as one message of the protocol."""
    raw = text.encode() + b"\n"
    return varint.encode(len(raw)) + raw


class Dialer:
    """Proposes one protocol."""

    __slots__ = ("_buffer", "_greeted", "agreed", "protocol", "rest")

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol
        self.agreed = False
        self.rest = b""  # bytes behind the answer: the protocol's own
        self._buffer = b""
        self._greeted = False

    def start(self) -> bytes:
        """Return what to send first."""
        return line(HEADER) + line(self.protocol)

    def feed(self, data: bytes) -> bytes:
        """Take what the listener sent; there is never more to say.

        Raises:
            PeerFault: MALFORMED, not multistream-select.
            Unavailable: UNKNOWN_FEATURE, the listener does not serve the protocol.
        """
        self._buffer += data
        while not self.agreed:
            text, self._buffer = _next_line(self._buffer)
            if text is None:
                return b""
            if not self._greeted:
                self._greeted = _check_header(text)
            else:
                self.agreed = self._is_yes(text)
        self.rest, self._buffer = self._buffer, b""
        return b""

    def _is_yes(self, text: str) -> bool:
        if text == _NOT_AVAILABLE:
            raise Unavailable(Reason.UNKNOWN_FEATURE, f"the peer does not serve {self.protocol!r}")
        if text != self.protocol:
            raise PeerFault(Reason.MALFORMED, f"{_shown(text)} answers the proposal {self.protocol!r}")
        return True


class Listener:
    """Takes the first proposed protocol that `serves` knows."""

    __slots__ = ("_buffer", "_greeted", "_proposals", "_serves", "agreed", "protocol", "rest")

    def __init__(self, serves: Callable[[str], bool]) -> None:
        self.protocol = ""
        self.agreed = False
        self.rest = b""  # bytes behind the proposal: the protocol's own
        self._serves = serves
        self._buffer = b""
        self._greeted = False
        self._proposals = 0

    def feed(self, data: bytes) -> bytes:
        """Take what the dialer sent and return what to answer.

        Raises:
            PeerFault: MALFORMED, not the protocol; LIMIT, more than `PROPOSALS_MAX` proposals.
            Unavailable: UNKNOWN_FEATURE, behind a proposal that was refused comes data of that protocol.
        """
        self._buffer += data
        answer = b""
        while not self.agreed:
            try:
                text, self._buffer = _next_line(self._buffer)
            except PeerFault as fault:
                if self._proposals:  # the dialer did not wait for our answer, which is its right
                    raise Unavailable(Reason.UNKNOWN_FEATURE, "the protocol is not served") from fault
                raise
            if text is None:
                return answer
            if not self._greeted:
                self._greeted = _check_header(text)
                answer += line(HEADER)
            else:
                answer += self._propose(text)
        self.rest, self._buffer = self._buffer, b""
        return answer

    def _propose(self, text: str) -> bytes:
        self._proposals += 1
        if self._proposals > PROPOSALS_MAX:
            raise PeerFault(Reason.LIMIT, f"more than {PROPOSALS_MAX} protocols were proposed")
        if not self._serves(text):
            return line(_NOT_AVAILABLE)
        self.protocol, self.agreed = text, True
        return line(text)


def _next_line(buffer: bytes) -> tuple[str | None, bytes]:
    """Return the first line and the bytes behind it, or None where it is incomplete."""
    found = varint.decode(buffer)
    if found is None:
        return None, buffer
    size, start = found
    if not 0 < size <= LINE_BYTES_MAX:
        raise PeerFault(Reason.MALFORMED, f"a negotiation line of {size} bytes; it has 1 to {LINE_BYTES_MAX}")
    raw = buffer[start : start + size]
    if len(raw) < size:
        return None, buffer
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise PeerFault(Reason.MALFORMED, "a negotiation line is not UTF-8") from error
    if not text.endswith("\n"):
        raise PeerFault(Reason.MALFORMED, "a negotiation line does not end in a newline")
    return text[:-1], buffer[start + size :]


def _check_header(text: str) -> bool:
    if text != HEADER:
        raise PeerFault(Reason.MALFORMED, f"{_shown(text)} is not {HEADER!r}")
    return True


def _shown(text: str) -> str:
    return repr(text[:_NAME_SHOWN_MAX])
