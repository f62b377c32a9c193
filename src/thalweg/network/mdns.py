"""Peers on the local network: DNS messages as libp2p's mDNS uses them. Sans-IO.

A question for `_p2p._udp.local` PTR is answered with `<name>._p2p._udp.local` and its TXT record of `dnsaddr=` texts.
https://github.com/libp2p/specs/blob/master/discovery/mdns.md, RFC 1035, RFC 6762
"""

import struct
from typing import Final

from thalweg.errors import PeerFault, Reason, UserFault
from thalweg.network.multiaddr import Multiaddr

SERVICE: Final = ("_p2p", "_udp", "local")
GROUP: Final = "224.0.0.251"
PORT: Final = 5353
MESSAGE_BYTES_MAX: Final = 9000
TTL_SECONDS: Final = 120
RECORDS_MAX: Final = 64
NAMES_MAX: Final = 128  # labels followed in one name: a compressed one may not run in circles
_PTR, _TXT, _IN = 12, 16, 1
_RESPONSE: Final = 0x8400
_FLUSH: Final = 0x8000
_PREFIX: Final = b"dnsaddr="


def question() -> bytes:
    """Return the question who is here."""
    return struct.pack(">6H", 0, 0, 1, 0, 0, 0) + _name(SERVICE) + struct.pack(">2H", _PTR, _IN)


def answer(name: str, addresses: tuple[Multiaddr, ...]) -> bytes:
    """Return the answer of a peer with a random name, at addresses that name it."""
    full = _name((name, *SERVICE))
    texts = b"".join(bytes((len(text),)) + text for text in (_PREFIX + str(each).encode() for each in addresses))
    pointer = _name(SERVICE) + struct.pack(">2HIH", _PTR, _IN, TTL_SECONDS, len(full)) + full
    text = full + struct.pack(">2HIH", _TXT, _IN | _FLUSH, TTL_SECONDS, len(texts)) + texts
    return struct.pack(">6H", 0, _RESPONSE, 0, 1, 0, 1) + pointer + text


def asks(data: bytes) -> bool:
    """Say whether a message asks who is here.

    Raises:
        PeerFault: MALFORMED, LIMIT or OVERSIZED.
    """
    flags, questions, _, _ = _head(data)
    if flags & 0x8000:
        return False
    offset = 12
    for _ in range(questions):
        name, offset = _read_name(data, offset)
        kind, _ = _unpack(">2H", data, offset)
        offset += 4
        if name == SERVICE and kind == _PTR:
            return True
    return False


def told(data: bytes) -> list[Multiaddr]:
    """Return the addresses in an answer; those of kinds we do not know are left out.

    Raises:
        PeerFault: MALFORMED, LIMIT or OVERSIZED.
    """
    flags, questions, records, _ = _head(data)
    if not flags & 0x8000:
        return []
    offset = 12
    for _ in range(questions):
        _, offset = _read_name(data, offset)
        offset += 4
    found: list[Multiaddr] = []
    for _ in range(records):
        name, offset = _read_name(data, offset)
        kind, _, _, size = _unpack(">2HIH", data, offset)
        offset += 10
        if offset + size > len(data):
            raise PeerFault(Reason.MALFORMED, "a DNS record is truncated")
        if kind == _TXT and name[1:] == SERVICE:
            found += _addresses(data[offset : offset + size])
        offset += size
    return found


def _addresses(texts: bytes) -> list[Multiaddr]:
    found: list[Multiaddr] = []
    offset = 0
    while offset < len(texts) and len(found) < RECORDS_MAX:
        size = texts[offset]
        text = texts[offset + 1 : offset + 1 + size]
        offset += 1 + size
        if text.startswith(_PREFIX):
            try:
                found.append(Multiaddr.parse(text[len(_PREFIX) :].decode()))
            except (UserFault, UnicodeDecodeError):
                continue
    return found


def _head(data: bytes) -> tuple[int, int, int, int]:
    if len(data) > MESSAGE_BYTES_MAX:
        raise PeerFault(Reason.OVERSIZED, f"a DNS message of {len(data)} bytes")
    _, flags, questions, answers, authorities, additional = _unpack(">6H", data, 0)
    records = answers + authorities + additional
    if questions > RECORDS_MAX or records > RECORDS_MAX:
        raise PeerFault(Reason.LIMIT, f"a DNS message with {questions} questions and {records} records")
    return flags, questions, records, 0


def _name(labels: tuple[str, ...]) -> bytes:
    return b"".join(bytes((len(label),)) + label.encode() for label in labels) + b"\0"


def _read_name(data: bytes, offset: int) -> tuple[tuple[str, ...], int]:
    """Return the labels of a name, lower case, and the offset behind it."""
    labels: list[str] = []
    end = 0
    for _ in range(NAMES_MAX):
        (size,) = _unpack(">B", data, offset)
        if size == 0:
            return tuple(labels), end or offset + 1
        if size >= 0xC0:
            end = end or offset + 2
            offset = _unpack(">H", data, offset)[0] & 0x3FFF
        elif size < 0x40 and offset + 1 + size <= len(data):
            labels.append(data[offset + 1 : offset + 1 + size].decode("ascii", "replace").lower())
            offset += 1 + size
        else:
            break
    raise PeerFault(Reason.MALFORMED, "a DNS name is truncated or runs in circles")


def _unpack(form: str, data: bytes, offset: int) -> tuple[int, ...]:
    try:
        return struct.unpack_from(form, data, offset)
    except struct.error as error:
        raise PeerFault(Reason.MALFORMED, "a DNS message is truncated") from error
