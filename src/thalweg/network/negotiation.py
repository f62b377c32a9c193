"""A stream's first and last moments: until both ends agree on its protocol, and after its handler has returned."""

from collections.abc import Callable

from thalweg.errors import Reason, ThalwegError, Unavailable
from thalweg.network import multistream
from thalweg.network.stream import Carrier, Receiver


class Negotiating:
    """A stream whose protocol is not agreed on yet; `agreed` gets it and returns who receives from then on."""

    __slots__ = ("_agreed", "_carrier", "_failed", "_id", "_negotiation")

    def __init__(
        self,
        carrier: Carrier,
        stream_id: int,
        negotiation: multistream.Dialer | multistream.Listener,
        agreed: Callable[[str], Receiver],
        failed: Callable[[ThalwegError], None],
    ) -> None:
        self._carrier = carrier
        self._id = stream_id
        self._negotiation = negotiation
        self._agreed = agreed
        self._failed = failed

    def start(self) -> None:
        """Propose, where it is ours to propose."""
        if isinstance(self._negotiation, multistream.Dialer):
            self._carrier.write(self._id, self._negotiation.start())

    def received(self, data: memoryview) -> None:
        """Go on negotiating; hand over once agreed."""
        size = len(data)
        try:
            answer = self._negotiation.feed(bytes(data))
        except Unavailable as refusal:
            self._carrier.reset(self._id)
            self._failed(refusal)
            return
        if answer:
            self._carrier.write(self._id, answer)
        rest = self._negotiation.rest
        self._carrier.credit(self._id, size - len(rest))
        if self._negotiation.agreed:
            receiver = self._agreed(self._negotiation.protocol)
            if rest:
                receiver.received(memoryview(rest))

    def ended(self) -> None:
        """The peer gave up before agreeing."""
        self._carrier.reset(self._id)
        self._failed(Unavailable(Reason.UNREACHABLE, "the peer ended the stream before agreeing on its protocol"))

    def lost(self, error: ThalwegError) -> None:
        """The stream is gone."""
        self._failed(error)


class Draining:
    """A stream nobody reads any more: what still comes is dropped until the peer ends it too."""

    __slots__ = ("_carrier", "_id")

    def __init__(self, carrier: Carrier, stream_id: int) -> None:
        self._carrier = carrier
        self._id = stream_id

    def received(self, data: memoryview) -> None:
        """Drop the bytes."""
        self._carrier.credit(self._id, len(data))

    def ended(self) -> None:
        """Nothing is left to do."""

    def lost(self, error: ThalwegError) -> None:
        """Nothing is left to do."""
