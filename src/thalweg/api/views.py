"""What the API shows of the node's state: plain structs, every number a decimal string."""

import msgspec

from thalweg.api.backend import Asset, Backend
from thalweg.api.decimals import format_decimal
from thalweg.api.joining import objection
from thalweg.channel.claims import Position
from thalweg.channel.opening import Opening
from thalweg.channel.operations import Leg, Offer
from thalweg.channel.state import Channel, phase
from thalweg.instruments.report import Settlement, SignedReport
from thalweg.instruments.terms import Instrument
from thalweg.market.names import name_of, pair_of
from thalweg.network.peer_id import PeerId
from thalweg.units import SCALE, mul_div_toward_zero

SCALE_DECIMALS = 8


class HoldingView(msgspec.Struct, frozen=True):
    """One participant's money in one asset, by the newest agreed state."""

    seat: int
    me: bool
    asset: str
    balance: str
    free: str
    required: str
    deposited: str
    withdrawn: str


class DisputeView(msgspec.Struct, frozen=True):
    """A challenge under way."""

    version: int
    deadline: int
    challenger: int
    settled: int


class ChainView(msgspec.Struct, frozen=True):
    """What the chain says of a channel, at the head. Totals by participant and asset."""

    opened: bool
    closed: bool
    deposited: tuple[str, ...]
    withdrawn: tuple[str, ...]
    dispute: DisputeView | None
    calls: tuple[str, ...]


class PositionView(msgspec.Struct, frozen=True):
    """A live position as this node sees it: `quantity` is negative where it is short."""

    channel: str
    id: int
    instrument: str
    quantity: str
    counterparty: str
    expiry: int


class ChannelView(msgspec.Struct, frozen=True):
    """A channel. `version` is agreed; `offered` states are not yet; `waiting` operations are in no state yet."""

    id: str
    phase: str
    seat: int
    peers: tuple[str, ...]
    connected: bool
    version: int
    offered: int
    waiting: int
    recovering: bool
    leaving: str
    holdings: tuple[HoldingView, ...]
    positions: tuple[PositionView, ...]
    chain: ChainView
    challenge_period_s: int
    expected: str


class LegView(msgspec.Struct, frozen=True):
    """One leg of an offer. `side` and `premium` are this node's: a negative premium is paid by it."""

    instrument: str
    side: str
    quantity: str
    price: str
    premium: str


class OfferView(msgspec.Struct, frozen=True):
    """An open offer, made by this node or to it. `premium` is what this node receives in all."""

    channel: str
    id: str
    mine: bool
    legs: tuple[LegView, ...]
    premium: str
    valid_until: int


class ProposalView(msgspec.Struct, frozen=True):
    """A channel somebody wants to open, or that this node has asked for. Amounts by participant and asset.

    `seat` is this node's; `payouts` are where participants are paid in the end, `payers` whose wallets deposit.
    `objection` says why this node does not join it, if so.
    """

    id: str
    mine: bool
    peer: str
    seat: int
    own: tuple[str, ...]
    amounts: tuple[str, ...]
    assets: tuple[str, ...]
    settlement: str
    payouts: tuple[str, ...]
    payers: tuple[str, ...]
    oracle: str
    close_out: str
    challenge_period_s: int
    objection: str
    deadline: int


class ReportView(msgspec.Struct, frozen=True):
    """A settlement an oracle quorum signed."""

    pair: str
    time: int
    price: str
    void: bool
    signers: tuple[int, ...]


def _assets(backend: Backend, channel: Channel) -> list[Asset]:
    unknown = (Asset(address, f"0x{address.hex()}", 0) for address in channel.terms.assets)
    return [backend.assets.get(asset.address, asset) for asset in unknown]


def instrument_text(instrument: Instrument) -> str:
    """Return an instrument's name, or a description of one that has none."""
    name = name_of(instrument)
    return name or f"{pair_of(instrument.feed)}-{instrument.expiry}-{instrument.payoff.name}"


def channel_view(backend: Backend, channel: Channel) -> ChannelView:
    """Return a channel, all of it."""
    links = set(backend.host.peers())
    return ChannelView(
        id=channel.id.hex(),
        phase=phase(channel),
        seat=channel.seat,
        peers=tuple(str(PeerId(peer)) for peer in channel.peers),
        connected=all(peer in links for seat, peer in enumerate(channel.peers) if seat != channel.seat),
        version=channel.agreed.version,
        offered=len(channel.offered),
        waiting=len(channel.queue),
        recovering=channel.recovering,
        leaving=channel.leaving,
        holdings=_holdings(backend, channel),
        positions=positions_of(channel),
        chain=_chain_view(backend, channel),
        challenge_period_s=channel.terms.challenge_period_s,
        expected=_expected(backend, channel),
    )


def _holdings(backend: Backend, channel: Channel) -> tuple[HoldingView, ...]:
    assets = _assets(backend, channel)
    sheet = channel.agreed.sheet
    views = []
    for index, holding in enumerate(sheet.holdings):
        seat, at = divmod(index, len(assets))
        asset = assets[at]
        required = sheet.required[seat] if at == channel.terms.settlement else 0
        views.append(
            HoldingView(
                seat=seat,
                me=seat == channel.seat,
                asset=asset.symbol,
                balance=asset.format(holding.balance),
                free=asset.format(holding.free),
                required=asset.format(required),
                deposited=asset.format(holding.deposited),
                withdrawn=asset.format(holding.withdrawn),
            )
        )
    return tuple(views)


