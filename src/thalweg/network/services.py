"""The two protocols every libp2p peer serves: ping and identify."""

import asyncio
import secrets
from typing import Final

from thalweg.errors import PeerFault, Reason, Unavailable
from thalweg.network import identify
from thalweg.network.rate import Bucket
from thalweg.network.stream import Stream

PING: Final = "/ipfs/ping/1.0.0"
PING_BYTES: Final = 32
PINGS_PER_SECOND: Final = 100


async def serve_ping(stream: Stream) -> None:
    """Send back every 32 bytes until the peer ends.

    Raises:
        Unavailable: FLOOD, it pings far more often than anybody needs to.
    """
    clock = asyncio.get_running_loop().time
    rate = Bucket(PINGS_PER_SECOND, clock())
    while (data := await stream.read_exactly(PING_BYTES)) is not None:
        if not rate.take(1, clock()):
            raise Unavailable(Reason.FLOOD, "more pings a second than are answered")
        await stream.write(data)


async def ping(stream: Stream) -> float:
    """Return the round trip time of one ping in seconds, and end the stream.

    Raises:
        PeerFault: MALFORMED, other bytes came back.
        Unavailable: UNREACHABLE.
    """
    clock = asyncio.get_running_loop().time
    sent, started_at = secrets.token_bytes(PING_BYTES), clock()
    await stream.write(sent)
    answer = await stream.read_exactly(PING_BYTES)
    seconds = clock() - started_at
    stream.close()
    if answer is None:
        raise Unavailable(Reason.UNREACHABLE, "the peer ended the ping stream")
    if answer != sent:
        raise PeerFault(Reason.MALFORMED, "a ping came back with other bytes")
    return seconds


async def describe(stream: Stream, description: identify.Description) -> None:
    """Answer an identify request."""
    await stream.write_message(description.encode())


async def ask_description(stream: Stream) -> identify.Description:
    """Ask a peer what it is.

    Raises:
        PeerFault: MALFORMED, OVERSIZED or LIMIT.
        Unavailable: UNREACHABLE.
    """
    stream.close()
    message = await stream.read_message()
    if message is None:
        raise Unavailable(Reason.UNREACHABLE, "the peer did not say what it is")
    if len(message) > identify.MESSAGE_BYTES_MAX:
        raise PeerFault(Reason.OVERSIZED, f"identify takes {len(message)} bytes")
    return identify.decode(message)
