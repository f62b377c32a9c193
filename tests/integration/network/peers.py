"""Hosts that write down what happens to them, and a raw peer that can break any rule."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from thalweg.network import Host, Limits, Multiaddr, PeerId, Stream
from thalweg.network.peer_id import Identity
from thalweg.network.secure import Credentials
from thalweg.network.upgrade import Upgrade, Upgraded
from thalweg.network.yamux_frames import GO_AWAY, Frame, FrameReader

PATIENCE_SECONDS: Final = 30.0  # a hang is a failure; nothing else depends on it
ECHO: Final = "/echo/1"
QUICK: Final = Limits(retry_seconds_min=0.01, retry_seconds_max=0.05)
ALICE, BOB, MALLORY = (name.ljust(32).encode() for name in ("alice", "bob", "mallory"))

Connected = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Event = tuple[str, PeerId, str | bytes]


async def echo(stream: Stream) -> None:
    while (message := await stream.read_message()) is not None:
        await stream.write_message(message)


class Party:
    """A host and the list of what it was told."""

    def __init__(self, seed: bytes, limits: Limits = QUICK) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.host = Host(
            seed,
            agent="thalweg/test",
            limits=limits,
            on_link_up=lambda peer: self.events.put_nowait(("up", peer, "")),
            on_link_down=lambda peer, reason: self.events.put_nowait(("down", peer, reason)),
            on_message=lambda peer, message: self.on_message(peer, message),
        )
        self.host.handle(ECHO, echo)
        self.address = Multiaddr.of("127.0.0.1", 1)

    @property
    def id(self) -> PeerId:
        return self.host.peer_id

    def on_message(self, peer: PeerId, message: bytes) -> None:
        self.events.put_nowait(("message", peer, message))

    async def next(self, kind: str) -> str | bytes:
        """Return what the next event says; it must be of this kind."""
        found, _, said = await self.events.get()
        assert found == kind, f"{found}: {said!r}"
        return said

    async def down(self) -> str:
        reason = await self.next("down")
        assert isinstance(reason, str)
        return reason


@asynccontextmanager
async def running(*parties: Party) -> AsyncIterator[None]:
    """Run hosts, each listening on a port of its own, and close them."""
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        for party in parties:
            party.address = await party.host.listen("127.0.0.1", 0)
            group.create_task(party.host.run())
        await asyncio.sleep(0)  # `run` begins
        yield
        for party in parties:
            await party.host.aclose()


async def join(dialer: Party, listener: Party) -> None:
    """Link two running hosts."""
    dialer.host.keep(listener.id, listener.address)
    await dialer.next("up")
    await listener.next("up")


async def until(holds: Callable[[], bool]) -> None:
    """Return when a condition holds, which no event tells."""
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def gone(reader: asyncio.StreamReader) -> None:
    """Return when the other end has closed its socket, one way or another."""
    with suppress(ConnectionError):
        await reader.read()


async def _connected(address: Multiaddr, receive_bytes: int | None) -> Connected:
    if receive_bytes is None:
        return await asyncio.open_connection(address.host, address.port)
    made = socket.socket()
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    await asyncio.get_running_loop().sock_connect(made, (address.host, address.port))
    return await asyncio.open_connection(sock=made)


class RawPeer:
    """A peer by hand: a socket, and what it takes to get through a handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upgraded: Upgraded) -> None:
        self._reader = reader
        self._writer = writer
        self._upgraded = upgraded
        self._frames = FrameReader()

    @classmethod
    async def connect(
        cls,
        address: Multiaddr,
        seed: bytes = MALLORY,
        credentials: Credentials | None = None,
        receive_bytes: int | None = None,
    ) -> Self:
        """Dial and shake hands honestly, where asked with a small receive buffer in the system."""
        credentials = credentials or Credentials(Identity(seed), X25519PrivateKey.generate())
        upgrade = Upgrade(credentials, dialer=True, expected=None, admit=lambda peer: None, bytes_max=2**16)
        reader, writer = await _connected(address, receive_bytes)
        writer.write(upgrade.start())
        while upgrade.result is None:
            data = await reader.read(2**16)
            if not data:
                writer.close()
                raise ConnectionResetError
            writer.write(upgrade.feed(data))
        return cls(reader, writer, upgrade.result)

    def send(self, frames: bytes) -> None:
        """Send yamux frames."""
        for start in range(0, len(frames), 60_000):
            self._writer.write(self._upgraded.sealer.seal(frames[start : start + 60_000]))

    def send_raw(self, data: bytes) -> None:
        """Send bytes past the encryption."""
        self._writer.write(data)

    async def frames(self) -> AsyncIterator[Frame]:
        """Yield the frames that come, until the connection ends."""
        for item in self._frames.feed(self._upgraded.rest):
            if isinstance(item, Frame):
                yield item
        while data := await self._read():
            for plain in self._upgraded.opener.feed(data):
                for item in self._frames.feed(plain):
                    if isinstance(item, Frame):
                        yield item

    async def farewell(self) -> int | None:
        """Read to the end; return the code of the last GO_AWAY."""
        code = None
        async for frame in self.frames():
            if frame.kind == GO_AWAY:
                code = frame.length
        self.close()
        return code

    def close(self) -> None:
        self._writer.close()

    async def _read(self) -> bytes:
        try:
            return await self._reader.read(2**16)
        except ConnectionError:
            return b""
