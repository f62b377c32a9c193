"""Which troubles a world has. Every seed draws its own swarm: some faults on, most off."""

import random
from typing import Final

import msgspec

SKEW_S_GENTLE: Final = 10
LINK_LOSS_GENTLE: Final = 30  # where messages are slow too


_HARSH: Final = ("partition", "barred", "duplicate", "reorder", "long_downtime", "restore")


class Faults(msgspec.Struct, frozen=True):
    """Rates are per mille of the occasions on which the fault could strike; 0 is off."""

    link_loss: int = 0  # of messages: the link breaks, and what is under way on it may be lost
    partition: int = 0  # of ticks: two nodes cannot reach each other for a while
    duplicate: int = 0  # of messages: delivered twice, which no link should do
    reorder: int = 0  # of messages: overtaken on its own link, which no link should do
    slow_network: int = 0  # of messages: seconds late
    crash: int = 0  # of ticks: a node will stop within the next writes and effects
    long_downtime: int = 0  # of crashes: minutes, not seconds
    reorg: int = 0  # of blocks: the newest blocks are mined again, differently
    stuck: int = 0  # of transactions: wait for minutes
    front_run: int = 0  # of transactions: somebody sends a copy first
    blind: int = 0  # of ticks: a node hears nothing of the chain for a while
    skew_s_max: int = 0  # of clocks, either way
    clock_jump: int = 0  # of ticks: a clock is wrong by another amount
    behind: int = 0  # of blocks: a node is shown the chain as it was some blocks ago, for one block
    slow_node: int = 0  # of nodes: take seconds to work off what they hear
    barred: int = 0  # of worlds of three or more: two cannot reach each other any more, once it is open
    deaf: int = 0  # of nodes: no oracle reaches them, though one of them all hears
    restore: int = 0  # of ticks: a node loses its disk and comes back with an old backup
    oracle_late: int = 0  # of reports: a node hears of it minutes later
    oracle_void: int = 0  # of settlements: the grid point is void

    @property
    def are_gentle(self) -> bool:
        """Say whether nothing here keeps two nodes apart for long: then no channel may end in a dispute."""
        harsh = [getattr(self, name) for name in _HARSH]
        is_lossy_and_slow = self.link_loss > LINK_LOSS_GENTLE and self.slow_network > 0
        return not any(harsh) and not is_lossy_and_slow and self.skew_s_max <= SKEW_S_GENTLE


_CHOICES: Final[dict[str, tuple[int, ...]]] = {
    "link_loss": (5, 30, 100),
    "partition": (3, 10),
    "duplicate": (10,),
    "reorder": (10,),
    "slow_network": (20, 100),
    "crash": (5, 30),
    "long_downtime": (200,),
    "reorg": (50, 200),
    "stuck": (100, 300),
    "front_run": (100, 500),
    "blind": (5,),
    "skew_s_max": (3, 10, 100),
    "clock_jump": (50,),
    "behind": (100, 300),
    "slow_node": (300,),
    "barred": (500,),
    "deaf": (500,),
    "restore": (3,),
    "oracle_late": (300,),
    "oracle_void": (300,),
}

_GENTLE: Final = (1, 2)  # of eight kinds of seeds
NO_FAULTS: Final = Faults()


def draw_faults(rng: random.Random) -> Faults:
    """Return a seed's swarm: each fault is on in one of three, at one of its rates.

    One seed in eight has none; one in four has none that may keep nodes apart for long.
    """
    kind = rng.randrange(8)
    if kind == 0:
        return NO_FAULTS
    drawn = {name: rng.choice(rates) for name, rates in _CHOICES.items() if rng.randrange(3) == 0}
    if kind in _GENTLE:
        drawn = {name: rate for name, rate in drawn.items() if name not in _HARSH}
        drawn["skew_s_max"] = min(drawn.get("skew_s_max", 0), SKEW_S_GENTLE)
    return Faults(**drawn)


def strikes(rng: random.Random, rate: int) -> bool:
    """Say whether a fault of this rate (per mille) strikes now. A fault that is off draws nothing."""
    return rate > 0 and rng.randrange(1000) < rate
