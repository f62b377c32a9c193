"""One interface: every supported pair prices, agrees with its neighbours, and others are refused with what there is."""

from typing import Any

import pytest

from thalweg.errors import Reason, UserFault
from thalweg.pricing.interface import Bachelier, SurfaceModel, Value, Wish, price, register, supported
from thalweg.pricing.models.parameters import Bates, BlackScholes, Heston, Kou, Merton, VarianceGamma
from thalweg.pricing.models.rough import RoughBergomi, RoughHeston
from thalweg.pricing.sabr import Sabr
from thalweg.pricing.smile import Smile
from thalweg.pricing.surface import Slice, Surface
from thalweg.pricing.svi import Svi
from thalweg.pricing.terms import (
    BY_NAME,
    American,
    Asian,
    Barrier,
    Curve,
    Digital,
    DoubleBarrier,
    European,
    Exchange,
    Forward,
    Future,
    Lookback,
    Market,
    PartialLookback,
    Perpetual,
    Rainbow,
    Spread,
    Terms,
    Touch,
    Twap,
    VarianceSwap,
    terms_of,
)

FLAT = Surface((Slice(0.5, 102.0, Smile(Svi(0.08, 1e-9, 0.0, 0.0, 0.1))),))
MARKET = Market(100.0, 0.03, 0.01, FLAT)
PLAIN = Market(100.0, 0.03, 0.01)
SECOND: Any = {"spot2": 95.0, "volatility2": 0.3, "correlation": 0.4, "dividend2": 0.02}
TERMS: dict[type, Terms] = {
    European: European(True, 105.0, 0.5), American: American(False, 105.0, 0.5), Digital: Digital(True, 105.0, 0.5),
    Forward: Forward(99.0, 0.5), Curve: Curve(((80.0, 0.0), (100.0, 20.0), (120.0, 5.0)), 0.5),
    Barrier: Barrier(True, False, False, 100.0, 90.0, 0.5),
    DoubleBarrier: DoubleBarrier(True, False, 100.0, 80.0, 130.0, 0.5),
    Touch: Touch(True, 120.0, 0.5), Lookback: Lookback(True, 0.5, 100.0), Asian: Asian(True, 100.0, 0.5, 5, 0.1),
    Twap: Twap(True, 100.0, 0.5), VarianceSwap: VarianceSwap(0.16, 0.5), Future: Future(0.5),
    Perpetual: Perpetual(), PartialLookback: PartialLookback(True, 0.5, 0.2, 100.0),
    Exchange: Exchange(years=0.5, **SECOND), Spread: Spread(is_call=True, strike=5.0, years=0.5, **SECOND),
    Rainbow: Rainbow(is_call=False, is_max=True, strike=100.0, years=0.5, **SECOND),
}  # fmt: skip
MODELS: dict[str, Any] = {
    "BlackScholes": BlackScholes(0.4), "Bachelier": Bachelier(40.0), "Sabr": Sabr(0.4, 1.0, -0.2, 0.5),
    "SurfaceModel": SurfaceModel(), "Heston": Heston(0.16, 1.5, 0.16, 0.4, -0.5),
    "Bates": Bates(0.16, 1.5, 0.16, 0.4, -0.5, 0.1, -0.05, 0.1), "Merton": Merton(0.4, 0.2, -0.05, 0.1),
    "Kou": Kou(0.4, 0.2, 0.4, 20.0, 20.0), "VarianceGamma": VarianceGamma(0.4, 0.1, -0.05),
    "RoughBergomi": RoughBergomi(0.16, 1.5, -0.6, 0.1), "RoughHeston": RoughHeston(0.16, 1.0, 0.16, 0.3, -0.6, 0.2),
}  # fmt: skip
PAIRS = [(terms, model) for terms, models in supported().items() for model in models]
QUICK = Wish(paths=2048)


@pytest.mark.parametrize(("terms", "model"), PAIRS, ids=[f"{t} under {m}" for t, m in PAIRS])
def test_every_pair_that_is_said_to_be_supported_is(terms: str, model: str) -> None:
    kind = next(one for one in TERMS if one.__name__ == terms)
    if terms in ("Barrier", "Lookback") and model in ("VarianceGamma", "RoughBergomi", "RoughHeston"):
        return  # not watched all the time, or in another test
    found = price(TERMS[kind], MODELS[model], MARKET if model == "SurfaceModel" else PLAIN, QUICK)
    assert isinstance(found, Value)
    assert found.error >= 0.0
    assert found.method
    assert all(value == value for value in (found.price, found.error, *found.greeks.values()))
    alone = price(
        TERMS[kind], MODELS[model], MARKET if model == "SurfaceModel" else PLAIN, Wish(greeks=False, paths=2048)
    )
    assert not alone.greeks
    assert alone.price == pytest.approx(found.price, rel=1e-9, abs=1e-7) or "Monte Carlo" in found.method


def test_variance_gamma_watches_at_intervals() -> None:
    for terms in (
        Barrier(True, False, False, 100.0, 90.0, 0.5, interval=0.05), Lookback(True, 0.5, 100.0, interval=0.05),
    ):  # fmt: skip
        assert price(terms, MODELS["VarianceGamma"], PLAIN, QUICK).price > 0.0
    with pytest.raises(UserFault):
        price(TERMS[Barrier], MODELS["VarianceGamma"], PLAIN, QUICK)


