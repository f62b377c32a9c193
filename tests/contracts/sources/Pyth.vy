# pragma version 0.4.3
# pragma evm-version cancun
"""
@title A Pyth-style oracle: IPyth's two functions that parse updates
@license Apache-2.0
@notice An update is abi.encode(PriceFeed, prevPublishTime), as MockPyth has it; each costs one wei. The unique one of a
        time is that with prevPublishTime < time <= publishTime.
"""

struct Price:
    price: int64
    conf: uint64
    expo: int32
    publishTime: uint256

struct PriceFeed:
    id: bytes32
    price: Price
    emaPrice: Price


_lie: Bytes[512]


@external
def lie(answer: Bytes[512]):
    """
    @notice Answer with this from now on, whatever an update says.
    """
    self._lie = answer


@external
@view
def getUpdateFee(updateData: DynArray[Bytes[8224], 3]) -> uint256:
    return len(updateData)


@external
@payable
def parsePriceFeedUpdatesUnique(
    updateData: DynArray[Bytes[8224], 3], priceIds: DynArray[bytes32, 1], minPublishTime: uint64, maxPublishTime: uint64
) -> DynArray[PriceFeed, 1]:
    assert msg.value >= len(updateData), "pyth: fee"
    if len(self._lie) != 0:
        return abi_decode(self._lie, DynArray[PriceFeed, 1])
    for update: Bytes[8224] in updateData:
        feed: PriceFeed = empty(PriceFeed)
        before: uint64 = 0
        feed, before = abi_decode(slice(update, 0, 320), (PriceFeed, uint64))
        if feed.id == priceIds[0]:
            at: uint256 = feed.price.publishTime
            if at >= convert(minPublishTime, uint256) and at <= convert(maxPublishTime, uint256) and before < minPublishTime:
                return [feed]
    raise "pyth: PriceFeedNotFoundWithinRange"
