from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from eth_abi import abi as codec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contracts.claims import deliveries, instruments, option, prices, quantities
from tests.contracts.compiled import creation_code
from tests.contracts.evm import Reverted
from tests.contracts.scene import FEED, Scene
from tests.contracts.smiles import flat, smiles

from thalweg.chain.artefacts import PRICER
from thalweg.chain.calls import Invocation
from thalweg.crypto import keccak
from thalweg.instruments.black import VALUE_SHIFT
from thalweg.instruments.payoff import delivery, payoff_amount
from thalweg.instruments.svi import Parameters, Smile
from thalweg.instruments.terms import Instrument, Payoff, Style, knot, unknot
from thalweg.instruments.valuation import WORTH_MAX, position_value, value
from thalweg.units import PRICE_MAX, QUANTITY_MAX, SCALE, UNIT_MAX, Address, Price, Quantity, UnixSeconds

_NOBODY = Address(bytes(20))
_PARAMETERS = "(int256,uint256,int256,int256,uint256)"
_SMILE = f"(uint256,uint256,uint256,{_PARAMETERS},{_PARAMETERS})"
_TERMS = ("uint256", "uint256", "uint256", "uint256", "uint256[]")


class Payoffs:
    """The payoffs module on the chain."""

    def __init__(self, scene: Scene) -> None:
        self._evm = scene.evm
        self._address = scene.evm.create(creation_code("Payoffs"))

    def amount(self, *arguments: Any) -> int:
        (amount,) = self._ask("amount", (*_TERMS, "uint256"), ("int256",), *arguments)
        return int(amount)

    def worth(self, instrument: Instrument, quantity: int, smile: Smile) -> int:
        left, right = msgspec.structs.astuple(smile.left), msgspec.structs.astuple(smile.right)
        packed = (smile.forward, smile.left_weight, smile.right_weight, left, right)
        (worth,) = self._ask("worth", (*_TERMS, _SMILE), ("int256",), *_terms(instrument, quantity), packed)
        return int(worth)

    def delivery(self, payoff: int, quantity: int, unit: int, knots: Sequence[int]) -> tuple[int, int]:
        inputs = ("uint256", "uint256", "uint256", "uint256[]")
        strike, goods = self._ask("delivery", inputs, ("uint256", "uint256"), payoff, quantity, unit, knots)
        return int(strike), int(goods)

    def of(self, instrument: Instrument, quantity: int, price: int) -> int:
        return self.amount(*_terms(instrument, quantity), price)

    def _ask(self, name: str, inputs: Sequence[str], outputs: Sequence[str], *arguments: Any) -> tuple[Any, ...]:
        data = keccak(f"{name}({','.join(inputs)})".encode())[:4] + codec.encode(inputs, arguments)
        return codec.decode(outputs, self._evm.view(Invocation(self._address, data)))


def _terms(instrument: Instrument, quantity: int) -> tuple[Any, ...]:
    return int(instrument.payoff), int(instrument.style), quantity, instrument.unit, instrument.knots


@pytest.fixture(scope="module")
def payoffs(deployed: Scene) -> Payoffs:
    return Payoffs(deployed)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    curve = Instrument(Payoff.CURVE, _NOBODY, FEED, UnixSeconds(60), UNIT_MAX, knots)

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
    for style in (Style.LINEAR, Style.INVERSE):
        assert payoffs.amount(payoff, style, quantity, unit, knots, price) == 0


@pytest.mark.parametrize(("payoff", "style"), [(6, 0), (0, 2), (0, 3), (2**255, 0)])
def test_what_does_not_exist_pays_nothing(payoffs: Payoffs, payoff: int, style: int) -> None:
    assert payoffs.amount(payoff, style, 10**8, 10**16, [1], 5) == 0


