"""What tests of hostile peers share: Mallory's frames, tight limits, and the honest peer that is served meanwhile."""

from tests.integration.network.peers import (
    BOB,
    Party,
    running,
)

from thalweg.network import MESSAGES_PROTOCOL, Limits
from thalweg.network.multistream import HEADER, line
from thalweg.network.yamux_frames import DATA, SYN, header


def opening(protocol: str = MESSAGES_PROTOCOL, stream_id: int = 1) -> bytes:
    """Frames that open a stream of a protocol."""
    return data(line(HEADER) + line(protocol), stream_id, SYN)


def data(body: bytes, stream_id: int = 1, flags: int = 0) -> bytes:
    return header(DATA, flags, stream_id, len(body)) + body


def tight(**changes: float) -> Limits:
    return Limits(**{"retry_seconds_min": 0.01, "retry_seconds_max": 0.05, **changes})  # type: ignore[arg-type]


async def still_serves(alice: Party) -> None:
    """An honest peer gets through and is heard."""
    bob = Party(BOB)
    async with running(bob):
        assert await bob.host.dial(alice.address) == alice.id
        await bob.next("up")
        await alice.next("up")
        bob.host.send(alice.id, b"honest")
        assert await alice.next("message") == b"honest"
    await alice.down()
