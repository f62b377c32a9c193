"""Messages on a stream of bytes: a varint length before each. Splitting the bytes differently changes nothing."""

from typing import Final

from thalweg.errors import PeerFault, Reason
from thalweg.network import varint

MESSAGES_AT_ONCE_MAX: Final = 16_384  # in one read of a socket: an honest peer's are longer than a few bytes
_CONTINUE: Final = 0x80  # of a varint: another byte follows
_EMPTY: Final = memoryview(b"")


def frame(message: bytes) -> bytes:
    """Return a message with its length in front."""
    return varint.encode(len(message)) + message


class MessageReader:
    """Cuts received bytes into messages. Holds at most one unfinished message, and only the bytes that arrived."""

    __slots__ = ("_bytes_max", "_partial", "_size")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._partial = bytearray()  # of a message where its size is known, else of a length
        self._size: int | None = None

    @property
    def pending(self) -> int:
        """Return how many bytes of an unfinished message are held."""
        return len(self._partial)

    @property
    def inside(self) -> bool:
        """Say whether the bytes so far end inside a message."""
        return self._size is not None or bool(self._partial)

    def feed(self, chunk: bytes | memoryview) -> list[bytes]:
        """Return the messages that are complete with these bytes.

        Raises:
            PeerFault: OVERSIZED, a length above the limit; MALFORMED, a length that is not a varint; FLOOD, too many.
        """
        messages: list[bytes] = []
        view = self._continue(memoryview(chunk), messages)
        offset, end = 0, len(view)
        while offset < end:
            size, start = view[offset], offset + 1
            if size < _CONTINUE:
                pass
            elif start < end and 0 < view[start] < _CONTINUE:  # two bytes, nearly always else
                size, start = size & 0x7F | view[start] << 7, start + 1
            elif (found := varint.decode(view, offset)) is not None:
                size, start = found
            else:
                self._partial += view[offset:]
                break
            if size > self._bytes_max:
                raise PeerFault(Reason.OVERSIZED, f"a message of {size} bytes; at most {self._bytes_max} are taken")
            offset = start + size
            if offset > end:
                self._size = size
                self._partial += view[start:]
                break
            messages.append(bytes(view[start:offset]))
            if len(messages) > MESSAGES_AT_ONCE_MAX:
                raise PeerFault(Reason.FLOOD, f"more than {MESSAGES_AT_ONCE_MAX} messages came at once")
        return messages

    def _continue(self, view: memoryview, messages: list[bytes]) -> memoryview:
        """Put the front of `view` to what is held; return what is left to cut."""
        if self._size is None:
            if self._partial:
                view, self._partial = memoryview(bytes(self._partial) + view), bytearray()
            return view
        missing = self._size - len(self._partial)
        self._partial += view[:missing]
        if len(view) < missing:
            return _EMPTY
        messages.append(bytes(self._partial))
        self._size, self._partial = None, bytearray()
        return view[missing:]
