"""yamux frames: a 12-byte header, and a body where the frame carries data. Sans-IO.

    version 1 | type 1 | flags 2 | stream 4 | length 4      (big-endian)

`length` is the body's size for DATA, the credit for WINDOW_UPDATE, an opaque value for PING, a code for GO_AWAY.
https://github.com/hashicorp/yamux/blob/master/spec.md
"""

import struct
from enum import IntEnum, IntFlag
from typing import Final, NamedTuple

from thalweg.errors import PeerFault, Reason

HEADER_BYTES: Final = 12
VERSION: Final = 0
LINK_STREAM: Final = 0  # the stream id of frames about the link itself
_HEADER: Final = struct.Struct(">BBHII")


class Kind(IntEnum):
    """What a frame is."""

    DATA = 0
    WINDOW_UPDATE = 1
    PING = 2
    GO_AWAY = 3


class Flag(IntFlag):
    """What a frame says beside what it carries."""

    SYN = 1
    ACK = 2
    FIN = 4
    RST = 8


class Code(IntEnum):
    """Why a side goes away."""

    NORMAL = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2


# plain integers: comparing enum members is several times slower, and this is every message's path
DATA: Final = int(Kind.DATA)
WINDOW_UPDATE: Final = int(Kind.WINDOW_UPDATE)
PING: Final = int(Kind.PING)
GO_AWAY: Final = int(Kind.GO_AWAY)
SYN: Final = int(Flag.SYN)
ACK: Final = int(Flag.ACK)
FIN: Final = int(Flag.FIN)
RST: Final = int(Flag.RST)
_FLAGS_ALL: Final = SYN | ACK | FIN | RST


class Frame(NamedTuple):
    """A header as received. The body of a DATA frame follows as `memoryview`s."""

    kind: int
    flags: int
    stream_id: int
    length: int


def header(kind: int, flags: int, stream_id: int, length: int) -> bytes:
    """Return the twelve bytes of a header."""
    return _HEADER.pack(VERSION, kind, flags, stream_id, length)


class FrameReader:
    """Cuts received bytes into headers and pieces of bodies. Holds at most an unfinished header."""

    __slots__ = ("_body_left", "_head")

    def __init__(self) -> None:
        self._head = b""
        self._body_left = 0

    def feed(self, data: bytes) -> list[Frame | memoryview]:
        """Return headers, and after each DATA header its body in pieces (none where it is empty).

        Raises:
            PeerFault: MALFORMED, an unknown version, kind or flag.
        """
        if self._head:
            data, self._head = self._head + data, b""
        view = memoryview(data)
        items: list[Frame | memoryview] = []
        offset, end = 0, len(data)
        while offset < end:
            if self._body_left:
                piece = view[offset : offset + self._body_left]
                self._body_left -= len(piece)
                offset += len(piece)
                items.append(piece)
            elif end - offset < HEADER_BYTES:
                self._head = data[offset:]
                break
            else:
                frame = _parse(data, offset)
                offset += HEADER_BYTES
                if frame.kind == DATA:
                    self._body_left = frame.length
                items.append(frame)
        return items


def _parse(data: bytes, offset: int) -> Frame:
    version, kind, flags, stream_id, length = _HEADER.unpack_from(data, offset)
    if version != VERSION or kind > GO_AWAY or flags > _FLAGS_ALL:
        raise PeerFault(Reason.MALFORMED, f"a yamux frame of version {version}, type {kind}, flags {flags:#x}")
    return Frame(kind, flags, stream_id, length)
