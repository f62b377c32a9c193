"""The pricing commands: prices, implied volatility, surfaces with pictures, calibrations, and each mistake's words."""

import builtins
import csv
import json
import re
import sys
from math import log
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from thalweg.cli.entry import application
from thalweg.pricing.european import black76
from thalweg.pricing.ssvi import Ssvi


def run(*arguments: str) -> Result:
    return CliRunner().invoke(application(), list(arguments))


def result_of(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stdout
    return json.loads(result.stdout)["result"]


def mistake(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 2, result.stdout
    assert "Traceback" not in result.stderr
    told = json.loads(run(*arguments, "--json").stdout)
    assert told["ok"] is False
    assert isinstance(told["error"]["detail"], str)
    return result.stderr


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chain around arbitrage-free smiles, as the venues' snapshots are written."""
    file = tmp_path_factory.mktemp("chain") / "chain.csv"
    with file.open("w", newline="") as text:
        rows = csv.writer(text)
        rows.writerow(
            (
                "timestamp", "underlying", "option_type", "strike", "expiry_datetime", "bid_price", "ask_price",
                "currency", "index_price",
            )
        )  # fmt: skip
        for day, forward in ((10, 60_100.0), (40, 60_400.0)):
            years = (day - 1) / 365.25
            smile = Ssvi(0.36 * years, -0.2, 0.5 * (0.36 * years) ** 0.5).raw()
            for strike in range(46_000, 80_000, 2_000):
                k = strike / forward
                w = smile.total_variance(log(k))
                for is_call in (True, False):
                    price = float(black76(is_call, 1.0, k, (w / years) ** 0.5, years, outputs=["price"])["price"])
                    bid, ask = max(round(price - 0.0004, 4), 0.0), round(price + 0.0004, 4)
                    expiry = f"2026-0{1 + day // 31}-{1 + (day - 1) % 31:02d}T08:00:00+00:00"
                    rows.writerow(
                        ("2026-01-01T08:00:00+00:00", forward, "call" if is_call else "put", strike, expiry, bid or "",
                         ask, "BTC", 60_000)
                    )  # fmt: skip
    return file


def test_a_price_is_the_engine_s_and_reads_well() -> None:
    words = ("price", "european", "call", "strike=60000", "years=0.5", "--spot", "61000", "--vol", "0.6")
    value = result_of(*words)["value"]
    assert value["price"] == pytest.approx(10_671.3537, abs=1e-3)
    assert set(value["greeks"]) >= {"delta", "color"}
    shown = run(*words).stdout
    assert "delta" in shown
    assert "closed form" in shown


@pytest.mark.parametrize(
    "words",
    [
        ("barrier", "put", "up", "out", "strike=100", "level=120", "days=90", "--vol", "0.5"),
        ("twap", "call", "strike=100", "days=0.01", "seen_average=100.2", "--vol", "0.5"),
        ("double barrier", "call", "out", "strike=100", "low=80", "high=130", "days=90", "--vol", "0.5"),
        ("curve", "knots=80:0,100:20,120:5", "days=30", "--vol", "0.5"),
        ("european", "put", "strike=100", "days=30", "--model", "heston v0=0.3 kappa=2 theta=0.3 sigma=1 rho=-0.5"),
        ("european", "put", "strike=100", "days=30", "--model", "bachelier volatility=30"),
    ],
)
def test_products_and_models_are_spelled_in_words(words: tuple[str, ...]) -> None:
    value = result_of("price", *words, "--spot", "100")["value"]
    assert value["price"] >= 0.0
    assert value["error"] >= 0.0


def test_implied_volatility_comes_back_to_the_last_digits() -> None:
    price = float(black76(False, 100.0, 90.0, 0.55, 0.3, outputs=["price"])["price"])
    assert result_of("iv", "put", repr(price), "100", "90", "0.3")["volatility"] == pytest.approx(0.55, rel=1e-13)
    assert "0.5" in run("iv", "put", repr(price), "100", "90", "0.3").stdout


def test_a_surface_is_fitted_told_and_drawn(snapshot: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures are an extra")
    png = tmp_path / "surface.png"
    found = result_of("surface", str(snapshot), "--plot", str(png))
    assert found["arbitrages"] == []
    assert [round(365.25 * one["years"]) for one in found["expiries"]] == [9, 39]
    assert all(one["report"]["inside"] == 1.0 for one in found["expiries"])
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "between bid and ask, no arbitrage" in run("surface", str(snapshot)).stdout


@pytest.mark.parametrize("family", ["essvi", "ssvi"])
def test_a_surface_of_few_numbers_is_fitted_too(family: str, snapshot: Path) -> None:
    found = result_of("surface", str(snapshot), "--family", family)
    assert found["arbitrages"] == []
    assert all(one["report"]["rmse"] < 0.01 for one in found["expiries"])


def test_the_page_needs_no_network(snapshot: Path, tmp_path: Path) -> None:
    pytest.importorskip("plotly", reason="pictures are an extra")
    page = tmp_path / "surface.html"
    assert run("surface", str(snapshot), "--plot", str(page)).exit_code == 0
    text = page.read_text()
    assert "<title>BTC · chain.csv</title>" in text
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", text)


def test_a_chain_prices_options_at_its_own_volatilities(snapshot: Path) -> None:
    value = result_of("price", "european", "call", "strike=60000", "days=20", "--chain", str(snapshot))["value"]
    assert value["method"] == "each strike at the surface's volatility"
    assert 2_000.0 < value["price"] < 5_000.0


def test_a_model_is_calibrated_with_what_to_think_of_it(snapshot: Path) -> None:
    found = result_of("calibrate", str(snapshot), "--model", "merton")
    assert found["model"] == "Merton"
    assert set(found["parameters"]) == {"volatility", "intensity", "mean", "deviation"} or len(found["parameters"]) == 4
    assert "steps" in run("calibrate", str(snapshot), "--model", "merton").stdout


def test_each_mistake_is_told_in_words(tmp_path: Path, snapshot: Path) -> None:
    spot = ("--spot", "100", "--vol", "0.5")
    assert "no product 'swaption': there are european" in mistake("price", "swaption", *spot)
    assert "'soon' is neither NAME=VALUE nor one of call, put" in mistake("price", "european", "soon", *spot)
    assert "missing required field `is_call`" in mistake("price", "european", "strike=1", "years=1", *spot)
    assert "years is -1.0: it must be above zero" in mistake("price", "european", "call", "strike=1", "years=-1", *spot)
    plain = ("price", "european", "call", "strike=100", "years=1")
    assert "--vol, --model, or --chain" in mistake(*plain, "--spot", "100")
    assert "--spot, or --chain" in mistake(*plain, "--vol", "0.5")
    assert "no model 'sabre': there are blackscholes" in mistake(*plain, "--spot", "1", "--model", "sabre")
    heston = "heston v0=0.3 kappa=2 theta=0.3 sigma=1 rho=-0.5"
    american = ("price", "american", "call", "strike=100", "years=1", "--spot", "100", "--model", heston)
    assert "American is supported under BlackScholes" in mistake(*american)
    assert "is a call or a put, not 'straddle'" in mistake("iv", "straddle", "1", "100", "100", "1")
    assert "below the intrinsic value" in mistake("iv", "call", "1", "100", "90", "1")
    assert "upper bound" in mistake("iv", "call", "100", "100", "90", "1")
    for place, name in enumerate(("the price", "forward", "strike", "years")):
        for bad in ("-1", "-2.5e3", "nan", "inf", "-inf"):
            numbers = ["10", "100", "90", "1"]
            numbers[place] = bad
            assert f"{name} is {float(bad):g}: it must be" in mistake("iv", "call", *numbers)
    assert "forward is 0: it must be above zero" in mistake("iv", "call", "1", "0", "90", "1")
    assert "rate is nan" in mistake("iv", "call", "1", "100", "90", "1", "--rate", "nan")
    assert "spot is -5.0: it must be" in mistake(*plain, "--spot", "-5", "--vol", "0.5")
    assert run("iv", "call", "1", "100", "90", "1", "--nonsense").exit_code == 2
    assert "a picture is .png or .html" in mistake("surface", str(snapshot), "--plot", str(tmp_path / "a.pdf"))
    assert "there is no folder" in mistake("surface", str(snapshot), "--plot", str(tmp_path / "no" / "a.png"))
    assert "no rows of DOGE" in mistake("surface", str(snapshot), "--currency", "DOGE")
    assert "no family 'sabr' of surfaces: there are svi, essvi, ssvi" in mistake(
        "surface", str(snapshot), "--family", "sabr"
    )
    assert "no model 'sabr' to calibrate" in mistake("calibrate", str(snapshot), "--model", "sabr")
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    assert "no column timestamp" in mistake("surface", str(empty))


def test_a_chain_of_crossed_quotes_says_so(tmp_path: Path, snapshot: Path) -> None:
    crossed = tmp_path / "crossed.csv"
    with snapshot.open() as text, crossed.open("w", newline="") as out:
        rows = list(csv.DictReader(text))
        writer = csv.DictWriter(out, rows[0].keys())
        writer.writeheader()
        for row in rows:
            writer.writerow({**row, "bid_price": "0.9"})
    assert f"{len(rows)} bid above ask" in mistake("surface", str(crossed))


@pytest.mark.parametrize(("file", "library"), [("a.png", "matplotlib"), ("a.html", "plotly")])
def test_a_missing_drawing_library_is_named(
    file: str, library: str, tmp_path: Path, snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_import = builtins.__import__

    def without(name: str, *others: Any) -> Any:
        if name.partition(".")[0] == library:
            raise ImportError(f"No module named {library!r}", name=library)
        return true_import(name, *others)

    for module in ("picture", "page"):
        monkeypatch.delitem(sys.modules, f"thalweg.cli.pricing.{module}", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    told = run("surface", str(snapshot), "--plot", str(tmp_path / file))
    assert told.exit_code == 2
    assert f"needs {library}: pip install 'thalweg[plot]'" in told.stderr
