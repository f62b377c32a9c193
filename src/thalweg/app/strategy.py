"""What a node does without asking its user: accepts channels that cost little, takes offers that are good.

Off unless switched on. Decisions are made from the node's state a moment after the notice, never inside the engine.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

import msgspec

from thalweg.api.backend import Backend
from thalweg.api.joining import check_room, objection
from thalweg.api.waiting import new_request
from thalweg.channel.effects import Notify, Topic
from thalweg.channel.events import AcceptRequested, AnyEvent, DeclineRequested, TakeRequested
from thalweg.channel.operations import Offer
from thalweg.channel.state import Channel
from thalweg.errors import ThalwegError, Unavailable
from thalweg.market.smiles import Market
from thalweg.units import SCALE, Amount, UnixSeconds, mul_div_down, mul_div_toward_zero

PPM: Final = 1_000_000
RETRY_S: Final = 0.25  # until what could not be judged is looked at again; proposals and offers run out by themselves
_log: Final = logging.getLogger(__name__)


class Strategy(msgspec.Struct, frozen=True):
    """What is switched on. Amounts in base units of the settlement asset.

    `channels_max`: accept openings whose own deposit is at most this. `market`: take offers at least as good as its
    price, within `edge_ppm` parts per million of what the legs are worth.
    """

    channels_max: Amount | None = None
    market: Market | None = None
    edge_ppm: int = 0


class Autopilot:
    """Follows a strategy on one node."""

    def __init__(self, strategy: Strategy, backend: Backend, crash: Callable[[BaseException], None]) -> None:
        self._strategy = strategy
        self._backend = backend
        self._crash = crash
        self._loop = asyncio.get_running_loop()

    def tell(self, notice: Notify) -> None:
        """Take a notice; act on it in the next turn of the loop."""
        if notice.topic == Topic.OPENING_PROPOSED and self._strategy.channels_max is not None:
            self._loop.call_soon(self._act, self._judge_opening, notice)
        elif notice.topic == Topic.OFFERED and self._strategy.market is not None:
            self._loop.call_soon(self._act, self._judge_offer, notice)

    def _act(self, judge: Callable[[Notify], AnyEvent | None], notice: Notify) -> None:
        try:
            event = judge(notice)
            if event is not None:
                self._backend.request(event)
        except Unavailable as error:  # a node that has just started may not have read the chain yet
            _log.info("looked at again soon: %s", error)
            self._loop.call_later(RETRY_S, self._act, judge, notice)
        except ThalwegError as error:
            _log.info("left to the user: %s", error)
        except Exception as error:  # a bug or a broken invariant: asyncio would only log it
            self._crash(error)

    def _judge_opening(self, notice: Notify) -> AnyEvent | None:
        opening = self._backend.engine.node.openings.get(notice.channel_id)
        if opening is None:
            return None
        terms, now = opening.terms, self._backend.now()
        if why := objection(self._backend, opening):
            return DeclineRequested(now, opening.id, why)
        check_room(self._backend, opening.id)
        own = opening.amounts[opening.seat * len(terms.assets) : (opening.seat + 1) * len(terms.assets)]
        if len(terms.assets) != 1 or own[0] > (self._strategy.channels_max or 0):
            _log.info("channel %s asks for a deposit above the limit: left to the user", opening.id.hex()[:16])
            return None
        return AcceptRequested(now, opening.id, self._backend.policy(terms, opening.amounts, None))

    def _judge_offer(self, notice: Notify) -> AnyEvent | None:
        channel = self._backend.engine.node.channels.get(notice.channel_id)
        offer = None if channel is None else next((o for o in channel.offers if o.id.hex() == notice.detail), None)
        if channel is None or offer is None or offer.taker != channel.seat or self._strategy.market is None:
            return None
        now, request = self._backend.now(), new_request()
        gain, worth = value_of(offer, channel, self._strategy.market, now)
        slack = mul_div_down(worth, self._strategy.edge_ppm, PPM)
        if gain + slack >= 0:
            return TakeRequested(now, request, channel.id, offer.id)
        why = "worse than my model's price by more than my edge"
        return TakeRequested(now, request, channel.id, offer.id, accept=False, detail=why)


def value_of(offer: Offer, channel: Channel, market: Market, now: UnixSeconds) -> tuple[int, int]:
    """Return what an offer gains this node against the model, and what its legs are worth in all, in base units.

    Raises:
        UserFault: the market has no price for a leg.
    """
    gain = worth = 0
    for leg in offer.legs:
        price = market.price(leg.instrument, now)
        value = mul_div_toward_zero(price * leg.quantity, leg.instrument.unit, SCALE * SCALE)
        long = leg.long == channel.seat
        gain += value - leg.premium if long else leg.premium - value
        worth += abs(value)
    return gain, worth
