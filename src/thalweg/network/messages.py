"""The message stream: one a peer, as long as its link lives, urgent. `Host.queue` writes to it, `on_message` reads it.

The dialer of the link opens it. A peer that sends more messages or bytes a second than its buckets hold is cut off.
"""

from collections.abc import Callable
from typing import Final

from thalweg.errors import PeerFault, Reason, ThalwegError, Unavailable
from thalweg.network.framing import MessageReader, frame
from thalweg.network.rate import Bucket
from thalweg.network.stream import Carrier

PROTOCOL: Final = "/thalweg/channel/1"


class MessageStream:
    """Both directions of the message stream of a link."""

    __slots__ = ("_bytes", "_carrier", "_clock", "_deliver", "_held", "_id", "_messages", "_reader")

    def __init__(
        self, carrier: Carrier, stream_id: int, deliver: Callable[[bytes], None], clock: Callable[[], float]
    ) -> None:
        limits = carrier.limits
        self._carrier = carrier
        self._id = stream_id
        self._deliver = deliver
        self._clock = clock
        self._reader = MessageReader(limits.message_bytes_max)
        self._held = 0
        self._messages = Bucket(limits.messages_per_second, clock())
        self._bytes = Bucket(limits.message_bytes_per_second, clock())

    def queue(self, message: bytes) -> None:
        """Queue a message; whoever does flushes the link."""
        self._carrier.queue(self._id, frame(message))

    def received(self, data: memoryview) -> None:
        """Deliver what is complete.

        Raises:
            PeerFault: FLOOD, too many or too much; OVERSIZED; MALFORMED.
        """
        messages = self._reader.feed(data)
        now = self._clock()
        if not self._messages.take(len(messages), now):
            raise PeerFault(Reason.FLOOD, "more messages a second than are taken from one peer")
        if not self._bytes.take(len(data), now):
            raise PeerFault(Reason.FLOOD, "more message bytes a second than are taken from one peer")
        self._carrier.credit(self._id, len(data))
        held = self._reader.pending
        self._carrier.hold(held - self._held)
        self._held = held
        for message in messages:
            self._deliver(message)

    def ended(self) -> None:
        """Without messages the link is of no use: drop it, so that it is made anew."""
        self._carrier.drop(Unavailable(Reason.UNREACHABLE, "the peer ended the message stream"))

    def lost(self, error: ThalwegError) -> None:
        """As `ended`; where the link is dropped already this changes nothing."""
        self._carrier.drop(Unavailable(Reason.UNREACHABLE, "the peer reset the message stream"))
