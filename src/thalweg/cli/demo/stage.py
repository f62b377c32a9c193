"""The stage: a chain with contracts and money on it, two traders and four oracles, each its own process and folder."""

import asyncio
import base64
import random
from pathlib import Path
from typing import Any, Final

import msgspec

from thalweg.api.client import Client
from thalweg.app.deploying import Wanted, deploy
from thalweg.app.settings import DEPLOYMENT_FILE, Deployment, parse_address, write_deployment
from thalweg.chain import token, wire
from thalweg.chain.dev_accounts import DEV_ADDRESSES, DEV_KEYS
from thalweg.chain.rpc import Refused, Rpc
from thalweg.chain.wallet import Wallet, wallet
from thalweg.cli.chains import fund
from thalweg.cli.demo.processes import Child, Processes
from thalweg.cli.initialising import describe_keys
from thalweg.codec import encode
from thalweg.errors import Reason, Unavailable, UserFault
from thalweg.market.smiles import Market
from thalweg.network.multiaddr import Multiaddr
from thalweg.oracle.source import Path as PricePath
from thalweg.pricing.black import YEAR_S
from thalweg.storage import DataFolder, Keys, create_keystore
from thalweg.storage.mnemonic import ENTROPY_BYTES, to_mnemonic
from thalweg.units import SCALE, Address, UnixSeconds

TRADERS: Final = ("alice", "bob")
ORACLES: Final = ("oracle-1", "oracle-2", "oracle-3", "oracle-4")
THRESHOLD: Final = 3
ANSWER_S: Final = 60  # how long a node waits for a signature
CHALLENGE_S: Final = 60  # and then, until it goes to the chain
PATIENCE_S: Final = ANSWER_S + CHALLENGE_S
MINTED: Final = 1_000_000  # whole test tokens in each trader's wallet
PASSWORD: Final = "demonstration"  # noqa: S105 - the folders live as long as the show
_FINAL_MIN: Final = 0.5  # of the index: the path stays positive
CHANNELS_MAX: Final = "100000"
UNDECIDED_MAX: Final = "100000"  # the trades of the show are large for their channel


class Party:
    """One trader or oracle: its folder, its keys, its process while it runs."""

    def __init__(self, name: str, folder: Path, entropy: bytes) -> None:
        self.name = name
        self.folder = folder
        self.held = 0  # base units of the token in the wallet, before the first deposit
        with DataFolder.create(folder) as made:
            self.keys: Keys = create_keystore(made, PASSWORD, to_mnemonic(entropy))
        known = describe_keys(self.keys)
        self.wallet: Address = parse_address(known["wallet"])
        self.oracle_key: Address = parse_address(known["oracle_key"])
        self.child: Child | None = None

    @property
    def address(self) -> str:
        """Where the running process listens."""
        assert self.child is not None
        return str(self.child.ready["peer"])

    async def call(self, method: str, **params: object) -> Any:
        """Ask the running process.

        Raises:
            UserFault, PeerFault, Unavailable: as it says.
        """
        client = Client.of_folder(self.folder)
        return await asyncio.to_thread(lambda: client.call(method, **params))


