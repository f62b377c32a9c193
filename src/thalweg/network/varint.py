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
    if value < _CONTINUE << 7:
        return bytes((value & 0x7F | _CONTINUE, value >> 7))
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
    end = min(len(data), offset + VARINT_BYTES_MAX)
    value = shift = 0
    for position in range(offset, end):
        byte = data[position]
        if byte < _CONTINUE:
            if byte == 0 and shift:
                raise PeerFault(Reason.MALFORMED, "a varint is not in its shortest form")
            return value | byte << shift, position + 1
        value |= (byte & 0x7F) << shift
        shift += 7
    if shift == 7 * VARINT_BYTES_MAX:
        raise PeerFault(Reason.MALFORMED, f"a varint is longer than {VARINT_BYTES_MAX} bytes")
    return None
