"""The protocol `/thalweg/reports/1`: one long stream a subscriber.

The subscriber sends `Wanted`, a list that replaces the one before; the oracle answers with each wanted settlement, as
a `SignedReport`, once it has its quorum. Both JSON, one a message.
"""

from typing import Annotated, Final

import msgspec

from thalweg.errors import PeerFault, Reason
from thalweg.instruments.report import GRID_S
from thalweg.units import Hash, UnixSeconds

PROTOCOL: Final = "/thalweg/reports/1"
WANTED_MAX: Final = 64
_FEED_BYTES: Final = 32


class Want(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """A settlement somebody waits for."""

    feed: Hash
    time: UnixSeconds


class Wanted(msgspec.Struct, frozen=True):
    """All that a subscriber waits for, soonest first."""

    wants: Annotated[tuple[Want, ...], msgspec.Meta(max_length=WANTED_MAX)]


def check_wanted(wanted: Wanted) -> None:
    """Return if every want can be a point of the oracle's.

    Raises:
        PeerFault: MALFORMED.
    """
    for want in wanted.wants:
        if len(want.feed) != _FEED_BYTES or want.time <= 0 or want.time % GRID_S:
            raise PeerFault(Reason.MALFORMED, f"a settlement is of a 32-byte feed at a multiple of {GRID_S} s")
