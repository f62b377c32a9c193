"""Unsigned varints of the multiformats: seven bits a byte, least significant first, at most nine bytes, shortest form.

https://github.com/multiformats/unsigned-varint
"""

from typing import Final

from thalweg.errors import PeerFault, Reason

VARINT_BYTES_MAX: Final = 9
_CONTINUE: Final = 0x80


def encode(value: int) -> bytes:
    """Return `value` (0 .. 2^63 - 1) as a varint."""
    if value < _CONTINUE:
        return bytes((value,))
    out = bytearray()
    while value >= _CONTINUE:
        out.append(value & 0x7F | _CONTINUE)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode(data: bytes | bytearray | memoryview, offset: int = 0) -> tuple[int, int] | None:
    """Return the varint at `offset` and the offset behind it, or None where the bytes end inside it.

    Raises:
        PeerFault: MALFORMED, longer than nine bytes or not the shortest form.
    """
    value = 0
    for position, byte in enumerate(data[offset : offset + VARINT_BYTES_MAX]):
        value |= (byte & 0x7F) << (7 * position)
        if byte < _CONTINUE:
            if byte == 0 and position > 0:
                raise PeerFault(Reason.MALFORMED, "a varint is not in its shortest form")
            return value, offset + position + 1
    if len(data) - offset >= VARINT_BYTES_MAX:
        raise PeerFault(Reason.MALFORMED, f"a varint is longer than {VARINT_BYTES_MAX} bytes")
    return None
