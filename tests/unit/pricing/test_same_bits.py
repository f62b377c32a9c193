"""The same bits on one thread or two, and from code for AVX2 or AVX-512: what counterparties compare is equal."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from tests.unit.pricing.test_european import book

from thalweg.pricing.european import OUTPUTS, black_scholes
from thalweg.pricing.models import BlackScholes
from thalweg.pricing.paths import Sampling, Scene, simulate

FLAGS = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
AVERAGES = ("terminal", "average", "log_average", "score", "average_vega")


def digest(columns: Iterable[Any]) -> str:
    return hashlib.sha256(b"".join(column.tobytes() for column in columns)).hexdigest()


def europeans() -> str:
    return digest(black_scholes(**book(20_000, seed=9), outputs=OUTPUTS).values())


def averages(threads: int = 0) -> str:
    times = np.arange(1, 31) / 60
    scene = Scene(100.0, times, 100.0 + times, np.full(30, 1 / 30), np.ones(30, np.bool_))
    paths = simulate(BlackScholes(0.3), scene, Sampling(paths=4000, threads=threads), AVERAGES)
    return digest(getattr(paths, name) for name in AVERAGES)


def test_one_thread_and_two_give_the_same_prices() -> None:
    threads = numba.get_num_threads()
    both = europeans()
    numba.set_num_threads(1)
    try:
        assert europeans() == both
    finally:
        numba.set_num_threads(threads)


def test_one_thread_and_three_give_the_same_averages() -> None:
    assert averages(1) == averages(2) == averages(3)


@pytest.mark.slow
@pytest.mark.parametrize("what", [europeans, averages])
@pytest.mark.parametrize("cpu", ["haswell", "skylake-avx512"])
def test_code_for_another_processor_gives_the_same_bits(cpu: str, what: Any, tmp_path: Path) -> None:
    if {"haswell": "avx2", "skylake-avx512": "avx512vl"}[cpu] not in FLAGS:
        pytest.skip(f"this processor does not run code for {cpu}")
    program = f"from tests.unit.pricing import test_same_bits as here; print(here.{what.__name__}())"
    environment = os.environ | {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == what()
