# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title Aggregator oracle
@license Apache-2.0
@notice Settles by a Chainlink-style aggregator: the price at a time is that of the first round at or after it. Anybody
        registers it by naming the round; the rounds around it prove that it is the first. The feed is the proxy's
        address, as a word.
@dev A proxy's round id is phase << 64 | the aggregator's own round; a new aggregator begins a new phase. An old one may
     go on for a while, so the earliest phase that still reports counts: who names a round must show that the phase before
     it ended before the time. AggregatorV3Interface and phases: https://docs.chain.link/data-feeds/historical-data/
"""


# -- imports -----------------------------------------------------------------------------------------------------------

import IOracle
import svi


# -- module state ------------------------------------------------------------------------------------------------------

implements: IOracle


# -- interfaces --------------------------------------------------------------------------------------------------------

interface Aggregator:
    def decimals() -> uint8: view


# -- constants ---------------------------------------------------------------------------------------------------------

_KNOWN: constant(uint256) = 1 << 255
_VOID: constant(uint256) = 1 << 254
_PRICE_MAX: constant(uint256) = (1 << 63) - 1
_DECIMALS: constant(uint256) = 8  # of our prices
_DECIMALS_MAX: constant(uint256) = 36
_ROUND_MASK: constant(uint256) = (1 << 64) - 1


# -- storage -----------------------------------------------------------------------------------------------------------

# @dev Feed to time to the report: known (1 bit) | void (1 bit) | price.
_reports: HashMap[bytes32, HashMap[uint64, uint256]]


# -- events ------------------------------------------------------------------------------------------------------------

event Registered:
    feed: indexed(bytes32)
    time: indexed(uint64)
    round: uint80
    is_void: bool
    price: uint256


# -- external ----------------------------------------------------------------------------------------------------------

@external
def register(feed: bytes32, time: uint64, round: uint80, ended: uint80):
    """
    @notice Register the price at a time. A round without a price above zero is a void.
    @param feed The proxy's address, as a word.
    @param time The expiry or tick.
    @param round The first round at or after it.
    @param ended The last round of the phase before that round's; zero where that is the first phase.
    """
    assert self._reports[feed][time] == 0, "oracle: exists already"
    proxy: address = convert(convert(feed, uint256), address)
    answer: int256 = 0
    updated: uint256 = 0
    answer, updated = self._round(proxy, round)
    at: uint256 = convert(time, uint256)
    assert updated >= at and updated <= block.timestamp, "oracle: not yet"
    phase: uint256 = convert(round, uint256) >> 64
    is_first: bool = convert(round, uint256) & _ROUND_MASK == 1
    if not is_first:
        assert self._is_before(proxy, round - 1, at), "oracle: bad oracle report"
    if phase > 1:
        assert convert(ended, uint256) >> 64 == phase - 1, "oracle: malformed"
        assert self._is_before(proxy, ended, at), "oracle: bad oracle report"
        assert self._updated(proxy, ended + 1) == 0, "oracle: bad oracle report"
    else:
        assert not is_first and ended == 0, "oracle: malformed"
    price: uint256 = self._scaled(proxy, answer)
    is_void: bool = price == 0 or price > _PRICE_MAX
    self._reports[feed][time] = _KNOWN | (_VOID if is_void else price)
    log Registered(feed=feed, time=time, round=round, is_void=is_void, price=0 if is_void else price)


@external
@view
def settlement(feed: bytes32, time: uint64) -> (bool, bool, uint256):
    """
    @notice Return the price an expiry settles at: is it known, is it void, the price scaled by 1e8.
    """
    return self._told(feed, time)


@external
@view
def mark(feed: bytes32, time: uint64) -> (bool, bool, uint256):
    """
    @notice Return the index at a tick: is it known, is it void, the price scaled by 1e8.
    """
    return self._told(feed, time)


@external
@view
def smile(feed: bytes32, time: uint64, expiry: uint64) -> (bool, bool, svi.Smile):
    """
    @notice An aggregator knows no surfaces: every mark is void here.
    """
    known: bool = self._reports[feed][time] != 0
    return (known, known, empty(svi.Smile))


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@view
def _told(feed: bytes32, time: uint64) -> (bool, bool, uint256):
    report: uint256 = self._reports[feed][time]
    return (report & _KNOWN != 0, report & _VOID != 0, report & _PRICE_MAX)


@internal
@view
def _is_before(proxy: address, round: uint80, time: uint256) -> bool:
    updated: uint256 = self._updated(proxy, round)
    return updated != 0 and updated < time


@internal
@view
def _updated(proxy: address, round: uint80) -> uint256:
    answer: int256 = 0
    updated: uint256 = 0
    answer, updated = self._round(proxy, round)
    return updated


@internal
@view
def _round(proxy: address, round: uint80) -> (int256, uint256):
    """
    @notice Return a round's answer and when it was given; zeros where there is no such round: some aggregators refuse
            the question, others answer with zeros.
    """
    success: bool = False
    answer: Bytes[160] = b""
    success, answer = raw_call(
        proxy,
        abi_encode(round, method_id=method_id("getRoundData(uint80)")),
        max_outsize=160,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not success or len(answer) < 160:
        return (0, 0)
    return (extract32(answer, 32, output_type=int256), extract32(answer, 96, output_type=uint256))


@internal
@view
def _scaled(proxy: address, answer: int256) -> uint256:
    """
    @notice Return an answer scaled by 1e8; zero where it is no price.
    """
    decimals: uint256 = convert(staticcall Aggregator(proxy).decimals(), uint256)
    if answer <= 0 or answer >= 2**192 or decimals > _DECIMALS_MAX:
        return 0
    if decimals <= _DECIMALS:
        return convert(answer, uint256) * 10 ** (_DECIMALS - decimals)
    return convert(answer, uint256) // 10 ** (decimals - _DECIMALS)
