"""`thalweg up`: one node, composed. Real adapters around the engine, in one asyncio process.

Order: data folder (lock, keys, journal, signer), chain, host, engine, API, then the links. It is ready before the
chain has answered; what needs the chain waits for it. The end is orderly on SIGINT and SIGTERM and crash-only
otherwise: whatever was acknowledged is in the journal.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from thalweg.api.backend import Asset, Backend, Counters
from thalweg.api.endpoint import Endpoint, new_token, remove_endpoint, write_endpoint
from thalweg.api.joining import undecided_max
from thalweg.api.methods import METHODS, Dispatcher
from thalweg.api.metrics import node_samples
from thalweg.api.metrics_server import serve_metrics
from thalweg.api.outcomes import Outcomes
from thalweg.api.server import serve_api
from thalweg.app.clock import NodeClock
from thalweg.app.driver import Driver
from thalweg.app.funding import Funding
from thalweg.app.horizon import ScanHorizon
from thalweg.app.logs import start_logging, stop_logging
from thalweg.app.outward import OutwardChain
from thalweg.app.peering import Peering, Ways
from thalweg.app.quorum import QuorumReader
from thalweg.app.reports import ReportKeeper
from thalweg.app.settings import (
    Deployment,
    JournalOwner,
    LinkBook,
    check_owner,
    folder_deployment,
    merged,
    parse_address,
    read_links,
    write_links,
)
from thalweg.app.stopping import Stop, plain_errors
from thalweg.app.strategy import Autopilot, Strategy
from thalweg.chain.evm import EvmChain
from thalweg.channel.effects import Notify, Topic
from thalweg.channel.events import (
    AnyEvent,
    ChainReported,
    LinkDown,
    LinkUp,
    Policy,
    ReportReceived,
)
from thalweg.channel.onchain import BlockObserved
from thalweg.channel.state import Channel
from thalweg.channel.terms import Terms
from thalweg.codec import Domain
from thalweg.crypto import address_of
from thalweg.errors import Unavailable
from thalweg.instruments.report import SignedReport
from thalweg.network.host import Host
from thalweg.network.limits import Limits
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import Identity as NetworkIdentity
from thalweg.network.peer_id import PeerId
from thalweg.node.engine import Engine
from thalweg.node.state import Identity, Node
from thalweg.storage import Keys, Opened, Standing, adopt, open_folder
from thalweg.units import Address, Amount, UnixSeconds

WANTS_EVERY_S: Final = 0.1  # how soon a new position is known to the oracles
_log: Final = logging.getLogger(__name__)


class NodeOptions(msgspec.Struct, frozen=True):
    """How to run a node.

    `undecided_max`: what may be at stake in one channel's states that are not agreed, in base units of the settlement
    asset (None: a tenth of its deposits). `challenge_period_s_min`: join no channel with less (None: as deployed).
    """

    folder: Path
    password: str
    version: str
    host: str = "127.0.0.1"
    port: int = 0
    api_port: int = 0
    peers: tuple[str, ...] = ()
    oracles: tuple[str, ...] = ()
    bootstrap: tuple[str, ...] = ()
    answer_s: int = 60
    challenge_s: int = 60
    undecided_max: Amount | None = None
    challenge_period_s_min: int | None = None
    strategy: Strategy = Strategy()
    ways: Ways = Ways()
    metrics_port: int | None = None
    attached: bool = False
    verbose: bool = False


class Ready(msgspec.Struct, frozen=True):
    """What a node tells when it is ready."""

    peer: str
    api: str
    recovering: bool


async def run_node(options: NodeOptions, on_ready: Callable[[Ready], None]) -> None:
    """Run a node until it is told to stop.

    Raises:
        UserFault: the folder, the password, the settings or the chain are wrong; nothing was changed.
        Unavailable: the disk failed or is full.
        InvariantBroken: the node stopped because going on would be wrong.
    """
    deployment = folder_deployment(options.folder)
    with ExitStack() as stack:
        opened = open_folder(options.folder, options.password)
        stack.callback(opened.close)
        start_logging(options.folder, verbose=options.verbose)
        stack.callback(stop_logging)
        links = _remembered(options)
        stop = Stop()
        with plain_errors(), stop.on_signals(attached=options.attached):
            node = _Running(options, deployment, opened, links, stop)
            await node.run(on_ready)


def _remembered(options: NodeOptions) -> LinkBook:
    """Return the links of the last start and those asked for now, and remember them all."""
    known = read_links(options.folder)
    links = LinkBook(
        merged(known.peers, options.peers),
        merged(known.oracles, options.oracles),
        merged(known.bootstrap, options.bootstrap),
    )
    if links != known:
        write_links(options.folder, links)
    return links


def identity_of(keys: Keys, deployment: Deployment) -> Identity:
    """Return who a node with these keys is, on this chain."""
    profile, wallet = deployment.profile(), address_of(keys.wallet.public_key)
    return Identity(
        peer=bytes(NetworkIdentity(keys.node).peer_id),
        address=address_of(keys.channel(0).public_key),
        payout=wallet,
        payer=wallet,
        chain_id=profile.chain_id,
        contract=profile.adjudicator,
        separator=Domain(profile.chain_id, profile.adjudicator).separator(),
    )


class _Running:
    """A node's parts, wired. Made once an event loop runs."""

    def __init__(
        self, options: NodeOptions, deployment: Deployment, opened: Opened, links: LinkBook, stop: Stop
    ) -> None:
        self._options = options
        self._deployment = deployment
        self._opened = opened
        self._links = links
        self._stop = stop
        self._tokens = deployment.tokens()
        self._oracle = parse_address(deployment.oracle)
        self._oracle_peers = {Multiaddr.parse(text).peer for text in links.oracles}
        self._recovering = opened.standing == Standing.RECOVERING
        self._news = asyncio.Event()  # positions may have changed
        self._outcomes, self._counters = Outcomes(), Counters()
        self._driver = Driver(stop.crash)
        profile = deployment.profile()
        self._clock = NodeClock(self._driver.wake, development=profile.development)
        self._horizon = ScanHorizon(options.folder, deployment.block, profile.final_depth)
        self._outward = OutwardChain(
            self._counters,
            lambda event: self._receive(partial(ChainReported, event=event)),
            self._on_block,
            self._horizon.watch,
        )
        self._funding = Funding(opened.keys.wallet, self._clock.now, self._driver.receive, self._outward.submit_now)
        self._host = Host(
            opened.keys.node,
            agent=f"thalweg/{options.version}",
            limits=Limits(),
            on_link_up=self._on_link_up,
            on_link_down=self._on_link_down,
            on_message=self._on_message,
        )
        self._peering = Peering(
            self._host,
            opened.keys,
            identity_of(opened.keys, deployment),
            options.folder,
            version=options.version,
            bootstrap=links.bootstrap,
            clock=time.time,
            ways=options.ways,
        )
        self._driver.drive(self._engine())
        self._chain = EvmChain(
            profile, opened.keys.wallet.secret, self._outward.heard, resume_block=self._resume_block()
        )
        self._funding.attach(self._chain)
        self._outward.attach(self._chain, self._funding.top_up)
        self._quorum = QuorumReader(self._chain.rpc, deployment.chain_id, self._oracle)
        self._reports = ReportKeeper(self._oracle, self._quorum, self._on_report)
        self._backend = self._make_backend()
        self._autopilot = Autopilot(options.strategy, self._backend, stop.crash)

    # -- making ------------------------------------------------------------------------------------------------------

    def _engine(self) -> Engine:
        identity = identity_of(self._opened.keys, self._deployment)
        owner = JournalOwner(identity.chain_id, f"0x{identity.contract.hex()}", f"0x{identity.address.hex()}")
        check_owner(self._options.folder, owner)
        return Engine(
            Node(identity),
            self._opened.journal,
            self._opened.signer,
            self._funding,
            self._host,
            self._outward,
            self._clock,
            self._on_notice,
        )

    def _resume_block(self) -> int:
        """Return the block to read the chain from, and leave closed channels out of the record."""
        channels = self._driver.engine.node.channels.values()
        self._horizon.forget(channel.id for channel in channels if channel.final.closed)
        return self._horizon.resume_block(channel.id for channel in channels if not channel.final.closed)

    def _make_backend(self) -> Backend:
        assets: dict[Address, Asset] = {asset.address: asset for asset in self._tokens}
        return Backend(
            version=self._options.version,
            engine=self._driver.engine,
            host=self._host,
            gossip=self._peering.gossip,
            finder=self._peering.finder,
            reach=self._peering.reach,
            chain=self._chain,
            outcomes=self._outcomes,
            counters=self._counters,
            reports=self._reports,
            assets=assets,
            settlement=self._tokens[0],
            oracle=self._oracle,
            challenge_period_s_min=self._options.challenge_period_s_min or self._chain.profile.challenge_period_s_min,
            recovering=lambda: self._recovering,
            now=self._clock.now,
            request=self._driver.engine.request,
            policy=self._policy,
            room=self._opened.signer.room,
            connect=self._connect,
            quorum=self._quorum.quorum,
        )

    def _policy(self, terms: Terms, amounts: tuple[Amount, ...], undecided: Amount | None) -> Policy:
        asked = self._options.undecided_max if undecided is None else undecided
        return Policy(
            undecided_max=undecided_max(terms, amounts, asked),
            answer_s=self._options.answer_s,
            challenge_s=self._options.challenge_s,
            quorum=self._quorum.quorum(),
        )

    # -- what happens ------------------------------------------------------------------------------------------------

    def _receive(self, make: Callable[[UnixSeconds], AnyEvent]) -> None:
        self._driver.receive(make(self._clock.now()))

    def _on_block(self, block: BlockObserved) -> None:
        self._clock.observe_block(block.time)
        self._horizon.observe(block.number)

    def _on_report(self, signed: SignedReport) -> None:
        self._receive(partial(ReportReceived, report=signed))
        self._news.set()  # after a VOID, positions wait for the next point

    def _on_link_up(self, peer: PeerId) -> None:
        if peer not in self._oracle_peers:
            self._receive(partial(LinkUp, peer=bytes(peer)))

    def _on_link_down(self, peer: PeerId, why: str) -> None:
        if peer not in self._oracle_peers:
            self._receive(partial(LinkDown, peer=bytes(peer), detail=why))

    def _on_message(self, peer: PeerId, data: bytes) -> None:
        if peer not in self._oracle_peers:
            self._counters.messages_received += 1
            self._driver.receive_message(bytes(peer), data)

    def _on_notice(self, notice: Notify) -> None:
        self._outcomes.tell(notice)
        self._autopilot.tell(notice)
        if notice.topic == Topic.AGREED:
            self._news.set()
        else:
            about = notice.channel_id.hex()[:16]
            _log.info("%s %s %s %s", notice.topic, about, notice.reason or "", notice.detail)
        if self._recovering and notice.topic in (Topic.AGREED, Topic.CLOSED):
            self._adopt_if_whole()

    def _adopt_if_whole(self) -> None:
        """Make a restored journal the keystore's own once no channel depends on what it has forgotten."""
        if not any(_is_behind(channel) for channel in self._driver.engine.node.channels.values()):
            adopt(self._opened.folder, self._opened.journal.identity)
            self._recovering = False
            _log.info("every channel is closed or has resumed: the restored journal is this node's own now")

    def _connect(self, address: Multiaddr) -> None:
        assert address.peer is not None, "the API asks for addresses that name their peer"
        self._host.keep(address.peer, address)
        links = msgspec.structs.replace(self._links, peers=merged(self._links.peers, (str(address),)))
        if links != self._links:
            write_links(self._options.folder, links)
            self._links = links

    # -- running -----------------------------------------------------------------------------------------------------

    async def run(self, on_ready: Callable[[Ready], None]) -> None:
        """Serve until told to stop."""
        await self._check_chain()
        address = await self._host.listen(self._options.host, self._options.port)
        token = new_token()
        dispatch = Dispatcher(self._backend, METHODS)
        metrics = serve_metrics(lambda: node_samples(self._backend), self._options.metrics_port)
        api = serve_api(dispatch, token, self._stop.crash, port=self._options.api_port)
        async with metrics as metrics_url, api as url:
            if metrics_url:
                _log.info("metrics are served at %s", metrics_url)
            self._driver.engine.start(recovering=self._recovering)
            try:
                async with asyncio.TaskGroup() as tasks:
                    serving = self._start(tasks)
                    write_endpoint(self._options.folder, Endpoint(url, token, os.getpid()))
                    on_ready(Ready(str(address), url, self._recovering))
                    await self._stop.wait()
                    await self._host.aclose()
                    for task in serving:
                        task.cancel()
            finally:
                remove_endpoint(self._options.folder)
                self._clock.close()
                await self._chain.close()

    def _start(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        for text in self._links.peers:
            peer_address = Multiaddr.parse(text)
            assert peer_address.peer is not None, "checked when it was remembered"
            self._host.keep(peer_address.peer, peer_address)
        tasks.create_task(self._host.run())
        oracles = [self._reports.follow(self._host, Multiaddr.parse(text)) for text in self._links.oracles]
        lasting = (
            self._chain.run(), self._funding.run(), self._quorum.run(), self._follow_positions(),
            self._peering.run(), *oracles,
        )  # fmt: skip
        return [tasks.create_task(work) for work in lasting]

    async def _check_chain(self) -> None:
        """Refuse a wrong chain; one that is away is waited for."""
        try:
            async with asyncio.timeout(1.0):
                await self._chain.check()
        except (Unavailable, TimeoutError) as error:
            _log.warning("the chain does not answer yet; this node goes on without it: %s", error)

    async def _follow_positions(self) -> None:
        while True:
            self._reports.want(list(self._driver.engine.node.channels.values()))
            await self._news.wait()
            self._news.clear()
            await asyncio.sleep(WANTS_EVERY_S)


def _is_behind(channel: Channel) -> bool:
    return channel.recovering and not channel.head.closed
