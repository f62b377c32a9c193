"""Links between nodes: the libp2p wire protocol (TCP, Noise, yamux, identify, ping) on asyncio.

`Host` is the node's network port. Everything below it is sans-IO but for `link` (sockets) and `stream` (waiting).
"""

from thalweg.network.host import Host, PeerInfo
from thalweg.network.limits import Limits
from thalweg.network.messages import PROTOCOL as MESSAGES_PROTOCOL
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import PeerId
from thalweg.network.stream import Stream
from thalweg.network.swarm import Swarm
from thalweg.network.switch import Handler

__all__ = ["MESSAGES_PROTOCOL", "Handler", "Host", "Limits", "Multiaddr", "PeerId", "PeerInfo", "Stream", "Swarm"]