class Stage:
    """Everything that is set up before the first trade."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)  # noqa: S311 - a show that can be repeated
        self.processes = Processes(folder, PASSWORD)
        self.parties: dict[str, Party] = {}
        self.url = ""
        self._lives: dict[Child, tuple[int, int]] = {}  # states signed and messages sent, by process
        self._rpc: Rpc | None = None
        self._deployment: Deployment | None = None
        self.first_block = 0

    @property
    def rpc(self) -> Rpc:
        """The chain."""
        assert self._rpc is not None, "set up first"
        return self._rpc

    @property
    def deployment(self) -> Deployment:
        """Where the contracts are."""
        assert self._deployment is not None, "set up first"
        return self._deployment

    @property
    def oracle(self) -> Address:
        """The oracle contract."""
        return parse_address(self.deployment.oracle)

    @property
    def adjudicator(self) -> Address:
        """The contract that holds the money."""
        return parse_address(self.deployment.adjudicator)

    @property
    def alice(self) -> Party:
        """Who opens the channel."""
        return self.parties["alice"]

    @property
    def bob(self) -> Party:
        """Who accepts."""
        return self.parties["bob"]

    async def make_folders(self) -> None:
        """Make a data folder with keys for everyone; the seed of the show makes the keys."""
        for name in (*TRADERS, *ORACLES):
            entropy = self.random.randbytes(ENTROPY_BYTES)
            self.parties[name] = await asyncio.to_thread(Party, name, self.folder / name, entropy)

    async def start_chain(self, url: str | None) -> None:
        """Start a chain, or use the one at `url`.

        Raises:
            UserFault: it cannot move its clock, or the development account has no coins there.
            Unavailable: it does not answer.
        """
        if url is None:
            child = await self.processes.start("chain", "chain", "--listen", "127.0.0.1:0")
            url = str(child.ready["url"])
        self.url, self._rpc = url, Rpc((url,))
        try:
            await self.rpc.request("evm_increaseTime", (0,), msgspec.Raw)
        except Refused as refusal:
            raise UserFault(
                Reason.WRONG_CHAIN,
                f"the chain at {url} cannot move its clock ({refusal.message}), and the show waits for an expiry: "
                "use a development chain such as anvil, or leave --rpc away",
            ) from refusal
        if not await wire.balance(self.rpc, DEV_ADDRESSES[0]):
            raise UserFault(
                Reason.INSUFFICIENT, f"the development account {wire.hexed(DEV_ADDRESSES[0])} has no coins at {url}"
            )

    async def close(self) -> None:
        """End all processes."""
        try:
            if self._rpc is not None:
                await self._rpc.close()
        finally:
            await self.processes.stop()

    async def deploy(self) -> None:
        """Put the contracts on the chain, give the traders money, and tell everyone where things are."""
        payer: Wallet = await wallet(self.rpc, DEV_KEYS[0])
        signers = tuple(self.parties[name].oracle_key for name in ORACLES)
        self._deployment = await deploy(payer, Wanted(signers=signers, threshold=THRESHOLD), local=True)
        await fund(payer, self.deployment, [self.parties[name].wallet for name in TRADERS], MINTED)
        for party in self.parties.values():
            write_deployment(party.folder / DEPLOYMENT_FILE, self.deployment)
        self.first_block = (await wire.head(self.rpc)).number + 1
        for name in TRADERS:
            self.parties[name].held = await self.tokens_of(self.parties[name].wallet)

    # -- nodes -------------------------------------------------------------------------------------------------------

    async def start_oracles(self, path: PricePath) -> None:
        """Start the quorum and link each oracle to the others."""
        file = self.folder / "path.json"
        file.write_bytes(encode(path))
        async with asyncio.TaskGroup() as tasks:
            for name in ORACLES:
                tasks.create_task(self._start(name, "oracle", "--path", str(file)))
        async with asyncio.TaskGroup() as tasks:
            for index, name in enumerate(ORACLES):
                tasks.create_task(self._link(self.parties[name], ORACLES[:index] + ORACLES[index + 1 :]))

    async def _link(self, party: Party, others: tuple[str, ...]) -> None:
        for name in others:
            await party.call("connect", address=self.parties[name].address)

    async def start_traders(self, market: Market) -> None:
        """Start alice, who decides herself, and bob, whose node takes what is at least as good as his model's price."""
        file = self.folder / "market.json"
        file.write_bytes(encode(market))
        async with asyncio.TaskGroup() as tasks:
            for name in TRADERS:
                tasks.create_task(self.start_trader(name))

    async def start_trader(self, name: str) -> None:
        """Start a trader, or start him again."""
        oracles = [word for oracle in ORACLES for word in ("--oracle", self.parties[oracle].address)]
        times = ["--answer", str(ANSWER_S), "--challenge", str(CHALLENGE_S), "--undecided-max", UNDECIDED_MAX]
        market = str(self.folder / "market.json")
        follows = ["--accept-channels-max", CHANNELS_MAX, "--accept-trades", "--market", market]
        again = self.parties[name].child
        listen = ["--listen", "127.0.0.1:0"]
        if again is not None:  # the others know where he was; he dials them too, which is quicker than their patience
            port = Multiaddr.parse(str(again.ready["peer"])).port
            others = [self.parties[other].address for other in TRADERS if other != name]
            dials = [word for address in others for word in ("--peer", address)]
            listen = ["--listen", f"127.0.0.1:{port}", *dials]
        await self._start(name, "up", *listen, *oracles, *times, *(() if name == "alice" else follows))

    async def kill(self, party: Party) -> None:
        """End a trader's process at once."""
        assert party.child is not None
        await self.count(party)
        await party.child.kill()

    async def stop(self, party: Party) -> None:
        """End a trader's process in good order."""
        assert party.child is not None
        await self.count(party)
        await party.child.stop()

    async def _start(self, name: str, command: str, *arguments: str) -> None:
        party = self.parties[name]
        party.child = await self.processes.start(name, command, "--data", str(party.folder), *arguments)

    async def counted(self) -> tuple[int, int]:
        """Return how many states the traders have signed and messages they have sent, in all their lives."""
        for name in TRADERS:
            await self.count(self.parties[name])
        return sum(life[0] for life in self._lives.values()), sum(life[1] for life in self._lives.values())

    async def count(self, party: Party) -> None:
        """Note what a trader's present process has counted; a process that is gone keeps its last count."""
        child = party.child
        if child is not None and child.is_running:
            counters = await party.call("counters")
            self._lives[child] = (counters["states_signed"], counters["messages_sent"])

    # -- the chain ---------------------------------------------------------------------------------------------------

    async def time(self) -> UnixSeconds:
        """Return the newest block's time."""
        return (await wire.head(self.rpc)).time

    async def jump_to(self, time: UnixSeconds) -> None:
        """Move the chain's clock on, and mine a block.

        Raises:
            Unavailable: the chain does not answer.
        """
        head = await wire.head(self.rpc)
        try:
            if time > head.time:
                await self.rpc.request("evm_increaseTime", (time - head.time,), msgspec.Raw)
            await self.rpc.request("evm_mine", (), msgspec.Raw)
        except Refused as refusal:
            raise Unavailable(Reason.WRONG_CHAIN, f"the chain does not move its clock: {refusal.message}") from refusal

    async def tokens_of(self, account: Address) -> int:
        """Return an account's test tokens, in base units."""
        return await token.balance(self.rpc, self.deployment.tokens()[0].address, account)


def price_path(market: Market, expiry: UnixSeconds, generator: random.Random) -> PricePath:
    """Return the path the oracles see: from the market's index to somewhere its own volatility may lead."""
    forward = market.forward(expiry)
    deviation = market.volatility(expiry, forward) * ((expiry - market.at) / YEAR_S) ** 0.5
    final = market.index * max(_FINAL_MIN, 1 + deviation * generator.gauss(0.0, 1.0))
    points = ((market.at, round(market.index * SCALE)), (expiry, round(final * SCALE)))
    volatility_ppm = round(market.volatility(expiry, forward) * 1_000_000)
    raw = {
        "seed": base64.b64encode(generator.randbytes(32)).decode(),
        "points": points,
        "volatility_ppm": volatility_ppm,
    }
    return msgspec.convert(raw, PricePath)
