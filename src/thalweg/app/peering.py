"""A node among strangers: gossip, discovery, reachability and what the node announces of itself, composed. Files:
`peers.json`, `bans.json`."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from thalweg.crypto import sign
from thalweg.errors import Reason, Unavailable, UserFault
from thalweg.network import relay
from thalweg.network.discovery.announcement import ADDRESSES_MAX, Node, bind
from thalweg.network.discovery.book import PeerBook
from thalweg.network.finder import Finder
from thalweg.network.host import Host
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.neighbours import Neighbours
from thalweg.network.pubsub import Gossip
from thalweg.network.reach import Reach
from thalweg.network.socks import SocksProxy
from thalweg.node.state import Identity
from thalweg.storage import Keys
from thalweg.storage.folder import read_whole, write_whole

PEERS_FILE: Final = "peers.json"
BANS_FILE: Final = "bans.json"
_log: Final = logging.getLogger(__name__)


class Ways(msgspec.Struct, frozen=True):
    """How others reach this node, and it them.

    `announced`: addresses that are known to lead here. `relays`: lead others to those who cannot be reached. `maps`:
    ask the router for a port. `tor`: a SOCKS5 proxy as host:port; with `only_tor` every link goes there. `neighbours`:
    find and be found on the local network.
    """

    announced: tuple[str, ...] = ()
    relays: bool = False
    maps: bool = True
    tor: str = ""
    only_tor: bool = False
    neighbours: bool = True


class Peering:
    """Gossip, discovery and reachability of one node."""

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
        ways: Ways | None = None,
    ) -> None:
        """Raises UserFault MALFORMED where an address or the proxy is none."""
        ways = ways or Ways()
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
        self.reach = Reach(
            host,
            announced=tuple(map(Multiaddr.parse, ways.announced)),
            serves=relay.Caps() if ways.relays else None,
            maps_ports=ways.maps and not ways.only_tor,
            punches=not ways.only_tor,
            proxy=_proxy(ways),
            proxies_all=ways.only_tor,
            clock=clock,
        )
        self._ways = ways
        self._host = host
        self._agent = f"thalweg/{version}"
        self._binding = bind(
            host.peer_id.key, identity.chain_id, identity.contract, identity.address, partial(sign, keys.channel(0))
        )

    async def run(self) -> None:
        """Find peers and watch over reachability until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.finder.run())
            group.create_task(self.reach.run())
            if self._ways.neighbours and not self._ways.only_tor and not self.reach.is_local:
                group.create_task(self._meet_neighbours())

    async def _meet_neighbours(self) -> None:
        try:
            await Neighbours(self._host.peer_id, self.reach.listening, self.finder.hear_of).run()
        except Unavailable as error:
            _log.info("neighbours are not looked for: %s", error)

    def _describe(self) -> Node:
        only = self._ways.announced if self._ways.only_tor else tuple(map(str, self.reach.addresses()))
        return Node(addresses=only[:ADDRESSES_MAX], agent=self._agent, roles=self.reach.roles, binding=self._binding)


def _proxy(ways: Ways) -> SocksProxy | None:
    if not ways.tor:
        if ways.only_tor:
            raise UserFault(Reason.MALFORMED, "to use nothing but Tor, say where it is: --tor 127.0.0.1:9050")
        return None
    host, _, port = ways.tor.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 2**16:
        raise UserFault(Reason.MALFORMED, f"{ways.tor!r} is not a host and a port such as 127.0.0.1:9050")
    return SocksProxy(host.strip("[]"), int(port))


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