def test_two_assets_and_parts_of_a_life_agree_with_what_they_contain() -> None:
    flat = BlackScholes(0.4)
    spread = price(Spread(is_call=True, strike=0.0, years=0.5, **SECOND), flat, PLAIN)
    assert spread.price == pytest.approx(price(TERMS[Exchange], flat, PLAIN).price, abs=1e-8)
    assert {"delta1", "delta2", "correlation"} <= set(spread.greeks)
    far = {**SECOND, "spot2": 1e-9}
    greater = price(Rainbow(is_call=True, is_max=True, strike=105.0, years=0.5, **far), flat, PLAIN)
    assert greater.price == pytest.approx(price(European(True, 105.0, 0.5), flat, PLAIN).price, rel=1e-9)
    floating = price(PartialLookback(True, 0.5, 0.3), flat, PLAIN).price
    assert (
        price(European(True, 100.0, 0.5), flat, PLAIN).price < floating < price(Lookback(True, 0.5), flat, PLAIN).price
    )
    with pytest.raises(UserFault, match="correlation is 2"):
        Spread(is_call=True, years=0.5, **{**SECOND, "correlation": 2.0})
    with pytest.raises(UserFault, match="spot2 is 0"):
        Exchange(years=0.5, **{**SECOND, "spot2": 0.0})


def test_a_flat_surface_is_black_scholes_with_its_volatility() -> None:
    market = Market(102.0, 0.0, 0.0, FLAT)
    for kind in (European, Digital, Curve, Twap, Forward, Future):
        smile, flat = (price(TERMS[kind], model, market).price for model in (SurfaceModel(), BlackScholes(0.4)))
        assert smile == pytest.approx(flat, rel=1e-6), kind
    assert price(TERMS[VarianceSwap], SurfaceModel(), market).price == pytest.approx(0.0, abs=1e-7)


def test_models_without_jumps_or_volatility_of_volatility_are_black_scholes() -> None:
    calm = Heston(0.16, 1.0, 0.16, 1e-3, 0.0)
    still = Merton(0.4, 0.0, 0.0, 0.1)
    for kind in (European, Asian, Twap, Barrier, Lookback):
        exact = price(TERMS[kind], BlackScholes(0.4), PLAIN)
        for model in (calm, still):
            other = price(TERMS[kind], model, PLAIN, Wish(paths=1 << 14))
            assert other.price == pytest.approx(exact.price, abs=other.error + exact.error + 2e-2), kind


def test_digitals_see_the_slope_of_the_smile() -> None:
    skewed = Market(100.0, surface=Surface((Slice(0.5, 100.0, Smile(Svi(0.02, 0.1, -0.5, 0.0, 0.1))),)))
    assert skewed.surface is not None
    level = float(skewed.surface.volatility(100.0, 0.5))
    flat = price(Digital(True, 100.0, 0.5), BlackScholes(level), Market(100.0)).price
    assert price(Digital(True, 100.0, 0.5), SurfaceModel(), skewed).price > flat + 0.02
    both = [price(Digital(is_call, 100.0, 0.5), SurfaceModel(), skewed).price for is_call in (True, False)]
    assert sum(both) == pytest.approx(1.0, abs=1e-8)
    assets = [price(Digital(c, 100.0, 0.5, pays_asset=True), SurfaceModel(), skewed).price for c in (True, False)]
    assert sum(assets) == pytest.approx(100.0, abs=1e-5)


def test_what_is_not_supported_is_refused_with_what_is() -> None:
    with pytest.raises(UserFault) as refusal:
        price(TERMS[American], MODELS["Heston"], PLAIN)
    assert refusal.value.reason == Reason.UNKNOWN_FEATURE
    assert "American is supported under BlackScholes; Heston prices Asian" in refusal.value.detail
    with pytest.raises(UserFault, match="surface is missing"):
        price(TERMS[European], SurfaceModel(), PLAIN)


def test_a_new_engine_finds_its_place() -> None:
    class Coin(Terms, frozen=True, tag="coin"):
        years: float = 1.0

    def engine(terms: Coin, model: BlackScholes, market: Market, wish: Wish) -> Value:
        return Value(market.spot, {}, 0.0, "as it says")

    register(Coin, BlackScholes, engine)
    assert price(Coin(), BlackScholes(0.4), PLAIN).price == 100.0


def test_two_boundaries_are_warned_of() -> None:
    found = price(American(False, 100.0, 3.0), BlackScholes(0.15), Market(95.0, -0.02, -0.06), Wish(greeks=False))
    assert found.method == "binomial tree"
    assert found.warnings


def test_terms_come_from_names_and_text() -> None:
    assert terms_of("european", {"is_call": "true", "strike": "105", "years": "0.5"}) == TERMS[European]
    assert set(BY_NAME) >= {"twap", "double barrier", "variance swap"}
    with pytest.raises(UserFault, match="no product 'swaption': there are european"):
        terms_of("swaption", {})
    with pytest.raises(UserFault, match="european: Object missing required field `strike`"):
        terms_of("european", {"is_call": "true", "years": "1"})
    with pytest.raises(UserFault, match=r"European: years is 0.0: it must be above zero"):
        terms_of("european", {"is_call": "true", "strike": "1", "years": "0"})
    with pytest.raises(UserFault, match=r"Barrier: level is nan: it must be finite"):
        Barrier(True, True, True, 100.0, float("nan"), 1.0)
    with pytest.raises(UserFault, match=r"Market: spot is 0.0: it must be finite and above zero"):
        Market(0.0)
    with pytest.raises(UserFault, match=r"Market: rate is inf"):
        Market(1.0, float("inf"))
