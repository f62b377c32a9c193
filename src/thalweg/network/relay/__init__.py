"""Circuit relay v2: peers whom nobody can dial are reached through one whom everybody can. Sans-IO: messages, limits.

https://github.com/libp2p/specs/blob/master/relay/circuit-v2.md
"""

from thalweg.network.relay.messages import HOP, STOP, Hop, Kind, Limit, Reservation, Status, Stop
from thalweg.network.relay.slots import Caps, Slots

__all__ = ["HOP", "STOP", "Caps", "Hop", "Kind", "Limit", "Reservation", "Slots", "Status", "Stop"]
