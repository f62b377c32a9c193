"""A relay's books: who has a reservation, which circuits there are, and who may have one more. Pure."""

from collections import Counter

import msgspec

from thalweg.network.peer_id import PeerId
from thalweg.network.relay.messages import Limit, Status


class Caps(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a relay gives away. Times are seconds."""

    reservations_max: int = 128
    reservations_per_group_max: int = 8  # address group: one party, many identities
    reservation_seconds: int = 3600
    circuits_max: int = 256
    circuits_per_peer_max: int = 16  # from it, and to it
    circuit_seconds: int = 3600
    circuit_bytes: int = 64 * 1024 * 1024  # each way
    circuit_bytes_per_second: int = 1024 * 1024  # each way

    @property
    def limit(self) -> Limit:
        """Return what peers are told."""
        return Limit(self.circuit_seconds, self.circuit_bytes)


class Slots:
    """Reservations by peer, and counted circuits."""

    def __init__(self, caps: Caps) -> None:
        self.caps = caps
        self._reserved: dict[PeerId, tuple[float, str]] = {}  # until when, and from which address group
        self._groups: Counter[str] = Counter()
        self._circuits: Counter[PeerId] = Counter()
        self.circuits = 0

    def __len__(self) -> int:
        return len(self._reserved)

    def reserve(self, peer: PeerId, group: str, now: float) -> Status:
        """Give a peer a slot, or make it last longer."""
        self.expire(now)
        held = self._reserved.get(peer)
        if held is None or held[1] != group:
            is_full = held is None and len(self._reserved) >= self.caps.reservations_max
            if is_full or self._groups[group] >= self.caps.reservations_per_group_max:
                return Status.RESERVATION_REFUSED
        self.cancel(peer)
        self._reserved[peer] = (now + self.caps.reservation_seconds, group)
        self._groups[group] += 1
        return Status.OK

    def cancel(self, peer: PeerId) -> None:
        """Take a peer's slot back: its link is gone."""
        held = self._reserved.pop(peer, None)
        if held is not None:
            self._groups[held[1]] -= 1
            if not self._groups[held[1]]:
                del self._groups[held[1]]

    def expire(self, now: float) -> None:
        """Take back what has run out."""
        for peer in [peer for peer, (until, _) in self._reserved.items() if until < now]:
            self.cancel(peer)

    def enter(self, source: PeerId, target: PeerId, now: float) -> Status:
        """Count one more circuit, where there may be one."""
        self.expire(now)
        if source == target:
            return Status.PERMISSION_DENIED
        if target not in self._reserved:
            return Status.NO_RESERVATION
        per_peer = self.caps.circuits_per_peer_max
        if self.circuits >= self.caps.circuits_max or max(self._circuits[source], self._circuits[target]) >= per_peer:
            return Status.RESOURCE_LIMIT_EXCEEDED
        self.circuits += 1
        self._circuits[source] += 1
        self._circuits[target] += 1
        return Status.OK

    def leave(self, source: PeerId, target: PeerId) -> None:
        """Note that a circuit has ended."""
        self.circuits -= 1
        for peer in (source, target):
            self._circuits[peer] -= 1
            if not self._circuits[peer]:
                del self._circuits[peer]
