"""What the show says should happen, kept apart from the nodes: trades and payments as told, and what they come to.

Computed from the deals, the settlement price and the payoff twin alone, so that a node which is wrong is found out.
"""

from typing import Final

import msgspec

from thalweg.instruments.payoff import payoff_amount
from thalweg.instruments.terms import Instrument
from thalweg.units import Price, Quantity

TWO_PARTIES: Final = ("alice", "bob")


class DealLeg(msgspec.Struct, frozen=True):
    """One leg: alice buys or sells `quantity` at `price`; `premium` is what she pays (negative: receives)."""

    name: str
    instrument: Instrument
    buys: bool
    quantity: Quantity
    price: Price
    premium: int


class Deal(msgspec.Struct, frozen=True):
    """A trade the two agreed on."""

    title: str
    legs: tuple[DealLeg, ...]

    @property
    def premium(self) -> int:
        """Return what alice pays in all, in base units."""
        return sum(leg.premium for leg in self.legs)


class Book:
    """All that the two agreed on. Amounts in base units, as alice sees them."""

    def __init__(self, deposits: tuple[int, int]) -> None:
        self.deposits = deposits
        self.deals: list[Deal] = []
        self.paid = 0  # by alice to bob, less what came back

    def premium(self) -> int:
        """Return what alice has paid for options, net."""
        return sum(deal.premium for deal in self.deals)

    def positions(self) -> dict[str, tuple[Instrument, int]]:
        """Return alice's net quantity by instrument name; what netted out is left away."""
        net: dict[str, tuple[Instrument, int]] = {}
        for deal in self.deals:
            for leg in deal.legs:
                before = net.get(leg.name, (leg.instrument, 0))[1]
                net[leg.name] = (leg.instrument, before + (leg.quantity if leg.buys else -leg.quantity))
        return {name: held for name, held in net.items() if held[1]}

    def payoff(self, price: Price) -> int:
        """Return what alice receives at a settlement price: position by position, each rounded as it is paid."""
        total = 0
        for instrument, quantity in self.positions().values():
            amount = payoff_amount(instrument, Quantity(abs(quantity)), price)
            total += amount if quantity > 0 else -amount
        return total

    def due(self, price: Price) -> tuple[int, int]:
        """Return what alice and bob must be paid in the end."""
        gain = self.payoff(price) - self.premium() - self.paid
        return self.deposits[0] + gain, self.deposits[1] - gain
