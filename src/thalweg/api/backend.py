"""What the API's methods work on: the engine and the adapters around it, handed over by the composition root."""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, Protocol

import msgspec

from thalweg.api.decimals import format_decimal, parse_decimal
from thalweg.api.outcomes import Outcomes
from thalweg.chain.evm import EvmChain
from thalweg.channel.events import AnyEvent, Policy, Quorum
from thalweg.channel.state import Channel
from thalweg.channel.terms import Terms
from thalweg.errors import Reason, UserFault
from thalweg.instruments.report import SignedReport
from thalweg.network.finder import Finder
from thalweg.network.host import Host
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.pubsub import Gossip
from thalweg.network.reach import Reach
from thalweg.node.engine import Engine
from thalweg.units import Address, Amount, ChannelId, UnixSeconds

LATENCIES_MAX: Final = 4096


class Asset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token this node deals in. `address` zero is the chain's own coin."""

    address: Address
    symbol: str
    decimals: int

    def parse(self, text: str, what: str = "amount") -> int:
        """Return an amount in base units. Raises UserFault MALFORMED."""
        return parse_decimal(text, self.decimals, what)

    def format(self, amount: int) -> str:
        """Return base units as decimal text."""
        return format_decimal(amount, self.decimals)


class Counters:
    """What this process has done since it started."""

    def __init__(self) -> None:
        self.messages_received = 0
        self.calls: Counter[str] = Counter()
        self.calls_failed: Counter[str] = Counter()
        self.gas: Counter[str] = Counter()
        self.latencies_ms: deque[float] = deque(maxlen=LATENCIES_MAX)


class Reports(Protocol):
    """The oracle reports this node has seen."""

    def newest(self) -> list[SignedReport]:
        """Return those kept, oldest first."""


class Backend(msgspec.Struct, frozen=True):
    """One node, as its API sees it.

    `request` hands an event to the engine (UserFault where it cannot be); `policy` makes the policy of a channel from
    its terms, its amounts, and what the user allows to be undecided (None: the node's own limit); `room` says for how
    many channels beyond those known the signer can sign; `connect` keeps a link to an address; `quorum` is the oracle
    as the chain says (Unavailable until it was read).
    """

    version: str
    engine: Engine
    host: Host
    gossip: Gossip
    finder: Finder
    reach: Reach
    chain: EvmChain
    outcomes: Outcomes
    counters: Counters
    reports: Reports
    assets: Mapping[Address, Asset]
    settlement: Asset
    oracle: Address
    challenge_period_s_min: int
    recovering: Callable[[], bool]
    now: Callable[[], UnixSeconds]
    request: Callable[[AnyEvent], None]
    policy: Callable[[Terms, tuple[Amount, ...], Amount | None], Policy]
    room: Callable[[AbstractSet[ChannelId]], int]
    connect: Callable[[Multiaddr], None]
    quorum: Callable[[], Quorum]

    def asset(self, address: Address) -> Asset:
        """Return a known asset.

        Raises:
            UserFault: UNKNOWN_INSTRUMENT.
        """
        known = self.assets.get(address)
        if known is None:
            raise UserFault(
                Reason.UNKNOWN_INSTRUMENT, f"asset 0x{address.hex()} is not one of this node's: add it to its settings"
            )
        return known

    def channel(self, text: str) -> Channel:
        """Return the channel that an id, or the beginning of one, names; an empty text names the only open one.

        Raises:
            UserFault: UNKNOWN_CHANNEL, if there is none, or more than one.
        """
        found = [item for key, item in self.engine.node.channels.items() if key.hex().startswith(_plain(text))]
        if not text:
            found = [item for item in found if not item.head.closed]
        if len(found) != 1:
            what = f"{len(found)} channels begin with {text[:66]!r}" if text else f"{len(found)} channels are open"
            raise UserFault(Reason.UNKNOWN_CHANNEL, f"{what}; name one")
        return found[0]


def _plain(text: str) -> str:
    return text[:66].lower().removeprefix("0x")
