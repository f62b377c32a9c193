"""What a node process loads for its chain: not the embedded chain, nor libraries that cost it a second."""

import subprocess
import sys

HEAVY = (
    "thalweg.chain.embedded",
    "eth",
    "eth_tester",
    "web3",
    "eth_account",
    "eth_keys",
    "py_ecc",
    "pydantic",
    "eth_abi",
)


def test_the_adapter_loads_neither_the_embedded_chain_nor_heavy_libraries() -> None:
    program = (
        "import sys, thalweg.chain.evm, thalweg.chain.token, thalweg.chain.oracle, thalweg.chain.deploy;"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
