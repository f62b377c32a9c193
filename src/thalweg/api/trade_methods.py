"""Methods about trades: offer one, see, take or decline those of others, look at positions."""

import secrets
from typing import Any, Final

from thalweg.api.backend import Asset, Backend
from thalweg.api.decimals import parse_decimal
from thalweg.api.params import ChannelOnly, DeclineOffer, Nothing, Take, Trade, TradeLeg
from thalweg.api.verdicts import OfferJudge, OperationsJudge
from thalweg.api.views import SCALE_DECIMALS, OfferView, PositionView, offer_views, positions_of
from thalweg.api.waiting import ask, new_request
from thalweg.channel.events import OfferRequested, TakeRequested
from thalweg.channel.operations import Leg, Offer
from thalweg.channel.state import Channel
from thalweg.errors import Reason, UserFault
from thalweg.market.names import instrument_of
from thalweg.units import PRICE_MAX, QUANTITY_MAX, SCALE, Hash, Quantity, Seat, UnixSeconds, mul_div_down

_OFFER_ID_BYTES: Final = 32


async def offers(backend: Backend, params: ChannelOnly) -> list[OfferView]:
    """Return the open offers, of one channel or of all."""
    known = backend.engine.node.channels.values()
    items = [backend.channel(params.channel)] if params.channel else [item for item in known if not item.head.closed]
    return [view for item in items for view in offer_views(backend, item)]


async def trade(backend: Backend, params: Trade) -> dict[str, Any]:
    """Offer a trade, and wait until the other side has taken or declined it."""
    item = backend.channel(params.channel)
    if len(item.peers) != 2:
        raise UserFault(Reason.UNKNOWN_FEATURE, "only channels of two can be used from here yet")
    asset = backend.asset(item.terms.assets[item.terms.settlement])
    now, request = backend.now(), new_request()
    offer = Offer(
        id=Hash(secrets.token_bytes(_OFFER_ID_BYTES)),
        maker=item.seat,
        taker=Seat(1 - item.seat),
        legs=tuple(_leg(item, asset, leg) for leg in params.legs),
        valid_until=UnixSeconds(now + params.valid_s),
    )
    event = OfferRequested(now, request, item.id, offer)
    version = await ask(backend, event, OfferJudge(request, item.id), params.wait_s, "the offer")
    return {"channel": item.id.hex(), "offer": offer.id.hex(), "version": version}


def _leg(item: Channel, asset: Asset, leg: TradeLeg) -> Leg:
    """Return a leg as both sides sign it. The premium is price x quantity, rounded down to the base unit."""
    unit = 10**asset.decimals
    quantity = parse_decimal(leg.quantity, SCALE_DECIMALS, "quantity")
    price = parse_decimal(leg.price, SCALE_DECIMALS, "price")
    if not 0 < quantity <= QUANTITY_MAX:
        raise UserFault(Reason.NEGATIVE, f"quantity {leg.quantity} must be positive and below 92 billion")
    if not 0 <= price <= PRICE_MAX:
        raise UserFault(Reason.NEGATIVE, f"price {leg.price} must not be negative, and below 92 billion")
    me, other = item.seat, Seat(1 - item.seat)
    long, short = (me, other) if leg.side == "buy" else (other, me)
    instrument = instrument_of(leg.instrument, item.terms.oracle, unit)
    premium = mul_div_down(price * quantity, unit, SCALE * SCALE)
    return Leg(instrument, long, short, Quantity(quantity), premium)


def _offer(backend: Backend, channel: str, text: str) -> tuple[Channel, Offer]:
    """Return an offer made to this node, by the beginning of its id."""
    given = text[:66].lower().removeprefix("0x")
    items = [backend.channel(channel)] if channel else list(backend.engine.node.channels.values())
    found = [
        (item, offer)
        for item in items
        for offer in item.offers
        if offer.taker == item.seat and offer.id.hex().startswith(given)
    ]
    if len(found) != 1:
        raise UserFault(
            Reason.UNKNOWN_OFFER, f"{len(found)} offers to this node begin with {given!r}; it may have expired"
        )
    return found[0]


async def take(backend: Backend, params: Take) -> dict[str, Any]:
    """Take an offer, and wait until it is in an agreed state."""
    item, offer = _offer(backend, params.channel, params.offer)
    request = new_request()
    event = TakeRequested(backend.now(), request, item.id, offer.id)
    outcome = await ask(backend, event, OperationsJudge(request, item.id, item.seat), params.wait_s, "the trade")
    return {"channel": item.id.hex(), "offer": offer.id.hex(), "version": outcome.version}


async def decline_offer(backend: Backend, params: DeclineOffer) -> dict[str, Any]:
    """Decline an offer."""
    item, offer = _offer(backend, params.channel, params.offer)
    backend.request(TakeRequested(backend.now(), new_request(), item.id, offer.id, accept=False, detail=params.why))
    return {"declined": offer.id.hex()}


async def positions(backend: Backend, _: Nothing) -> list[PositionView]:
    """Return this node's live positions in all channels."""
    return [view for item in backend.engine.node.channels.values() for view in positions_of(item)]


METHODS: Final = {
    "offers": (ChannelOnly, offers),
    "trade": (Trade, trade),
    "take": (Take, take),
    "decline_offer": (DeclineOffer, decline_offer),
    "positions": (Nothing, positions),
}
