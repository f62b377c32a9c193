"""How to live with one particular chain: where it is, how deep is final, how long to wait, how much to pay.

A profile is configuration: it is decoded from the node's settings, and every number in it has a unit in its name.
"""

from typing import Annotated

import msgspec

from thalweg.units import Address

_Positive = Annotated[int, msgspec.Meta(ge=1)]
_Natural = Annotated[int, msgspec.Meta(ge=0)]
_Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]


class ChainProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One chain and contract, and how to treat them.

    `confirmations`: a call is settled once its block is this many blocks deep (1: it is in a block).
    `final_depth`: blocks this far below the head are final; money is credited by them (0: the head itself).
    `bump_after_s`: a transaction that waits longer is sent again, for at least an eighth more.
    `challenge_period_s_min`: join no channel that leaves less time to answer a stale state.
    `development`: the chain's clock is moved on purpose; the node follows it however far.
    `fee_max_wei`: never bid more for a unit of gas. `gas_max`: refuse calls that need more gas.
    """

    chain_id: _Positive
    adjudicator: Address
    urls: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=8)]
    confirmations: _Positive = 2
    final_depth: _Natural = 64
    poll_s: _Seconds = 2.0
    timeout_s: _Seconds = 10.0
    bump_after_s: _Seconds = 30.0
    challenge_period_s_min: _Positive = 600
    development: bool = False
    fee_max_wei: _Positive = 500 * 10**9
    gas_max: _Positive = 15_000_000
    logs_range_blocks: _Positive = 2_000


def local_profile(chain_id: int, adjudicator: Address, url: str) -> ChainProfile:
    """Return the profile of a development chain on this machine: every block is final at once."""
    return ChainProfile(
        chain_id=chain_id,
        adjudicator=adjudicator,
        urls=(url,),
        confirmations=1,
        final_depth=0,
        poll_s=0.25,
        timeout_s=5.0,
        bump_after_s=3.0,
        development=True,
    )