def _chain_view(backend: Backend, channel: Channel) -> ChainView:
    assets, head = _assets(backend, channel), channel.head
    dispute = head.dispute

    def cells(totals: tuple[int, ...]) -> tuple[str, ...]:
        return tuple(assets[index % len(assets)].format(total) for index, total in enumerate(totals))

    return ChainView(
        opened=head.opened,
        closed=head.closed,
        deposited=cells(head.deposited),
        withdrawn=cells(head.withdrawn),
        dispute=None
        if dispute is None
        else DisputeView(dispute.version, dispute.deadline, dispute.challenger, dispute.progress.cursor),
        calls=tuple(type(item.call).__name__ for item in channel.calls),
    )


def _expected(backend: Backend, channel: Channel) -> str:
    """Return what this node is entitled to of the settlement asset, live positions aside."""
    assets = len(channel.terms.assets)
    index = channel.seat * assets + channel.terms.settlement
    holding = channel.agreed.sheet.holdings[index]
    uncounted = (channel.head.deposited[index] if channel.head.deposited else 0) - holding.deposited
    unpaid = holding.withdrawn - (channel.head.withdrawn[index] if channel.head.withdrawn else 0)
    return _assets(backend, channel)[channel.terms.settlement].format(holding.balance + uncounted + unpaid)


def positions_of(channel: Channel) -> tuple[PositionView, ...]:
    """Return this node's live positions in a channel."""
    views = []
    for claim in channel.agreed.sheet.claims:
        if isinstance(claim, Position) and channel.seat in (claim.long, claim.short):
            sign = 1 if claim.long == channel.seat else -1
            other = claim.short if sign > 0 else claim.long
            views.append(
                PositionView(
                    channel=channel.id.hex(),
                    id=claim.id,
                    instrument=instrument_text(claim.instrument),
                    quantity=format_decimal(sign * claim.quantity, SCALE_DECIMALS),
                    counterparty=str(PeerId(channel.peers[other])),
                    expiry=claim.instrument.expiry,
                )
            )
    return tuple(views)


def offer_views(backend: Backend, channel: Channel) -> list[OfferView]:
    """Return the offers that are open in a channel."""
    asset = _assets(backend, channel)[channel.terms.settlement]
    return [_offer_view(channel, asset, offer) for offer in channel.offers]


def _offer_view(channel: Channel, asset: Asset, offer: Offer) -> OfferView:
    received = sum(leg.premium if leg.short == channel.seat else -leg.premium for leg in offer.legs)
    return OfferView(
        channel=channel.id.hex(),
        id=offer.id.hex(),
        mine=offer.maker == channel.seat,
        legs=tuple(_leg_view(channel, asset, leg) for leg in offer.legs),
        premium=asset.format(received),
        valid_until=offer.valid_until,
    )


def _leg_view(channel: Channel, asset: Asset, leg: Leg) -> LegView:
    long = leg.long == channel.seat
    unit_price = mul_div_toward_zero(leg.premium, SCALE * SCALE, leg.quantity * leg.instrument.unit)
    return LegView(
        instrument=instrument_text(leg.instrument),
        side="buy" if long else "sell",
        quantity=format_decimal(leg.quantity, SCALE_DECIMALS),
        price=format_decimal(unit_price, SCALE_DECIMALS),
        premium=asset.format(-leg.premium if long else leg.premium),
    )


def proposal_view(backend: Backend, opening: Opening) -> ProposalView:
    """Return an opening under way."""
    assets = [backend.assets.get(address, Asset(address, f"0x{address.hex()}", 0)) for address in opening.terms.assets]
    shown = tuple(assets[index % len(assets)].format(amount) for index, amount in enumerate(opening.amounts))
    mine = slice(opening.seat * len(assets), (opening.seat + 1) * len(assets))
    return ProposalView(
        id=opening.id.hex(),
        mine=opening.seat == 0,
        peer=str(PeerId(opening.peers[1 if opening.seat == 0 else 0])),
        own=shown[mine],
        amounts=shown,
        seat=opening.seat,
        assets=tuple(asset.symbol for asset in assets),
        settlement=assets[opening.terms.settlement].symbol,
        payouts=tuple(f"0x{payout.hex()}" for payout in opening.terms.payouts),
        payers=tuple(f"0x{payer.hex()}" for payer in opening.payers),
        oracle=f"0x{opening.terms.oracle.hex()}",
        close_out=opening.terms.close_out.name.lower(),
        challenge_period_s=opening.terms.challenge_period_s,
        objection=objection(backend, opening),
        deadline=opening.deadline,
    )


def report_view(signed: SignedReport) -> ReportView | None:
    """Return a settlement report; None for a mark."""
    report = signed.report
    if not isinstance(report, Settlement):
        return None
    price = format_decimal(report.price, SCALE_DECIMALS)
    return ReportView(pair_of(report.feed), report.time, price, report.is_void, signed.signers)
