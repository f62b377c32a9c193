"""What a quorum's oracles agree on beforehand: who they are, and how long they wait."""

import msgspec

from thalweg.errors import Reason, UserFault
from thalweg.instruments.quorum import threshold_min
from thalweg.instruments.report import GRID_S, SIGNERS_MAX
from thalweg.oracle.messages import Point
from thalweg.units import Address, Hash


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The quorum, as one of its signers sees it. `signers` and `threshold` are the oracle contract's.

    A leader waits `gather_s` for statuses beyond a quorum; round r lasts `round_s` + r seconds (r at most 30).
    """

    me: int
    signers: tuple[Address, ...]
    threshold: int
    oracle: Address
    separator: Hash
    tolerance_ppm: int = 2_000
    gather_s: int = 1
    round_s: int = 4

    def __post_init__(self) -> None:
        count = len(self.signers)
        if not 1 <= count <= SIGNERS_MAX or len(set(self.signers)) != count:
            raise UserFault(Reason.LIMIT, f"a quorum has 1..{SIGNERS_MAX} different signers")
        if not threshold_min(count) <= self.threshold <= count:
            raise UserFault(Reason.LIMIT, f"of {count} signers at least {threshold_min(count)} must sign")
        if not 0 <= self.me < count:
            raise UserFault(Reason.LIMIT, f"there is no signer {self.me} of {count}")

    def leader(self, point: Point, number: int) -> int:
        """Return who proposes in a round."""
        return (point.time // GRID_S + number) % len(self.signers)
