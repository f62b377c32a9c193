from typing import Any

import pytest
from eth_abi import abi as codec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contracts.claims import instruments, option, prices, quantities
from tests.contracts.compiled import creation_code
from tests.contracts.scene import FEED, Scene

from thalweg.chain.calls import Invocation
from thalweg.crypto import keccak
from thalweg.instruments.payoff import payoff_amount
from thalweg.instruments.terms import Instrument, Payoff, knot, unknot
from thalweg.units import PRICE_MAX, QUANTITY_MAX, UNIT_MAX, Address, Price, Quantity, UnixSeconds

_NOBODY = Address(bytes(20))
_INPUTS = ("uint256", "uint256", "uint256", "uint256[]", "uint256")
_SELECTOR = keccak(b"amount(uint256,uint256,uint256,uint256[],uint256)")[:4]


class Payoffs:
    """The payoffs module on the chain."""

    def __init__(self, scene: Scene) -> None:
        self._evm = scene.evm
        self._address = scene.evm.create(creation_code("Payoffs"))

    def amount(self, *arguments: Any) -> int:
        data = _SELECTOR + codec.encode(_INPUTS, arguments)
        (amount,) = codec.decode(("int256",), self._evm.view(Invocation(self._address, data)))
        return int(amount)

    def of(self, instrument: Instrument, quantity: int, price: int) -> int:
        return self.amount(int(instrument.payoff), quantity, instrument.unit, instrument.knots, price)


@pytest.fixture(scope="module")
def payoffs(deployed: Scene) -> Payoffs:
    return Payoffs(deployed)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(instrument=instruments(_NOBODY, FEED), quantity=quantities, price=prices)
def test_contract_and_twin_pay_the_same_to_the_unit(
    payoffs: Payoffs, instrument: Instrument, quantity: Quantity, price: Price
) -> None:
    assert payoffs.of(instrument, quantity, price) == payoff_amount(instrument, quantity, price)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), instrument=instruments(_NOBODY, FEED), quantity=quantities)
def test_contract_and_twin_agree_at_and_beside_every_knot(
    payoffs: Payoffs, data: st.DataObject, instrument: Instrument, quantity: Quantity
) -> None:
    packed = data.draw(st.sampled_from(instrument.knots))
    at = unknot(packed)[0] if instrument.payoff == Payoff.CURVE else packed
    price = Price(min(max(at + data.draw(st.integers(-1, 1)), 0), PRICE_MAX))

    assert payoffs.of(instrument, quantity, price) == payoff_amount(instrument, quantity, price)


@pytest.mark.parametrize("extreme", [2**63 - 1, -(2**63)])
def test_the_greatest_terms_do_not_overflow(payoffs: Payoffs, extreme: int) -> None:
    knots = (knot(Price(0), -extreme - 1), knot(Price(1), extreme))
    curve = Instrument(Payoff.CURVE, _NOBODY, FEED, UnixSeconds(1), UNIT_MAX, knots)

    for price in (Price(0), PRICE_MAX):
        expected = payoff_amount(curve, QUANTITY_MAX, price)
        assert payoffs.of(curve, QUANTITY_MAX, price) == expected != 0


def test_a_call_pays_what_arithmetic_says(payoffs: Payoffs) -> None:
    call = option(_NOBODY, 60_000, 1)

    assert payoffs.of(call, 10**7, 60_500 * 10**8) == 50 * 10**6  # 0.1 contracts, 500 in the money
    assert payoffs.of(call, 1, 60_000 * 10**8 + 99) == 0


@pytest.mark.parametrize(
    ("payoff", "quantity", "unit", "knots", "price"),
    [
        (0, 2**63, 1, [1], 2**62),
        (0, 10**8, 10**18 + 1, [1], 2**62),
        (0, 10**8, 10**6, [2**63], 2**62),
        (1, 10**8, 10**6, [2**63], 1),
        (0, 10**8, 10**6, [], 2**62),
        (0, 10**8, 10**6, [1, 2], 2**62),
        (0, 10**8, 10**6, [1], 2**63),
        (2, 10**8, 10**6, [], 5),
        (2, 10**8, 10**6, [10**10], 5),
        (2, 10**8, 10**6, [1 << 128 | 10**10, 2 << 128 | 10**10], 5),  # does not begin at price 0
        (2, 10**8, 10**6, [10**10, 7 << 128 | 10**10, 7 << 128], 5),  # not increasing, beyond the price
        (2, 10**8, 10**6, [10**10, 7 << 128 | 10**10, 6 << 128], 5),
        (2, 10**8, 10**6, [10**10, 2**63 << 128 | 10**10], 5),
        (2, 10**8, 10**6, [2**63, 7 << 128 | 10**10], 5),
        (2, 10**8, 10**6, [10**10, 7 << 128 | 2**63], 5),
        (2, 10**8, 10**6, [10**10, 7 << 128 | (2**128 - 2**63 - 1)], 5),
    ],
)
def test_terms_out_of_range_pay_nothing_and_lock_nothing(
    payoffs: Payoffs, payoff: int, quantity: int, unit: int, knots: list[int], price: int
) -> None:
    assert payoffs.amount(payoff, quantity, unit, knots, price) == 0
