# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title Pull oracle
@license Apache-2.0
@notice Settles by a Pyth-style pull oracle: the price at a time is the first one published at or after it, within a
        minute. Anybody brings the signed updates and pays their fee; the feed is the oracle's own price id.
@dev `parsePriceFeedUpdatesUnique` proves that nothing was published in between: an update carries the time of the one
     before it. IPyth.sol in https://github.com/pyth-network/pyth-crosschain, target_chains/ethereum/sdk/solidity
"""


# -- imports -----------------------------------------------------------------------------------------------------------

import IOracle
import svi


# -- module state ------------------------------------------------------------------------------------------------------

implements: IOracle


# -- structs -----------------------------------------------------------------------------------------------------------

struct PublishedPrice:
    price: int64
    conf: uint64
    expo: int32
    publishTime: uint256

struct PriceFeed:
    id: bytes32
    price: PublishedPrice
    emaPrice: PublishedPrice


# -- interfaces --------------------------------------------------------------------------------------------------------

interface Pyth:
    def getUpdateFee(updateData: DynArray[Bytes[UPDATE_BYTES], UPDATES_MAX]) -> uint256: view
    def parsePriceFeedUpdatesUnique(
        updateData: DynArray[Bytes[UPDATE_BYTES], UPDATES_MAX],
        priceIds: DynArray[bytes32, 1],
        minPublishTime: uint64,
        maxPublishTime: uint64,
    ) -> DynArray[PriceFeed, 1]: payable


# -- constants ---------------------------------------------------------------------------------------------------------

UPDATES_MAX: constant(uint256) = 2
UPDATE_BYTES: constant(uint256) = 8192
_KNOWN: constant(uint256) = 1 << 255
_VOID: constant(uint256) = 1 << 254
_PRICE_MAX: constant(uint256) = (1 << 63) - 1
_WINDOW_S: constant(uint64) = 60
_EXPONENT: constant(int256) = -8  # of our prices
_EXPONENT_REACH: constant(int256) = 18


# -- immutables --------------------------------------------------------------------------------------------------------

PYTH: public(immutable(address))


# -- storage -----------------------------------------------------------------------------------------------------------

# @dev Feed to time to the report: known (1 bit) | void (1 bit) | price.
_reports: HashMap[bytes32, HashMap[uint64, uint256]]


# -- events ------------------------------------------------------------------------------------------------------------

event Registered:
    feed: indexed(bytes32)
    time: indexed(uint64)
    is_void: bool
    price: uint256


# -- construction ------------------------------------------------------------------------------------------------------

@deploy
def __init__(pyth: address):
    """
    @param pyth The oracle that checks the updates' signatures.
    """
    PYTH = pyth


# -- external ----------------------------------------------------------------------------------------------------------

@external
@payable
def register(feed: bytes32, time: uint64, updates: DynArray[Bytes[UPDATE_BYTES], UPDATES_MAX]):
    """
    @notice Register the price at a time. What is not a price above zero is a void.
    @param feed The price id.
    @param time The expiry or tick.
    @param updates Signed updates, as the oracle takes them; their fee comes with the call, what is over goes back.
    """
    assert self._reports[feed][time] == 0, "oracle: exists already"
    assert block.timestamp >= convert(time, uint256), "oracle: not yet"
    fee: uint256 = staticcall Pyth(PYTH).getUpdateFee(updates)
    assert msg.value >= fee, "oracle: insufficient balance"
    found: DynArray[PriceFeed, 1] = extcall Pyth(PYTH).parsePriceFeedUpdatesUnique(
        updates, [feed], time, time + _WINDOW_S, value=fee
    )
    assert len(found) == 1 and found[0].id == feed, "oracle: bad oracle report"
    published: uint256 = found[0].price.publishTime
    assert published >= convert(time, uint256) and published <= convert(time + _WINDOW_S, uint256), (
        "oracle: bad oracle report"
    )
    price: uint256 = self._scaled(found[0].price)
    is_void: bool = price == 0 or price > _PRICE_MAX
    self._reports[feed][time] = _KNOWN | (_VOID if is_void else price)
    log Registered(feed=feed, time=time, is_void=is_void, price=0 if is_void else price)
    if msg.value > fee:
        send(msg.sender, msg.value - fee)


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
    @notice A pull oracle knows no surfaces: every mark is void here.
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
@pure
def _scaled(published: PublishedPrice) -> uint256:
    """
    @notice Return a published price scaled by 1e8; zero where it is none.
    """
    powers: int256 = convert(published.expo, int256) - _EXPONENT
    if published.price <= 0 or powers > _EXPONENT_REACH or powers < -_EXPONENT_REACH:
        return 0
    price: uint256 = convert(convert(published.price, int256), uint256)
    if powers >= 0:
        return price * 10 ** convert(powers, uint256)
    return price // 10 ** convert(-powers, uint256)
