"""A stream of an application protocol over a link: messages with a length in front, back-pressure both ways."""

from thalweg.network.peer_id import PeerId


class Stream:
    """One stream. On the wire a varint length goes before each message, `Limits.message_bytes_max` at most."""

    peer: PeerId
    protocol: str

    async def read_message(self) -> bytes | None:
        """Return the next message, or None after the peer closed its side. One reader at a time.

        Raises:
            PeerFault: OVERSIZED or MALFORMED length, or the stream ended inside a message.
            Unavailable: UNREACHABLE, the stream was reset or the link dropped.
        """
        raise NotImplementedError

    async def write_message(self, message: bytes) -> None:
        """Queue a message; waits while more than `Limits.stream_send_bytes_max` is queued.

        Raises:
            UserFault: OVERSIZED.
            Unavailable: UNREACHABLE, the stream was closed or reset, or the link dropped.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End our side after what is queued; the peer may go on writing. Idempotent."""
        raise NotImplementedError

    def reset(self) -> None:
        """Abandon the stream at once, both ways. Idempotent."""
        raise NotImplementedError
