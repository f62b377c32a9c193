"""What a node imports to start must not bring in numpy or numba: they cost a second and 100 MB."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module", ["thalweg.pricing.european", "thalweg.market.smiles", "thalweg.app.node", "thalweg.cli"]
)
def test_numpy_and_numba_wait_until_they_are_needed(module: str) -> None:
    program = f"import sys, {module}; print(sorted({{'numpy', 'numba', 'llvmlite'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
