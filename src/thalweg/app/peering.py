"""A node among strangers: gossip, discovery and what the node announces of itself, composed. Files: `peers.json`,
`bans.json`."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from thalweg.crypto import sign
from thalweg.errors import UserFault
from thalweg.network.discovery.announcement import Node, bind
from thalweg.network.discovery.book import PeerBook
from thalweg.network.finder import Finder
from thalweg.network.host import Host
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.pubsub import Gossip
from thalweg.node.state import Identity
from thalweg.storage import Keys
from thalweg.storage.folder import read_whole, write_whole

PEERS_FILE: Final = "peers.json"
BANS_FILE: Final = "bans.json"
_log: Final = logging.getLogger(__name__)


class Peering:
    """Gossip and discovery of one node."""

    def __init__(
        self,
        host: Host,
        keys: Keys,
        identity: Identity,
        folder: Path,
        *,
        version: str,
        bootstrap: tuple[str, ...],
        clock: Callable[[], float],
    ) -> None:
        self.gossip = Gossip(host)
        self.finder = Finder(
            host,
            self.gossip,
            _read_book(host, folder),
            describe=self._describe,
            bootstrap=tuple(map(Multiaddr.parse, bootstrap)),
            save=partial(write_whole, folder / PEERS_FILE),
            save_bans=partial(write_whole, folder / BANS_FILE),
            clock=clock,
        )
        self._host = host
        self._agent = f"thalweg/{version}"
        self._binding = bind(
            host.peer_id.key, identity.chain_id, identity.contract, identity.address, partial(sign, keys.channel(0))
        )

    def _describe(self) -> Node:
        return Node(addresses=tuple(map(str, self._host.addresses)), agent=self._agent, binding=self._binding)


def _read_book(host: Host, folder: Path) -> PeerBook:
    """Return the peer book of the last run, with its bans.

    Raises:
        UserFault: the bans cannot be read: whoever was banned would be back.
    """
    book = _read_nodes(host, folder)
    if (folder / BANS_FILE).exists():
        book.decode_bans(read_whole(folder / BANS_FILE))
    return book


def _read_nodes(host: Host, folder: Path) -> PeerBook:
    """Return the nodes of the last run. A damaged list is no loss worth a stop: peers are found again."""
    path = folder / PEERS_FILE
    if not path.exists():
        return PeerBook(host.peer_id)
    try:
        return PeerBook.decode(host.peer_id, read_whole(path))
    except UserFault as damage:
        _log.warning("%s: %s; it is begun anew", path, damage)
        return PeerBook(host.peer_id)
