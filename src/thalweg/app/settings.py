"""Where a node does its business: a chain's RPC, the contracts there, the tokens it deals in. Files people may edit.

`deployment.json` in the data folder is written by `thalweg init`; `thalweg chain` writes one for its own chain. Nothing
in it is secret. `links.json` holds the addresses of peers and oracles the node stays connected to.
"""

from pathlib import Path
from typing import Annotated, Final

import msgspec

from thalweg.api.backend import Asset
from thalweg.chain.profile import ChainProfile
from thalweg.errors import Reason, UserFault
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import PeerId
from thalweg.storage.folder import read_whole, write_whole
from thalweg.units import Address

DEPLOYMENT_FILE: Final = "deployment.json"
LINKS_FILE: Final = "links.json"
IDENTITY_FILE: Final = "identity.json"
LINKS_MAX: Final = 512
ASSETS_MAX: Final = 64
_ADDRESS_BYTES: Final = 20


class AssetForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token, as a person writes it."""

    address: str
    symbol: Annotated[str, msgspec.Meta(min_length=1, max_length=16)]
    decimals: Annotated[int, msgspec.Meta(ge=0, le=18)]


class Deployment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thalweg on one chain. The first asset is the one channels settle in.

    `block`: the contracts are not older than this block. The rest is how to treat the chain (`ChainProfile`).
    `contracts`: every contract that was deployed along, by its name.
    `development`: its clock is moved on purpose, and the node's follows however far. Never set it for real money.
    """

    rpc: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=8)]
    chain_id: int
    adjudicator: str
    oracle: str
    assets: Annotated[tuple[AssetForm, ...], msgspec.Meta(min_length=1, max_length=ASSETS_MAX)]
    block: Annotated[int, msgspec.Meta(ge=0)] = 0
    confirmations: int = 2
    final_depth: int = 64
    poll_s: float = 2.0
    bump_after_s: float = 30.0
    challenge_period_s_min: Annotated[int, msgspec.Meta(ge=1)] = 600
    development: bool = False
    contracts: dict[str, str] = {}

    def profile(self) -> ChainProfile:
        """Return how the chain adapter is to treat this chain.

        Raises:
            UserFault: MALFORMED, an address is none.
        """
        return ChainProfile(
            chain_id=self.chain_id,
            adjudicator=parse_address(self.adjudicator),
            urls=self.rpc,
            confirmations=self.confirmations,
            final_depth=self.final_depth,
            poll_s=self.poll_s,
            bump_after_s=self.bump_after_s,
            challenge_period_s_min=self.challenge_period_s_min,
            development=self.development,
        )

    def tokens(self) -> tuple[Asset, ...]:
        """Return the assets.

        Raises:
            UserFault: MALFORMED, an address is none.
        """
        return tuple(Asset(parse_address(form.address), form.symbol, form.decimals) for form in self.assets)


class LinkBook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom a node stays connected to: addresses (multiaddresses) of peers it trades with, and of oracles.

    `bootstrap`: whom it asks for other peers while it knows none.
    """

    peers: Annotated[tuple[str, ...], msgspec.Meta(max_length=LINKS_MAX)] = ()
    oracles: Annotated[tuple[str, ...], msgspec.Meta(max_length=LINKS_MAX)] = ()
    bootstrap: Annotated[tuple[str, ...], msgspec.Meta(max_length=LINKS_MAX)] = ()


def parse_address(text: str) -> Address:
    """Return the account or contract that a text names.

    Raises:
        UserFault: MALFORMED.
    """
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(raw) != _ADDRESS_BYTES:
        raise UserFault(Reason.MALFORMED, f"{text[:66]!r} is not an address: 0x and 40 hexadecimal digits")
    return Address(raw)


def read_deployment(path: Path) -> Deployment:
    """Read and check a deployment file.

    Raises:
        UserFault: NOT_FOUND; MALFORMED, naming the field that is wrong.
    """
    try:
        deployment = msgspec.json.decode(read_whole(path), type=Deployment)
    except msgspec.DecodeError as error:
        raise UserFault(Reason.MALFORMED, f"{path}: {error}") from error
    parse_address(deployment.oracle)
    deployment.profile()
    deployment.tokens()
    return deployment


def folder_deployment(folder: Path) -> Deployment:
    """Read the deployment of a data folder.

    Raises:
        UserFault: NOT_FOUND, saying how to make one; MALFORMED.
    """
    path = folder / DEPLOYMENT_FILE
    if folder.is_dir() and not path.exists():
        raise UserFault(
            Reason.NOT_FOUND,
            f"{path} is missing, so the chain and contracts are not known: run "
            f"`thalweg init --data {folder} --deployment FILE` (`thalweg chain` writes such a file)",
        )
    return read_deployment(path)


def write_deployment(path: Path, deployment: Deployment) -> None:
    """Write a deployment, readable.

    Raises:
        Unavailable: the disk failed or is full.
    """
    write_whole(path, msgspec.json.format(msgspec.json.encode(deployment), indent=2) + b"\n")


def read_links(folder: Path) -> LinkBook:
    """Return a node's links; none where it never had any.

    Raises:
        UserFault: MALFORMED.
    """
    path = folder / LINKS_FILE
    if not path.exists():
        return LinkBook()
    try:
        return msgspec.json.decode(read_whole(path), type=LinkBook)
    except msgspec.DecodeError as error:
        raise UserFault(Reason.MALFORMED, f"{path}: {error}; correct or remove it") from error


def write_links(folder: Path, links: LinkBook) -> None:
    """Remember a node's links."""
    write_whole(folder / LINKS_FILE, msgspec.json.format(msgspec.json.encode(links), indent=2) + b"\n")


class JournalOwner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose journal a folder holds: it can be replayed on no other chain and contract, and by no other key."""

    chain_id: int
    adjudicator: str
    key: str


def check_owner(folder: Path, owner: JournalOwner) -> None:
    """Return if the folder's journal is this owner's; where it has none yet, it is from now on.

    Raises:
        UserFault: WRONG_CONTRACT, the deployment file or the keys are not those it was started with; CORRUPT.
    """
    path = folder / IDENTITY_FILE
    if not path.exists():
        write_whole(path, msgspec.json.encode(owner))
        return
    try:
        known = msgspec.json.decode(read_whole(path), type=JournalOwner)
    except msgspec.DecodeError as error:
        raise UserFault(Reason.CORRUPT, f"{path} is damaged: {error}") from error
    if known != owner:
        raise UserFault(
            Reason.WRONG_CONTRACT,
            f"the journal in {folder} belongs to contract {known.adjudicator} on chain {known.chain_id}, not to "
            f"{owner.adjudicator} on chain {owner.chain_id}: bring back its deployment file, or use another folder",
        )


def merged(known: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """Return addresses by peer, the newest of each.

    Raises:
        UserFault: MALFORMED, one is no address that names its peer.
    """
    by_peer: dict[PeerId, str] = {}
    for text in (*known, *more):
        address = Multiaddr.parse(text)
        if address.peer is None:
            raise UserFault(Reason.MALFORMED, f"{text} does not say who is there; append /p2p/ and the peer's id")
        by_peer[address.peer] = str(address)
    return tuple(by_peer.values())
