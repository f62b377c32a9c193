"""States as participants in a siege agree to them: sound ones, whose sums add up, and nonsense."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec
from eth_abi import abi as codec
from hypothesis import strategies as st
from tests.contracts.claims import lock, option
from tests.contracts.family import Kid
from tests.contracts.reference.accounts import Account, Dispute
from tests.contracts.reference.outcomes import Facts, delivery, moves
from tests.contracts.reference.shares import Cell, settled
from tests.contracts.scene import FEED, Channel, State

from thalweg.chain.artefacts import RESOLVER, entries
from thalweg.chain.calls import Invocation
from thalweg.channel.claims import UNCONDITIONAL, Claim, Condition, HashLock, Position, Subchannel
from thalweg.channel.sheet import Holding
from thalweg.channel.terms import Terms
from thalweg.instruments.terms import Instrument, Payoff, Style, knot
from thalweg.units import SCALE, VERSION_FINAL, Amount, ClaimId, Hash, Price, Quantity, Seat, UnixSeconds, Version

CLAIMS_MAX: Final = 5
_LOAN: Final = st.sampled_from((0, 0, 1, 5, 1000))
_WORD: Final = st.sampled_from((0, 1, 2**127, 2**128 - 1, 10**6, 77))


def preimage(number: int) -> bytes:
    """Return one of a few preimages."""
    return bytes([number]) * 32


def image(number: int) -> Hash:
    """Return its hash."""
    return Hash(sha256(preimage(number)).digest())


class Held(NamedTuple):
    """What a state divides: the totals of a channel with such terms, among its people."""

    terms: Terms
    deposited: Sequence[int]
    withdrawn: Sequence[int]


def state(
    data: st.DataObject,
    channel: Channel,
    version: int,
    expiries: tuple[int, ...],
    *,
    is_sound: bool,
    is_final: bool = False,
    tick: int = 0,
    kid: Kid | None = None,
) -> State:
    """Return a state that everybody signed; a final one has no claims. Its collateral was computed on `tick`."""
    held = Held(channel.terms, channel.view.deposited, channel.view.withdrawn)
    claims = [] if is_final else _claims(data, held.terms, expiries, kid)
    holdings, claims = _holdings(data, held, claims, is_sound=is_sound)
    return channel.state(Version(version), holdings, claims, mark_time=tick if claims else 0)


def kids_state(
    data: st.DataObject,
    kid: Kid,
    version: int,
    expiries: tuple[int, ...],
    *,
    is_sound: bool,
    tick: int = 0,
) -> State:
    """Return a child's state that everybody signed; a final one has no claims."""
    held = Held(kid.child.terms, kid.child.amounts, [0] * len(kid.child.amounts))
    claims = [] if version == VERSION_FINAL else _claims(data, held.terms, expiries, kid)
    holdings, claims = _holdings(data, held, claims, is_sound=is_sound)
    return kid.state(Version(version), holdings, claims, mark_time=tick if claims else 0)


def _holdings(
    data: st.DataObject, held: Held, claims: list[Claim], *, is_sound: bool
) -> tuple[list[Holding], list[Claim]]:
    """Return holdings that add up, and claims that can; or any."""
    if is_sound:
        return _shared_out(data, held, claims)
    draws = st.builds(Holding, *(_WORD.map(Amount),) * 4)
    count = len(held.deposited)
    return data.draw(st.lists(draws, min_size=count, max_size=count)), claims


def given(state: State, account: Account, withdrawn: Sequence[int]) -> list[int] | None:
    """Return what a state without claims says that every cell has been paid in the end, in the plainest words: its
    balance, what it was paid before, and deposits not counted yet. None where the state does not add up."""
    if state.claims or not state.state.version:
        return None
    columns = zip(state.holdings, account.deposited, strict=True)
    paid = [one.balance + one.withdrawn + deposited - one.deposited for one, deposited in columns]
    for asset in range(account.assets):
        if sum(paid[asset :: account.assets]) != sum(account.deposited[asset :: account.assets]):
            return None
    return paid if all(much >= before for much, before in zip(paid, withdrawn, strict=True)) else None


def settled_at_once(
    dispute: Dispute, terms: Terms, totals: Sequence[tuple[int, int]], facts: Facts
) -> list[int] | None:
    """Return what every cell has been paid in all, settled at one go; None where the state does not add up.

    What is resolved stays so: the facts are those of the claims that are not.
    """
    assets, state = len(terms.assets), dispute.state
    none = [0] * len(totals)
    resolved = zip(state.holdings, totals, dispute.margin or none, dispute.escrow or none, strict=True)
    cells = [Cell(holding, *total, margin, escrow) for holding, total, margin, escrow in resolved]
    for claim in state.claims[dispute.cursor :]:
        for move in moves(claim, terms.settlement, state.mark_time, facts):
            cell = cells[move.seat * assets + move.asset]
            if move.is_escrow:
                cell.escrow += move.amount
            else:
                cell.margin += move.amount
    paid = [0] * len(cells)
    for asset in range(assets):
        column = cells[asset::assets]
        if not _adds_up(column):
            return None
        due = settled(column)
        paid[asset::assets] = [cell.withdrawn + more for cell, more in zip(column, due, strict=True)]
    return paid


def _adds_up(column: list[Cell]) -> bool:
    """Say whether balances, escrow and withdrawals are the deposits, and nobody was paid more than he is due."""
    counted = [cell.holding for cell in column]
    given = sum(one.balance + one.withdrawn for one in counted) + sum(cell.escrow for cell in column)
    in_bounds = all(0 <= one.free <= one.balance for one in counted)
    is_due = all(cell.base - cell.escrow + cell.at_risk >= 0 for cell in column)
    return in_bounds and is_due and given == sum(one.deposited for one in counted)


