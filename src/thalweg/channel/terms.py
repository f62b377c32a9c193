"""A channel's terms, fixed at opening. Their EIP-712 digest is the channel's id, so it names a chain and contract."""

from enum import IntEnum
from typing import Final

import msgspec

from thalweg.units import Address, AssetIndex, Hash

PARTICIPANTS_MIN: Final = 2
PARTICIPANTS_MAX: Final = 16
ASSETS_MAX: Final = 4


class CloseOut(IntEnum):
    """What happens to live positions when a dispute ends. Judged on chain: never renumber."""

    EXPIRY = 0  # they wait for their settlement price
    MARK = 1  # they are valued at the oracle's mark (bilateral only)


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every participant agreed to. `participants` are channel keys, `payouts` may be cold addresses.

    `settlement` is the index of the asset that backs and settles positions. `exit_spread` (scaled by 1e8, MARK only)
    is what a challenger pays for leaving. `oracle` is a contract; `risk_params_hash` names the collateral function.
    """

    participants: tuple[Address, ...]
    payouts: tuple[Address, ...]
    assets: tuple[Address, ...]
    settlement: AssetIndex
    challenge_period_s: int
    close_out: CloseOut
    exit_spread: int
    oracle: Address
    risk_params_hash: Hash
    nonce: int
