"""Which channels this node joins, whoever asks, and how much it leaves undecided in one.

Terms are for ever: an oracle that is not the node's own, a payout address of somebody else's or no time to answer a
stale state would cost the whole deposit. So they are checked before anything is signed, for the user as for autopilots.
"""

from typing import Final

from thalweg.api.backend import Backend
from thalweg.channel.opening import Opening
from thalweg.channel.terms import CloseOut, Terms
from thalweg.errors import Reason, UserFault
from thalweg.units import ZERO_HASH, Amount, ChannelId, mul_div_down

UNDECIDED_SHARE: Final = 10  # of a channel's deposits, one part in so many


def check_opening(backend: Backend, opening: Opening) -> None:
    """Return if this node may sign a proposed opening.

    Raises:
        UserFault: what is wrong with it, and what to do; the user's own word does not make it right.
    """
    terms, me = opening.terms, backend.engine.node.identity
    _check_product(terms)
    if terms.oracle != backend.oracle:
        raise UserFault(
            Reason.WRONG_CONTRACT,
            f"it settles by the oracle 0x{terms.oracle.hex()}, this node by 0x{backend.oracle.hex()}: decline it, or "
            "agree on one oracle and name it in both deployment files",
        )
    for asset in terms.assets:
        backend.asset(asset)
    if terms.assets[terms.settlement] != backend.settlement.address:
        raise UserFault(
            Reason.UNKNOWN_INSTRUMENT,
            f"it settles in 0x{terms.assets[terms.settlement].hex()}, this node in {backend.settlement.symbol}: "
            "decline it, and ask for that asset",
        )
    if terms.payouts[opening.seat] != me.payout or opening.payers[opening.seat] != me.payer:
        raise UserFault(
            Reason.MALFORMED,
            f"it would take this node's deposit from 0x{opening.payers[opening.seat].hex()} and pay it out to "
            f"0x{terms.payouts[opening.seat].hex()}, which are not both this node's: decline it, and do not trust "
            "who proposed it",
        )
    check_challenge_period(backend, terms.challenge_period_s)


def _check_product(terms: Terms) -> None:
    if len(terms.participants) != 2:
        raise UserFault(Reason.UNKNOWN_FEATURE, "only channels of two can be used from here yet: decline it")
    if terms.close_out != CloseOut.EXPIRY or terms.risk_params_hash != ZERO_HASH:
        raise UserFault(
            Reason.UNKNOWN_FEATURE,
            "it closes out at the mark, or by collateral rules this node does not know: decline it, and ask for one "
            "that is fully collateralised until expiry",
        )


def check_challenge_period(backend: Backend, period_s: int) -> None:
    """Return if a challenge leaves this node enough time to answer.

    Raises:
        UserFault: MALFORMED.
    """
    least_s = backend.challenge_period_s_min
    if period_s < least_s:
        raise UserFault(
            Reason.MALFORMED,
            f"a challenge period of {period_s} s leaves too little time to answer a stale state, this node wants "
            f"{least_s} s: agree on a longer one, or start the node with a shorter --challenge-period-min",
        )


def check_room(backend: Backend, opening: ChannelId | None = None) -> None:
    """Return if this node's signer can sign for one more channel; for `opening`, where that is known already.

    Raises:
        UserFault: LIMIT.
    """
    node = backend.engine.node
    if backend.room({*node.channels, *node.openings} - {opening}) < 1:
        raise UserFault(
            Reason.LIMIT, "this node's channel key signs for as many channels as it can: run another node for more"
        )


def objection(backend: Backend, opening: Opening) -> str:
    """Return why this node would not join, empty where it would."""
    try:
        check_opening(backend, opening)
    except UserFault as fault:
        return str(fault)
    return ""


def undecided_max(terms: Terms, amounts: tuple[Amount, ...], asked: Amount | None) -> tuple[Amount, ...]:
    """Return by asset what may be at stake in states that are not agreed, in base units.

    `asked` is the limit in the settlement asset; by default it is a tenth of what all deposit, as in other assets.
    """
    assets = len(terms.assets)
    limits = [max(1, mul_div_down(sum(amounts[asset::assets]), 1, UNDECIDED_SHARE)) for asset in range(assets)]
    if asked is not None:
        limits[terms.settlement] = asked
    return tuple(Amount(limit) for limit in limits)