def run_of(invocation: Invocation) -> list[bytes]:
    """Return the claims, as words, that a `resolve` carries."""
    return list(codec.decode(entries(RESOLVER)["resolve"].inputs, invocation.data[4:])[9])


def _shared_out(data: st.DataObject, held: Held, claims: list[Claim]) -> tuple[list[Holding], list[Claim]]:
    """Divide what the channel holds among balances, withdrawals on their way, and the escrow of its claims."""
    assets, count = len(held.terms.assets), len(held.deposited)
    holdings: list[Holding] = [Holding()] * count
    kept = list(claims)
    for asset in range(assets):
        cells = range(asset, count, assets)
        left = sum(held.deposited[cell] - held.withdrawn[cell] for cell in cells)
        for index, claim in enumerate(kept):
            wanted = _escrow(claim, asset, held.terms)
            if wanted > left:
                kept[index] = claim = _without_escrow(claim)
                wanted = 0
            left -= wanted
        for cell in cells:
            mine = left if cell == cells[-1] else data.draw(st.integers(0, left))
            left -= mine
            leaving = data.draw(st.one_of(st.just(0), st.integers(0, mine)))
            free = data.draw(st.integers(0, mine - leaving))
            counted = (Amount(held.deposited[cell]), Amount(held.withdrawn[cell] + leaving))
            holdings[cell] = Holding(Amount(mine - leaving), Amount(free), *counted)
    return holdings, kept


def _escrow(claim: Claim, asset: int, terms: Terms) -> int:
    settlement = terms.settlement
    match claim:
        case HashLock():
            return claim.amount if claim.asset == asset else 0
        case Position():
            taken = abs(claim.premium) if settlement == asset else 0
            if claim.instrument.style == Style.PHYSICAL:
                taken += sum(move.amount for move in delivery(claim, settlement, None) if move.asset == asset)
            return taken
        case Subchannel():
            return sum(claim.allocations[asset :: len(terms.assets)])


def _without_escrow(claim: Claim) -> Claim:
    return lock(claim.id, 0, claim.condition, 0, 1, 0)


def _claims(data: st.DataObject, terms: Terms, expiries: tuple[int, ...], kid: Kid | None) -> list[Claim]:
    count = data.draw(st.sampled_from((0, 0, 1, 2, 3, CLAIMS_MAX)))
    return [_claim(data, terms, number, expiries, kid) for number in range(1, count + 1)]


def _claim(data: st.DataObject, terms: Terms, number: int, expiries: tuple[int, ...], kid: Kid | None) -> Claim:
    draw: Any = data.draw
    one, two = draw(st.permutations(range(len(terms.participants))))[:2]
    condition = UNCONDITIONAL
    kind = draw(st.integers(0, 3 if kid is None else 5))
    if kind < 2 or (kind > 3 and draw(st.booleans())):
        numbers = draw(st.lists(st.integers(0, 2), max_size=2, unique=True))
        deadline = UnixSeconds(draw(st.sampled_from(expiries)) - 1)
        condition = Condition(tuple(image(number) for number in numbers), deadline)
    if kind == 0:
        asset = draw(st.integers(0, len(terms.assets) - 1))
        return lock(number, draw(st.integers(0, 10**6)), condition, one, two, asset)
    if kind > 3 and kid is not None:
        count = len(terms.participants)
        seats = draw(st.lists(st.sampled_from((0, 1, 1, 2, 255)), min_size=count, max_size=count))
        lent = draw(st.lists(_LOAN, min_size=count * len(terms.assets), max_size=count * len(terms.assets)))
        return kid.claim(number, seats, lent, condition)
    premium = draw(st.integers(-(10**5), 10**5)) if kind == 1 else 0
    instrument = _instrument(data, terms, expiries)
    quantity = Quantity(draw(st.integers(0, 2_000) | st.integers(0, 10**7)))  # most of the time, losses are covered
    return Position(ClaimId(number), Seat(one), Seat(two), quantity, instrument, premium, condition)


def _instrument(data: st.DataObject, terms: Terms, expiries: tuple[int, ...]) -> Instrument:
    expiry = data.draw(st.sampled_from(expiries))
    payoff = data.draw(st.sampled_from(list(Payoff)))
    style = data.draw(st.sampled_from((Style.LINEAR, Style.LINEAR, Style.INVERSE, Style.PHYSICAL)))
    assets = len(terms.assets)
    if style == Style.PHYSICAL and (assets < 2 or payoff not in (Payoff.CALL, Payoff.PUT, Payoff.FORWARD)):
        style = Style.LINEAR
    strike = data.draw(st.integers(1, 200_000))
    if style == Style.PHYSICAL:
        goods = data.draw(st.integers(1, 10**6))
        knots: tuple[int, ...] = (strike * SCALE, goods)
        deliver = data.draw(st.sampled_from([asset for asset in range(assets) if asset != terms.settlement]))
        return Instrument(payoff, terms.oracle, FEED, UnixSeconds(expiry), 10**6, knots, style, deliver)
    if payoff != Payoff.CURVE:
        plain = option(terms.oracle, strike, expiry, payoff)
        return msgspec.structs.replace(plain, style=style)
    ys = data.draw(st.tuples(*(st.integers(-(10**12), 10**12),) * 3))
    xs = (0, strike * SCALE // 2 + 1, strike * SCALE + 2)
    knots = tuple(knot(Price(x), y) for x, y in zip(xs, ys, strict=True))
    return Instrument(payoff, terms.oracle, FEED, UnixSeconds(expiry), 10**6, knots, style)
