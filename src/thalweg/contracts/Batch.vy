# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title Batch
@license Apache-2.0
@notice Sends many calls in one transaction: a hub closes, answers and settles a hundred channels at once. A call that
        fails, for somebody was faster, stops none of the others. It holds nothing and is trusted by nobody: what it sends
        comes from its own address.
"""


# -- constants ---------------------------------------------------------------------------------------------------------

CALLS_MAX: constant(uint256) = 128
CALL_BYTES: constant(uint256) = 1184  # a closing of two participants with one asset; greater ones go alone


# -- events ------------------------------------------------------------------------------------------------------------

event Failed:
    index: uint256
    reason: Bytes[164]


# -- external ----------------------------------------------------------------------------------------------------------

@external
def call_all(target: address, calls: DynArray[Bytes[CALL_BYTES], CALLS_MAX]):
    """
    @notice Call one contract many times; what fails is logged with its reason.
    @param target The contract, such as the adjudicator.
    @param calls The calls, each with its selector.
    """
    for i: uint256 in range(len(calls), bound=CALLS_MAX):
        self._call(target, calls[i], i)


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
def _call(target: address, message: Bytes[CALL_BYTES], index: uint256):
    """
    @dev A function of its own: its buffers lie below the calls, whose memory is paid for only as far as they reach.
    """
    success: bool = False
    answer: Bytes[164] = b""
    success, answer = raw_call(target, message, max_outsize=164, revert_on_failure=False)
    if not success:
        log Failed(index=index, reason=answer)
