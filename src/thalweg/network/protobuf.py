"""The part of the protobuf wire format that libp2p's few messages need, by hand: varint and length-delimited fields.

Unknown fields are the caller's to ignore; fixed-width fields are skipped here. https://protobuf.dev/programming-guides/encoding/
"""

from typing import Final

from thalweg.errors import PeerFault, Reason
from thalweg.network import varint

FIELDS_MAX: Final = 512

_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5
_CONTINUE: Final = 0x80  # of a varint: another byte follows
_TRUNCATED: Final = "a protobuf message is truncated"
_FIXED_BYTES: Final = {_FIXED64: 8, _FIXED32: 4}

Field = tuple[int, int | bytes]


class Budget:
    """How many fields a message may have with everything nested in it: limits of each part multiply."""

    __slots__ = ("_fields_max", "_left")

    def __init__(self, fields_max: int) -> None:
        self._fields_max = self._left = fields_max

    def spend(self, fields: int) -> None:
        """Count fields.

        Raises:
            PeerFault: LIMIT, more than there may be.
        """
        self._left -= fields
        if self._left < 0:
            raise PeerFault(Reason.LIMIT, f"a message has more than {self._fields_max} fields, nested ones included")


def number_field(number: int, value: int) -> bytes:
    """Return a varint field."""
    return varint.encode(number << 3 | _VARINT) + varint.encode(value)


def bytes_field(number: int, value: bytes) -> bytes:
    """Return a length-delimited field: bytes, a string or a message."""
    return varint.encode(number << 3 | _BYTES) + varint.encode(len(value)) + value


def parse(data: bytes, fields_max: int = FIELDS_MAX, budget: Budget | None = None) -> list[Field]:  # noqa: C901 - hot
    """Return the varint and length-delimited fields of a message in order.

    Raises:
        PeerFault: MALFORMED, truncated, of an unknown wire type, or of more than `fields_max` fields; LIMIT, of more
            than the budget holds.
    """
    fields: list[Field] = []
    seen = offset = 0
    end = len(data)
    while offset < end:
        seen += 1
        if seen > fields_max:
            raise PeerFault(Reason.MALFORMED, f"a protobuf message has more than {fields_max} fields")
        tag = data[offset]  # one byte, nearly always
        if tag < _CONTINUE:
            offset += 1
        else:
            tag, offset = _varint(data, offset)
        wire_type = tag & 7
        if wire_type == _BYTES:
            start = offset + 1
            size = data[offset] if offset < end else _CONTINUE
            if size >= _CONTINUE:
                if start < end and 0 < data[start] < _CONTINUE:  # two bytes, nearly always else
                    size, start = size & 0x7F | data[start] << 7, start + 1
                else:
                    size, start = _varint(data, offset)
            offset = start + size
            if offset > end:
                raise PeerFault(Reason.MALFORMED, _TRUNCATED)
            fields.append((tag >> 3, data[start:offset]))
        elif wire_type == _VARINT:
            value, offset = _varint(data, offset)
            fields.append((tag >> 3, value))
        elif wire_type in _FIXED_BYTES:
            offset += _FIXED_BYTES[wire_type]
            if offset > end:
                raise PeerFault(Reason.MALFORMED, _TRUNCATED)
        else:
            raise PeerFault(Reason.MALFORMED, f"protobuf wire type {wire_type} is unknown")
    if budget is not None:
        budget.spend(seen)
    return fields


def _varint(data: bytes, offset: int) -> tuple[int, int]:
    found = varint.decode(data, offset)
    if found is None:
        raise PeerFault(Reason.MALFORMED, _TRUNCATED)
    return found
