"""Varints of Negentropy: base 128, most significant digit first, as few digits as possible."""

from typing import Final

from thalweg.errors import PeerFault, Reason

DIGITS_MAX: Final = 10  # of 64 bits
VALUE_MAX: Final = 2**64 - 1
_MORE: Final = 0x80


def encode(value: int) -> bytes:
    """Return `value` (0 .. 2^64 - 1) as a varint."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(value & 0x7F | _MORE)
    return bytes(reversed(out))


def decode(data: bytes, offset: int) -> tuple[int, int]:
    """Return the varint at `offset` and the offset behind it.

    Raises:
        PeerFault: MALFORMED, truncated, above 64 bits, or with a leading zero.
    """
    value = 0
    for position, byte in enumerate(data[offset : offset + DIGITS_MAX]):
        if position == 0 and byte == _MORE:
            raise PeerFault(Reason.MALFORMED, "a Negentropy varint begins with a zero")
        value = value << 7 | byte & 0x7F
        if byte < _MORE:
            if value > VALUE_MAX:
                break
            return value, offset + position + 1
    raise PeerFault(Reason.MALFORMED, "a Negentropy varint is truncated or above 64 bits")