@pytest.mark.parametrize(
    ("payoff", "quantity", "unit", "knots", "price"),
    [
        (Payoff.CALL, QUANTITY_MAX, 10**6, (SCALE,), 2 * SCALE),
        (Payoff.CALL, SCALE, UNIT_MAX, (SCALE,), 2 * SCALE),
        (Payoff.CALL, SCALE, 10**16, (SCALE,), PRICE_MAX),
        (Payoff.PUT, SCALE, 10**16, (PRICE_MAX,), 1),
        (Payoff.PUT, SCALE, 10**16, (100,), 1),
        (Payoff.PUT, SCALE, 10**16, (100,), 99),
        (Payoff.FORWARD, SCALE, 10**16, (PRICE_MAX,), 1),
        (Payoff.DIGITAL_CALL, SCALE, UNIT_MAX, (PRICE_MAX,), PRICE_MAX),
        (Payoff.CURVE, SCALE, UNIT_MAX, (0, knot(PRICE_MAX, SCALE)), PRICE_MAX),
        (Payoff.CURVE, SCALE, 10**16, (knot(Price(0), 2**63 - 1), knot(Price(1), -(2**63))), 0),
    ],
)
@pytest.mark.parametrize("style", [Style.LINEAR, Style.INVERSE])
def test_terms_at_the_edge_of_their_range_pay(
    payoffs: Payoffs, style: Style, payoff: Payoff, quantity: int, unit: int, knots: tuple[int, ...], price: int
) -> None:
    instrument = _instrument(payoff, style, *knots, unit=unit)

    assert payoffs.of(instrument, quantity, price) == payoff_amount(instrument, Quantity(quantity), Price(price)) != 0


def test_a_curve_of_more_than_sixteen_knots_is_no_curve(payoffs: Payoffs) -> None:
    with pytest.raises(Reverted):
        payoffs.amount(Payoff.CURVE, Style.LINEAR, SCALE, 10**6, [knot(Price(x), SCALE) for x in range(17)], 5)


def _instrument(payoff: Payoff, style: Style, *knots: int, unit: int = 10**8) -> Instrument:
    return Instrument(payoff, _NOBODY, FEED, UnixSeconds(60), unit, knots, style)


@pytest.mark.parametrize(
    ("payoff", "style", "price", "expected"),
    [
        (Payoff.DIGITAL_CALL, Style.LINEAR, 99, 0),
        (Payoff.DIGITAL_CALL, Style.LINEAR, 100, 2),
        (Payoff.DIGITAL_PUT, Style.LINEAR, 99, 2),
        (Payoff.DIGITAL_PUT, Style.LINEAR, 100, 0),
        (Payoff.FORWARD, Style.LINEAR, 90, -20),
        (Payoff.FORWARD, Style.LINEAR, 130, 60),
        (Payoff.CALL, Style.INVERSE, 125, 2 * 25 / 125),
        (Payoff.PUT, Style.INVERSE, 80, 2 * 20 / 80),
        (Payoff.FORWARD, Style.INVERSE, 50, -2 * 50 / 50),
        (Payoff.DIGITAL_CALL, Style.INVERSE, 200, 2 / 200),
    ],
)
def test_two_contracts_struck_at_a_hundred_pay(
    payoffs: Payoffs, payoff: Payoff, style: Style, price: int, expected: float
) -> None:
    instrument = _instrument(payoff, style, 100 * SCALE)

    assert payoffs.of(instrument, 2 * SCALE, price * SCALE) == round(expected * 10**8)


def test_an_inverse_payoff_at_price_zero_is_divided_by_the_least_price(payoffs: Payoffs) -> None:
    put = _instrument(Payoff.PUT, Style.INVERSE, 100)

    assert payoffs.of(put, SCALE, 0) == payoff_amount(put, Quantity(SCALE), Price(0)) == 100 * 10**8


