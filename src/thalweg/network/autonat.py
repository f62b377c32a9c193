"""Dial-back: a peer tries to reach us and says whether it could; we do the same for others. AutoNAT v1.

Only addresses with the IP the asker is seen at are tried, never for who came through a relay, a few at a time, and
under a key made for the occasion: the asker may be linked to us already. https://github.com/libp2p/specs/tree/master/autonat
"""

import asyncio
import secrets
from collections.abc import Iterable, Sequence
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from thalweg.errors import PeerFault, Reason, ThalwegError, Unavailable
from thalweg.network import protobuf
from thalweg.network.host import Host
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import Identity, PeerId
from thalweg.network.secure import Credentials
from thalweg.network.stream import Stream
from thalweg.network.upgrade import Upgrade

PROTOCOL: Final = "/libp2p/autonat/1.0.0"
OK, DIAL_ERROR, DIAL_REFUSED, BAD_REQUEST = 0, 100, 101, 200
MESSAGE_BYTES_MAX: Final = 8192
TRIED_MAX: Final = 4  # addresses of one request
TRY_SECONDS: Final = 3.0
ANSWER_SECONDS_MAX: Final = TRIED_MAX * TRY_SECONDS + 5.0
AT_ONCE_MAX: Final = 8  # requests that are worked on
AGAIN_SECONDS: Final = 10.0  # until the same peer may ask again
_FIELDS_MAX: Final = 64
_HANDSHAKE_BYTES_MAX: Final = 16 * 1024


def encode_request(peer: PeerId, addresses: Iterable[Multiaddr]) -> bytes:
    """Return the message that asks for a dial-back."""
    info = protobuf.bytes_field(1, peer) + b"".join(protobuf.bytes_field(2, each.encode()) for each in addresses)
    return protobuf.number_field(1, 0) + protobuf.bytes_field(2, protobuf.bytes_field(1, info))


def read_request(data: bytes) -> tuple[PeerId | None, list[Multiaddr]]:
    """Parse a request: whom to dial, and where, of the kinds we know.

    Raises:
        PeerFault: MALFORMED.
    """
    info = _inner(_inner(data, 2), 1)
    raw, addresses = b"", []
    for number, value in protobuf.parse(info, _FIELDS_MAX):
        if number == 1 and isinstance(value, bytes):
            raw = value
        elif number == 2 and isinstance(value, bytes):
            try:
                addresses.append(Multiaddr.decode(value))
            except PeerFault:
                continue
    return (PeerId.of_bytes(raw) if raw else None), addresses


def encode_answer(status: int, address: Multiaddr | None = None) -> bytes:
    """Return the message that says how it went."""
    body = protobuf.number_field(1, status)
    if address is not None:
        body += protobuf.bytes_field(3, address.encode())
    return protobuf.number_field(1, 1) + protobuf.bytes_field(3, body)


def read_answer(data: bytes) -> tuple[int, Multiaddr | None]:
    """Parse an answer: its status, and the address that was reached.

    Raises:
        PeerFault: MALFORMED.
    """
    fields = dict(protobuf.parse(_inner(data, 3), _FIELDS_MAX))
    status, raw = fields.get(1, 0), fields.get(3)
    return (status if isinstance(status, int) else 0), (Multiaddr.decode(raw) if isinstance(raw, bytes) else None)


def _inner(data: bytes, number: int) -> bytes:
    value = dict(protobuf.parse(data, _FIELDS_MAX)).get(number)
    if not isinstance(value, bytes):
        raise PeerFault(Reason.MALFORMED, "an AutoNAT message lacks its part")
    return value


class DialBack:
    """Dial-back on a host. Make it before the host runs."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._working = 0
        self._asked: dict[PeerId, float] = {}
        host.handle(PROTOCOL, self._serve)

    async def ask(self, peer: PeerId, addresses: Sequence[Multiaddr]) -> Multiaddr | None:
        """Return the first of our addresses at which a linked peer reaches us, or None.

        Raises:
            Unavailable: UNREACHABLE, UNKNOWN_FEATURE; LIMIT, it does not want to.
        """
        stream = await self._host.open(peer, PROTOCOL)
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                await stream.write_message(encode_request(self._host.peer_id, addresses[:TRIED_MAX]))
                data = await stream.read_message()
            status, address = read_answer(data or b"")
        except (PeerFault, TimeoutError) as error:
            raise Unavailable(Reason.UNREACHABLE, f"{peer} does not say whether it reaches us: {error}") from error
        finally:
            stream.close()
        if status not in (OK, DIAL_ERROR):
            raise Unavailable(Reason.LIMIT, f"{peer} does not try to reach us (status {status})")
        return (address or addresses[0]) if status == OK else None

    async def _serve(self, stream: Stream) -> None:
        data = await stream.read_message()
        if data is None:
            return
        if len(data) > MESSAGE_BYTES_MAX:
            raise PeerFault(Reason.OVERSIZED, f"an AutoNAT message of {len(data)} bytes")
        peer, addresses = read_request(data)
        await stream.write_message(await self._answer(stream.peer, peer, addresses))

    async def _answer(self, asker: PeerId, named: PeerId | None, addresses: list[Multiaddr]) -> bytes:
        now = asyncio.get_running_loop().time()
        self._asked = {peer: at for peer, at in self._asked.items() if now - at < AGAIN_SECONDS}
        info = self._host.info(asker)
        if named not in (None, asker):
            return encode_answer(BAD_REQUEST)
        if info is None or info.address.relay is not None or asker in self._asked or self._working >= AT_ONCE_MAX:
            return encode_answer(DIAL_REFUSED)
        seen = info.address.ip
        tried = [each for each in addresses if each.relay is None and seen is not None and each.ip == seen]
        if not tried:
            return encode_answer(DIAL_REFUSED)
        self._asked[asker] = now
        self._working += 1
        try:
            for address in tried[:TRIED_MAX]:
                if await probe(address, asker):
                    return encode_answer(OK, address)
        finally:
            self._working -= 1
        return encode_answer(DIAL_ERROR)


async def probe(address: Multiaddr, peer: PeerId) -> bool:
    """Say whether a peer is reached at an address: connect, let it prove who it is, and leave."""
    credentials = Credentials(Identity(secrets.token_bytes(32)), X25519PrivateKey.generate())
    upgrade = Upgrade(credentials, dialer=True, expected=peer, admit=lambda peer: None, bytes_max=_HANDSHAKE_BYTES_MAX)
    try:
        async with asyncio.timeout(TRY_SECONDS):
            reader, writer = await asyncio.open_connection(address.host, address.port)
            try:
                writer.write(upgrade.start())
                while upgrade.result is None:
                    data = await reader.read(_HANDSHAKE_BYTES_MAX)
                    if not data:
                        return False
                    writer.write(upgrade.feed(data))
                return True
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError, ThalwegError):
        return False
