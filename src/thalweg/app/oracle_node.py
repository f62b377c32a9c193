"""`thalweg oracle`: one oracle of a quorum, composed: its key, its memory, links to the others, and subscribers.

Its time follows the chain's, as a node's does. It takes part once the chain has told who the quorum is.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import msgspec

from thalweg.api.endpoint import Endpoint, new_token, remove_endpoint, write_endpoint
from thalweg.api.methods import Dispatcher, Method
from thalweg.api.params import Connect, Nothing
from thalweg.api.server import serve_api
from thalweg.api.views import report_view
from thalweg.app.clock import NodeClock
from thalweg.app.logs import start_logging, stop_logging
from thalweg.app.node import Ready
from thalweg.app.oracle_memory import OracleMemory
from thalweg.app.oracle_shell import OracleShell
from thalweg.app.quorum import QuorumReader
from thalweg.app.report_messages import PROTOCOL, Want
from thalweg.app.settings import Deployment, LinkBook, folder_deployment, merged, parse_address, read_links, write_links
from thalweg.app.stopping import Stop, plain_errors
from thalweg.app.subscribers import Subscribers
from thalweg.chain import wire
from thalweg.chain.rpc import Refused, Rpc
from thalweg.channel.events import Quorum
from thalweg.crypto import address_of
from thalweg.errors import PeerFault, Reason, Unavailable, UserFault
from thalweg.network.host import Host
from thalweg.network.limits import Limits
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import PeerId
from thalweg.oracle.rules import Rules
from thalweg.oracle.source import Path as PricePath
from thalweg.storage import Opened, open_folder
from thalweg.storage.folder import read_whole

_log: Final = logging.getLogger(__name__)
_UP_POLL_S: Final = 0.05


class OracleOptions(msgspec.Struct, frozen=True):
    """How to run an oracle. `path`: the file with the price path it reports."""

    folder: Path
    password: str
    version: str
    path: Path
    host: str = "127.0.0.1"
    port: int = 0
    peers: tuple[str, ...] = ()
    attached: bool = False
    verbose: bool = False


async def run_oracle(options: OracleOptions, on_ready: Callable[[Ready], None]) -> None:
    """Run one oracle until it is told to stop.

    Raises:
        UserFault: folder, password, settings, price path or key are wrong; nothing was changed.
        Unavailable: the disk failed or is full.
        InvariantBroken: the oracle stopped because going on would be wrong.
    """
    deployment = folder_deployment(options.folder)
    source = read_price_path(options.path)
    with ExitStack() as stack:
        opened = open_folder(options.folder, options.password)
        stack.callback(opened.close)
        start_logging(options.folder, verbose=options.verbose)
        stack.callback(stop_logging)
        stop = Stop()
        with plain_errors(), stop.on_signals(attached=options.attached):
            await _Oracle(options, deployment, source, opened, stop).run(on_ready)


def read_price_path(file: Path) -> PricePath:
    """Return the price path in a file.

    Raises:
        UserFault: NOT_FOUND; MALFORMED, naming the field that is wrong.
    """
    try:
        return msgspec.json.decode(read_whole(file), type=PricePath)
    except msgspec.DecodeError as error:
        raise UserFault(Reason.MALFORMED, f"{file} is not a price path: {error}") from error


class _Oracle:
    """An oracle's parts, wired. Made once an event loop runs."""

    def __init__(
        self, options: OracleOptions, deployment: Deployment, source: PricePath, opened: Opened, stop: Stop
    ) -> None:
        self._options = options
        self._deployment = deployment
        self._source = source
        self._opened = opened
        self._stop = stop
        self._oracle = parse_address(deployment.oracle)
        self._memory = OracleMemory(opened.journal, opened.standing)
        self._rpc = Rpc(deployment.rpc)
        self._quorum = QuorumReader(self._rpc, deployment.chain_id, self._oracle)
        self._clock = NodeClock(self._tick, development=deployment.development)
        self._shell: OracleShell | None = None
        self._subscribers = Subscribers(self._memory.report, self._want)
        known = read_links(options.folder)
        self._links = LinkBook(merged(known.peers, options.peers), known.oracles)
        if self._links != known:
            write_links(options.folder, self._links)
        self._host = Host(
            opened.keys.node,
            agent=f"thalweg/{options.version}",
            limits=Limits(),
            on_link_up=lambda peer: None,
            on_link_down=lambda peer, why: None,
            on_message=self._on_message,
        )
        self._host.handle(PROTOCOL, self._subscribers.serve)

    # -- what happens ------------------------------------------------------------------------------------------------

    def _peers(self) -> set[PeerId]:
        addresses = (Multiaddr.parse(text) for text in self._links.peers)
        return {address.peer for address in addresses if address.peer is not None}

    def _on_message(self, peer: PeerId, data: bytes) -> None:
        """Take what another oracle says; nobody else has anything to say here."""
        if peer in self._peers():
            self._guarded(lambda shell: shell.hear(data))

    def _tick(self) -> None:
        self._guarded(lambda shell: shell.tick())

    def _want(self, want: Want) -> None:
        self._guarded(lambda shell: shell.want(want))

    def _guarded(self, work: Callable[[OracleShell], None]) -> None:
        if self._shell is None:
            return
        try:
            work(self._shell)
        except PeerFault:
            raise
        except Exception as error:  # whatever it is, the process must not go on
            self._stop.crash(error)

    def _broadcast(self, data: bytes) -> None:
        for peer in self._host.peers():
            if peer in self._peers():
                self._host.send(peer, data)

    # -- running -----------------------------------------------------------------------------------------------------

    async def run(self, on_ready: Callable[[Ready], None]) -> None:
        """Serve until told to stop."""
        address = await self._host.listen(self._options.host, self._options.port)
        token = new_token()
        async with serve_api(Dispatcher(self, METHODS), token, self._stop.crash) as url:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._host.run())
                    for peer in self._peers():
                        self._host.keep(peer, self._address(peer))
                    lasting = (self._quorum.run(), self._follow_chain(), self._begin())
                    serving = [tasks.create_task(work) for work in lasting]
                    write_endpoint(self._options.folder, Endpoint(url, token, os.getpid()))
                    on_ready(Ready(str(address), url, recovering=False))
                    await self._stop.wait()
                    await self._host.aclose()
                    for task in serving:
                        task.cancel()
            finally:
                remove_endpoint(self._options.folder)
                self._clock.close()
                await self._rpc.close()

    def _address(self, peer: PeerId) -> Multiaddr:
        return next(known for text in self._links.peers if (known := Multiaddr.parse(text)).peer == peer)

    async def _begin(self) -> None:
        """Take part from the moment the quorum is known."""
        quorum = await self._quorum.wait()
        key = self._opened.keys.oracle
        self._shell = OracleShell(
            self._rules(quorum, address_of(key.public_key)),
            key,
            self._source,
            self._memory,
            self._clock.now,
            self._broadcast,
            self._clock.wake_at,
            lambda report: self._subscribers.published(),
        )
        self._tick()
        for want in self._subscribers.wants():
            self._want(want)

    def _rules(self, quorum: Quorum, me: bytes) -> Rules:
        if me not in quorum.signers:
            raise UserFault(
                Reason.WRONG_SIGNER,
                f"0x{me.hex()} is not one of the oracle's signers on chain: deploy an oracle with it, or use the key "
                "that is",
            )
        return Rules(
            me=quorum.signers.index(me),
            signers=quorum.signers,
            threshold=quorum.threshold,
            oracle=self._oracle,
            separator=quorum.separator,
        )

    async def _follow_chain(self) -> None:
        """Keep the clock with the chain's."""
        newest = 0
        while True:
            try:
                head = await wire.head(self._rpc)
            except (Unavailable, Refused) as error:
                _log.info("the chain does not answer: %s", error)
            else:
                if head.time != newest:
                    newest = head.time
                    self._clock.observe_block(head.time)
                    self._tick()
            await asyncio.sleep(self._deployment.poll_s)

    # -- what the API asks -------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """Return who this oracle is and how it is."""
        return {
            "version": self._options.version,
            "peer": str(self._host.peer_id),
            "addresses": [str(address) for address in self._host.addresses],
            "key": f"0x{address_of(self._opened.keys.oracle.public_key).hex()}",
            "oracle": f"0x{self._oracle.hex()}",
            "time": self._clock.now(),
            "links": len(self._host.peers()),
            "takes_part": self._shell is not None,
            "messages": 0 if self._shell is None else self._shell.said,
        }

    async def connect(self, address: Multiaddr, wait_s: float) -> None:
        """Stay connected to another oracle, and wait for the link."""
        if address.peer is None:
            raise UserFault(Reason.MALFORMED, f"{address} does not say who is there; append /p2p/ and the peer's id")
        self._links = LinkBook(merged(self._links.peers, (str(address),)), self._links.oracles)
        write_links(self._options.folder, self._links)
        self._host.keep(address.peer, address)
        try:
            async with asyncio.timeout(wait_s):
                while address.peer not in self._host.peers():  # noqa: ASYNC110 - the host tells of links, not of waits
                    await asyncio.sleep(_UP_POLL_S)
        except TimeoutError as error:
            raise Unavailable(Reason.UNREACHABLE, f"no answer from {address} after {wait_s:g} s") from error

    def newest(self) -> list[Any]:
        """Return the settlements published."""
        return [view for signed in self._memory.newest() if (view := report_view(signed)) is not None]


async def _status(oracle: _Oracle, _: Nothing) -> dict[str, Any]:
    return oracle.status()


async def _connect(oracle: _Oracle, params: Connect) -> dict[str, Any]:
    address = Multiaddr.parse(params.address)
    await oracle.connect(address, params.wait_s)
    return {"peer": str(address.peer), "up": True}


async def _reports(oracle: _Oracle, _: Nothing) -> list[Any]:
    return oracle.newest()


METHODS: Final = {
    "status": Method(Nothing, _status),
    "connect": Method(Connect, _connect),
    "reports": Method(Nothing, _reports),
}