def test_a_capped_call_is_a_curve_of_sixteen_knots_or_less(payoffs: Payoffs) -> None:
    knots = tuple(knot(Price(x * SCALE), min(x, 14) * SCALE) for x in range(16))
    stairs = Instrument(Payoff.CURVE, _NOBODY, FEED, UnixSeconds(60), 10**6, knots)

    assert payoffs.of(stairs, SCALE, 3 * SCALE + SCALE // 2) == 3_500_000
    assert payoffs.of(stairs, SCALE, 99 * SCALE) == 14_000_000


# --- delivery -------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(instrument=deliveries(_NOBODY, FEED), quantity=quantities)
def test_contract_and_twin_deliver_the_same(payoffs: Payoffs, instrument: Instrument, quantity: Quantity) -> None:
    found = payoffs.delivery(int(instrument.payoff), quantity, instrument.unit, instrument.knots)

    assert found == delivery(instrument, quantity)


@pytest.mark.parametrize(
    ("payoff", "quantity", "unit", "knots"),
    [
        (Payoff.CURVE, 1, 1, (SCALE, SCALE)),
        (Payoff.DIGITAL_CALL, SCALE, 10**6, (SCALE, SCALE)),
        (Payoff.CALL, 2**63, 10**6, (SCALE, SCALE)),
        (Payoff.CALL, SCALE, 10**18 + 1, (SCALE, SCALE)),
        (Payoff.CALL, SCALE, 10**6, (2**63, SCALE)),
        (Payoff.CALL, SCALE, 10**6, (SCALE, 10**18 + 1)),
        (Payoff.CALL, SCALE, 10**6, (SCALE,)),
        (Payoff.CALL, SCALE, 10**6, (SCALE, SCALE, SCALE)),
    ],
)
def test_terms_that_cannot_be_delivered_have_nothing_in_escrow(
    payoffs: Payoffs, payoff: Payoff, quantity: int, unit: int, knots: tuple[int, ...]
) -> None:
    assert payoffs.delivery(payoff, quantity, unit, knots) == (0, 0)


@pytest.mark.parametrize("index", range(5))
def test_terms_at_the_edge_of_their_range_are_delivered(payoffs: Payoffs, index: int) -> None:
    greatest = QUANTITY_MAX, UNIT_MAX, PRICE_MAX, UNIT_MAX
    plain = 10**9, 10**12, SCALE, SCALE
    quantity, unit, strike, goods = (
        most if index in (place, 4) else some for place, (most, some) in enumerate(zip(greatest, plain, strict=True))
    )

    found = payoffs.delivery(Payoff.CALL, quantity, unit, (strike, goods))

    assert found == (quantity * strike * unit // 10**16, quantity * goods // SCALE)


# --- values before expiry -------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(instrument=instruments(_NOBODY, FEED), quantity=quantities, smile=smiles())
def test_contract_and_twin_find_the_same_worth(
    payoffs: Payoffs, instrument: Instrument, quantity: Quantity, smile: Smile
) -> None:
    assert payoffs.worth(instrument, quantity, smile) == position_value(instrument, quantity, smile)


@given(instrument=instruments(_NOBODY, FEED), smile=smiles())
def test_no_value_leaves_what_no_arbitrage_allows(instrument: Instrument, smile: Smile) -> None:
    strike, worth = instrument.knots[0], value(instrument, smile)
    forward = smile.forward << VALUE_SHIFT
    match instrument.payoff:
        case Payoff.CALL:
            assert max(forward - (strike << VALUE_SHIFT), 0) <= worth <= forward
        case Payoff.PUT:
            assert max((strike << VALUE_SHIFT) - forward, 0) <= worth <= strike << VALUE_SHIFT
        case Payoff.DIGITAL_CALL | Payoff.DIGITAL_PUT:
            assert 0 <= worth <= SCALE << VALUE_SHIFT
        case Payoff.FORWARD:
            assert worth == forward - (strike << VALUE_SHIFT)
        case Payoff.CURVE:
            values = [unknot(packed)[1] for packed in instrument.knots]
            if values[-1] == values[-2]:
                slack = len(values)
                assert (min(values) << VALUE_SHIFT) - slack <= worth <= (max(values) << VALUE_SHIFT) + slack


@given(strike=st.integers(1, 10**14), forward=st.integers(1, 10**14), variance=st.integers(1, SCALE))
def test_a_call_as_a_curve_is_worth_a_call(strike: int, forward: int, variance: int) -> None:
    smile = flat(forward, variance)
    knots = knot(Price(0), 0), knot(Price(strike), 0), knot(Price(2 * strike), strike)
    curve, call = _instrument(Payoff.CURVE, Style.LINEAR, *knots), _instrument(Payoff.CALL, Style.LINEAR, strike)

    assert abs(value(curve, smile) - value(call, smile)) <= 2 + (strike << VALUE_SHIFT) // 10**9


def test_a_curve_steeper_than_anything_is_cut_and_not_refused(payoffs: Payoffs) -> None:
    steep = _instrument(Payoff.CURVE, Style.LINEAR, knot(Price(0), -(2**63)), knot(Price(1), 2**63 - 1), unit=UNIT_MAX)
    smile = flat(PRICE_MAX, 4 * 10**6)

    worth = payoffs.worth(steep, QUANTITY_MAX, smile)

    assert worth == position_value(steep, QUANTITY_MAX, smile) == QUANTITY_MAX * UNIT_MAX * WORTH_MAX // (10**16 << 64)


@pytest.mark.parametrize("payoff", Payoff)
@pytest.mark.parametrize("forward", [1, 2, 5, 9])
@pytest.mark.parametrize("scale", [1, 12_000 * SCALE])
def test_the_least_and_the_common_prices_have_the_twins_values(
    payoffs: Payoffs, scale: int, forward: int, payoff: Payoff
) -> None:
    knots = (knot(Price(0), 3), knot(Price(5 * scale), 8)) if payoff == Payoff.CURVE else (5 * scale,)
    instrument = _instrument(payoff, Style.LINEAR, *knots, unit=10**16)
    smile = flat(forward * scale, SCALE // 4)

    assert payoffs.worth(instrument, SCALE, smile) == position_value(instrument, Quantity(SCALE), smile)


@pytest.mark.parametrize("payoff", [Payoff.CALL, Payoff.DIGITAL_CALL, Payoff.CURVE])
def test_what_is_out_of_reach_is_worth_nothing_however_much_of_it(payoffs: Payoffs, payoff: Payoff) -> None:
    knots = (0, knot(Price(4), 0), knot(Price(6), SCALE)) if payoff == Payoff.CURVE else (5,)
    instrument, smile = _instrument(payoff, Style.LINEAR, *knots, unit=UNIT_MAX), flat(1, 1)

    assert payoffs.worth(instrument, QUANTITY_MAX, smile) == position_value(instrument, QUANTITY_MAX, smile) == 0


_NO_SMILE = Parameters(0, 0, SCALE, 0, SCALE)
_SOME = Parameters(1, 0, 0, 0, SCALE)


@pytest.mark.parametrize(
    ("weights", "right", "is_usable"),
    [
        ((2**80, 0), _SOME, True),
        ((2**80 + 1, 0), _SOME, False),
        ((1, 2**80), _SOME, True),
        ((1, 2**80 + 1), _SOME, False),
        ((2**80, 0), _NO_SMILE, True),  # what has no weight need be no smile
        ((2**80, 1), _NO_SMILE, False),
    ],
)
def test_only_a_smile_that_arithmetic_can_take_says_something(
    payoffs: Payoffs, scene: Scene, weights: tuple[int, int], right: Parameters, is_usable: bool
) -> None:
    call, smile = option(_NOBODY, 60_000, 1), Smile(Price(60_000 * SCALE), *weights, _SOME, right)
    left = msgspec.structs.astuple(_SOME)
    packed = (smile.forward, *weights, left, msgspec.structs.astuple(right))

    worth = payoffs.worth(call, SCALE, smile)
    value = scene.evm.ask(scene.pricer, PRICER, "contract_value", Payoff.CALL, call.knots[0], packed)

    assert worth == position_value(call, Quantity(SCALE), smile)
    assert (worth != 0) == (value != 0) == is_usable


@pytest.mark.parametrize("forward", [0, PRICE_MAX + 1])
def test_a_smile_without_a_forward_says_nothing(payoffs: Payoffs, forward: int) -> None:
    call = option(_NOBODY, 60_000, 1)
    smile = flat(forward, 4 * 10**6)

    assert payoffs.worth(call, SCALE, smile) == position_value(call, Quantity(SCALE), smile) == 0
