"""A channel's terms, fixed at opening. Their EIP-712 digest is the channel's id, so it names a chain and contract."""

from enum import IntEnum
from typing import Annotated, Final

import msgspec

from thalweg.units import WireAddress, WireAsset, WireHash

PARTICIPANTS_MIN: Final = 2
PARTICIPANTS_MAX: Final = 16
ASSETS_MAX: Final = 4
CELLS_MAX: Final = PARTICIPANTS_MAX * ASSETS_MAX
PERIOD_S_LIMIT: Final = 2**32

_Participants = Annotated[tuple[WireAddress, ...], msgspec.Meta(max_length=PARTICIPANTS_MAX)]


class CloseOut(IntEnum):
    """What happens to live positions when a dispute ends. Judged on chain: never renumber."""

    EXPIRY = 0  # they wait for their settlement price
    MARK = 1  # they are valued at the oracle's mark (bilateral only)


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every participant agreed to. `participants` are channel keys, `payouts` may be cold addresses.

    `settlement` is the index of the asset that backs and settles positions. `exit_spread` (scaled by 1e8, MARK only)
    is what a challenger pays for leaving. `oracle` is a contract; `risk_params_hash` names the collateral function.
    """

    participants: _Participants
    payouts: _Participants
    assets: Annotated[tuple[WireAddress, ...], msgspec.Meta(max_length=ASSETS_MAX)]
    settlement: WireAsset
    challenge_period_s: Annotated[int, msgspec.Meta(ge=0, lt=PERIOD_S_LIMIT)]
    close_out: CloseOut
    exit_spread: int
    oracle: WireAddress
    risk_params_hash: WireHash
    nonce: int
