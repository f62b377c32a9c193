# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title Refusals
@license Apache-2.0
@notice The adjudicator's checks that share a reason, each reason once. The reasons are those of thalweg/errors.py.
"""


# -- imports -----------------------------------------------------------------------------------------------------------

import messages


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@pure
def _unless_well_formed(is_well_formed: bool):
    assert is_well_formed, "adjudicator: malformed"


@internal
@pure
def _unless_phase(is_phase: bool):
    assert is_phase, "adjudicator: wrong phase"


@internal
@pure
def _unless_hash(is_hash: bool):
    assert is_hash, "adjudicator: wrong hash"


@internal
@pure
def _unless_newer(is_newer: bool):
    assert is_newer, "adjudicator: stale version"


@internal
@pure
def _unless_signed(is_signed: bool):
    assert is_signed, "adjudicator: wrong signer"


@internal
@pure
def _unless_covered(is_covered: bool):
    assert is_covered, "adjudicator: insufficient balance"


@internal
@view
def _after(last_second: uint256):
    assert block.timestamp <= last_second, "adjudicator: expired"


@internal
@pure
def _unless_in_range(amount: uint256):
    assert amount <= messages.DEPOSIT_MAX, "adjudicator: amount overflows"
