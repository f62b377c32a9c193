"""The model price of the close-out: the contract is its twin to the unit, and the twin is right to 1e-9."""

from collections.abc import Sequence
from typing import Any, Final

import mpmath as mp
import msgspec
import pytest
from eth_abi import abi as codec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.contracts.coefficients import coefficients, ratio_of_mills
from tests.contracts.compiled import creation_code
from tests.contracts.scene import Scene
from tests.contracts.smiles import any_smiles, flat, smiles, strikes

from thalweg.chain.calls import Invocation
from thalweg.crypto import keccak
from thalweg.instruments import fixed
from thalweg.instruments.black import VALUE_SHIFT, call_value
from thalweg.instruments.fixed import ONE
from thalweg.instruments.svi import WEIGHT_ONE, Parameters, Smile, variance
from thalweg.units import PRICE_MAX, SCALE, Price

GAS_MAX: Final = 8_000  # of one price
RELATIVE_MAX: Final = 1e-9
_PARAMETERS: Final = "(int256,uint256,int256,int256,uint256)"
_SMILE: Final = f"(uint256,uint256,uint256,{_PARAMETERS},{_PARAMETERS})"
_UINT: Final = "uint256"
FLAT: Final = Parameters(SCALE // 25, 0, 0, 0, 1)
SLOW: Final = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Marks:
    """The modules of the model price on the chain."""

    def __init__(self, scene: Scene) -> None:
        self._evm = scene.evm
        self._address = scene.evm.create(creation_code("Marks"))

    def ask(self, name: str, inputs: Sequence[str], output: str, *arguments: Any) -> Any:
        data = keccak(f"{name}({','.join(inputs)})".encode())[:4] + codec.encode(inputs, arguments)
        return codec.decode(output.split(), self._evm.view(Invocation(self._address, data)))

    def call_value(self, smile: Smile, strike: int) -> tuple[int, int]:
        value, gas = self.ask("call_value", (_SMILE, _UINT), "uint256 uint256", _tuple(smile), strike)
        return int(value), int(gas)


def _tuple(smile: Smile) -> tuple[Any, ...]:
    left, right = msgspec.structs.astuple(smile.left), msgspec.structs.astuple(smile.right)
    return smile.forward, smile.left_weight, smile.right_weight, left, right


@pytest.fixture(scope="module")
def marks(deployed: Scene) -> Marks:
    return Marks(deployed)


@SLOW
@given(data=st.data(), smile=smiles() | any_smiles())
def test_contract_and_twin_find_the_same_value(marks: Marks, data: st.DataObject, smile: Smile) -> None:
    strike = data.draw(strikes(smile.forward))

    value, _ = marks.call_value(smile, strike)

    assert value == call_value(smile, strike)
    assert max(smile.forward - strike, 0) << VALUE_SHIFT <= value <= smile.forward << VALUE_SHIFT


@SLOW
@given(smile=smiles(), k=st.integers(-44 * ONE, 44 * ONE))
def test_contract_and_twin_find_the_same_variance(marks: Marks, smile: Smile, k: int) -> None:
    assert marks.ask("variance", (_SMILE, "int256"), _UINT, _tuple(smile), k) == (variance(smile, k),)


@SLOW
@given(
    pair=st.tuples(st.integers(1, PRICE_MAX), st.integers(1, PRICE_MAX)),
    z=st.integers(0, 100 * ONE),
    y=st.integers(0, 64 * ONE),
)
@example((PRICE_MAX, 1), 0, 0)
@example((1, 1), fixed.LN2, 6 * ONE)
@example((fixed.SQRT2 >> 40, ONE >> 40), fixed.LN2 - 1, 64 * ONE - 1)
@example((2850877693509864481, 2015874949414289041), 0, 0)  # a ratio of just the constant that is the root of two
def test_contract_and_twin_have_the_same_functions(marks: Marks, pair: tuple[int, int], z: int, y: int) -> None:
    greater, lesser = max(pair), min(pair)

    found = (fixed.log_ratio(greater, lesser), fixed.exp_minus(z), fixed.mills(y))

    assert marks.ask("log_ratio", (_UINT, _UINT), _UINT, greater, lesser) == found[:1]
    assert marks.ask("exp_minus", (_UINT,), _UINT, z) == found[1:2]
    assert marks.ask("mills", (_UINT,), "int256", y) == found[2:]
    with mp.workdps(40):
        assert abs(mp.mpf(found[0]) / ONE - mp.log(mp.mpf(greater) / lesser)) < mp.mpf(2) ** -67
        assert abs(mp.mpf(found[1]) - mp.exp(-mp.mpf(z) / ONE) * ONE) < 1 + 2e-15 * found[1]
        assert abs(mp.mpf(found[2]) / ONE - ratio_of_mills(mp.mpf(y) / ONE)) < 6e-19


@pytest.mark.parametrize("halvings", [1, 2, 4, 8, 16, 32])
@pytest.mark.parametrize("sixteenths", [16, 17, 23, 31])
def test_a_ratio_is_halved_until_its_logarithm_is_small(marks: Marks, halvings: int, sixteenths: int) -> None:
    greater = sixteenths << halvings + 20

    found = marks.ask("log_ratio", (_UINT, _UINT), _UINT, greater, 16 << 20)

    assert found == (fixed.log_ratio(greater, 16 << 20),)


def test_coefficients_are_what_interpolation_gives() -> None:
    assert coefficients() == {"atanh": fixed.ATANH, "exp": fixed.EXP, "mills": fixed.MILLS}


@given(st.integers(0, 2**256 - 1) | st.integers(0, 2**128 - 1).map(lambda root: root * root))
@example(0)
@example(2**256 - 1)
def test_a_square_root_is_rounded_down(value: int) -> None:
    root = fixed.square_root(value)

    assert root * root <= value < (root + 1) * (root + 1)


@pytest.mark.parametrize("offset", [-(10**6), -1, 0, 1, 10**6])
def test_total_variance_is_never_negative(marks: Marks, offset: int) -> None:
    dip = Parameters(-(8 * 10**7), SCALE, 6 * 10**7, 0, SCALE)  # least at -3/4, where it is exactly zero
    smile, k = Smile(Price(1), WEIGHT_ONE, 0, dip, dip), -(3 * ONE >> 2) + offset

    assert marks.ask("variance", (_SMILE, "int256"), _UINT, _tuple(smile), k) == (variance(smile, k),) == (0,)


@pytest.mark.parametrize("weight", [0, 1, 2])
def test_the_least_weight_counts(marks: Marks, weight: int) -> None:
    smile = Smile(Price(1), WEIGHT_ONE, weight, FLAT, FLAT)

    assert marks.ask("variance", (_SMILE, "int256"), _UINT, _tuple(smile), 0) == (variance(smile, 0),)
    assert variance(smile, 0) - variance(flat(1, FLAT.a), 0) == variance(flat(1, FLAT.a), 0) * weight >> 64


@pytest.mark.parametrize(
    ("forward", "strike", "weights", "level"),
    [
        (6000018034063, 6102291917500, (2494287552069647649, 49581742531909), SCALE // 4),  # h = 0
        (6000018034063, 7702291917500, (18428700301922202624, 399305549150835), SCALE // 2),  # h = 1
    ],
)
def test_where_its_two_formulas_meet_the_value_is_the_twins(
    marks: Marks, forward: int, strike: int, weights: tuple[int, int], level: int
) -> None:
    fine = Parameters(0, 1, 1 - SCALE, 0, 10**4)  # by its weight the variance is set to the unit
    smile = Smile(Price(forward), *weights, Parameters(level, 0, 0, 0, SCALE), fine)

    assert marks.call_value(smile, strike)[0] == call_value(smile, Price(strike)) > 0


def test_a_strike_below_the_forward_is_at_its_own_log_moneyness_to_the_last_digit(marks: Marks) -> None:
    steep = Parameters(519501, SCALE, -SCALE // 2, 7541208, 10**7)
    smile = Smile(Price(PRICE_MAX - 267459), WEIGHT_ONE, 0, steep, steep)
    strike = Price(5257322061007069758)

    assert marks.call_value(smile, strike)[0] == call_value(smile, strike)


def reference(smile: Smile, strike: int) -> Any:
    """Return the call's exact value in units of 1e-8, and that of the option out of the money."""
    forward = mp.mpf(smile.forward)
    k = mp.log(strike / forward)
    total = mp.mpf(0)
    for weight, one in ((smile.left_weight, smile.left), (smile.right_weight, smile.right)):
        a, b, rho, m, sigma = (mp.mpf(value) / SCALE for value in msgspec.structs.astuple(one))
        total += max(a + b * (rho * (k - m) + mp.sqrt((k - m) ** 2 + sigma**2)), 0) * weight / WEIGHT_ONE
    if total == 0:
        return max(forward - strike, mp.mpf(0)), mp.mpf(0)
    s = mp.sqrt(total)
    call = forward * mp.ncdf(s / 2 - k / s) - strike * mp.ncdf(-s / 2 - k / s)
    return call, call - max(forward - strike, 0)


@settings(max_examples=1500, deadline=None)
@given(data=st.data(), smile=smiles() | any_smiles())
def test_prices_above_a_millionth_of_the_forward_are_right_to_1e_9(data: st.DataObject, smile: Smile) -> None:
    strike = data.draw(strikes(smile.forward))
    if not strike:
        return
    with mp.workdps(60):
        call, other = reference(smile, strike)
        found = mp.mpf(call_value(smile, strike)) / 2**VALUE_SHIFT
        for exact, got in ((call, found), (other, found - max(smile.forward - strike, 0))):
            error = abs(got - exact)
            if exact > smile.forward * mp.mpf("1e-6"):
                assert error <= exact * RELATIVE_MAX
            else:
                # a variance below the fixed point's resolution is none: the whole value is then the error
                assert error <= smile.forward * mp.mpf("2e-15") + mp.mpf(2) ** -VALUE_SHIFT


@pytest.mark.parametrize(
    ("smile", "strike", "expected"),
    [
        (flat(0, SCALE), 5, 0),  # nothing underlies it
        (flat(7, SCALE), 0, 7),
        (flat(7, 0), 7, 0),  # no time left: what it is worth at once
        (flat(9, 0), 7, 2),
        (flat(PRICE_MAX, 1), 1, PRICE_MAX - 1),
        (flat(1, 1), PRICE_MAX, 0),  # out of reach
        (flat(60_000 * SCALE, 10**4), 6_751_117_000_000, 0),  # 11.8 deviations away, where the density is zero already
        (flat(10**6, 10**6 * SCALE), PRICE_MAX, 10**6),  # the greatest variance: worth its forward
        (flat(PRICE_MAX, 10**6 * SCALE), 1, PRICE_MAX),
    ],
)
def test_outside_the_domain_the_limits_hold(marks: Marks, smile: Smile, strike: int, expected: int) -> None:
    value, _ = marks.call_value(smile, strike)

    assert value == call_value(smile, Price(strike)) == expected << VALUE_SHIFT


def test_published_prices_are_met() -> None:
    # Haug, The Complete Guide to Option Pricing Formulas, 2nd ed. (2007), p. 5, Black-76: F = 19, X = 19, T = 0.75,
    # sigma = 0.28, r = 0.10 gives 1.7011; undiscounted 1.7011 * e^0.075
    smile = flat(19 * SCALE, round(0.28**2 * 0.75 * SCALE))

    value = call_value(smile, Price(19 * SCALE)) / 2**VALUE_SHIFT / SCALE

    assert abs(value * float(mp.exp(-0.075)) - 1.7011) < 5e-5


@pytest.mark.parametrize("share", [0, WEIGHT_ONE // 3])
@pytest.mark.parametrize("strike", [1, 30_000 * SCALE, 60_000 * SCALE, 75_000 * SCALE, 400_000 * SCALE, PRICE_MAX])
def test_a_price_costs_less_gas_than_its_ceiling(marks: Marks, strike: int, share: int) -> None:
    one = Parameters(4 * 10**6, 10**7, -3 * 10**7, 10**6, 10**7)
    smile = Smile(Price(60_000 * SCALE), WEIGHT_ONE - share, share, one, one)

    _, gas = marks.call_value(smile, strike)

    assert gas <= GAS_MAX
