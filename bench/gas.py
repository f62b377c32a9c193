"""Gas of every step beside the cheapest peer: `make gas` prints the table and writes tests/contracts/gas.snapshot and
bench/results/gas.json.

Receipts on py-evm (Cancun). The peers' figures are receipts on anvil 1.7.1 with the artefacts they publish (Nitro
2.0.1-alpha.6, Perun at its newest, Raiden 0.50.2, Vector 0.2.3, Celer, Nitrolite), in the same setting: two
participants, one ERC-20, payees that hold tokens already, one channel funded before. An exit from a virtual channel is
Nitro's own published figure.
"""

import json
import sys
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from tests.contracts.scene import Scene
from tests.contracts.test_gas import CEILINGS, SNAPSHOT, measure

RESULTS = Path(__file__).parent / "results" / "gas.json"


class Peer(NamedTuple):
    """The cheapest peer at a step."""

    name: str
    gas: int


PEERS = {
    "open_permit_first": Peer("Nitro", 207_050),
    "open_permit": Peer("Nitro", 207_050),
    "open_authorization": Peer("Nitro", 207_050),
    "open_approve": Peer("Nitro", 207_050),
    "close": Peer("Nitro", 99_208),
    "challenge": Peer("Perun", 109_101),
    "respond": Peer("Nitro", 74_320),
    "settle": Peer("Nitro", 69_707),
    "withdraw": Peer("Raiden", 97_664),
    "topup": Peer("Vector", 34_511),
    "third_party_close": Peer("Nitro", 29_000),
    "extra_party_close": Peer("Nitro", 29_000),
    "virtual_exit": Peer("Nitro", 470_520),
}


def main() -> int:
    """Measure, print, write; 1 where a ceiling is not kept."""
    figures = measure(Scene())
    table = Table(title="Gas", title_justify="left")
    for heading in ("step", "gas", "at most", "best peer", "of it"):
        table.add_column(heading, justify="left" if heading in ("step", "best peer") else "right")
    for step, gas in figures.items():
        ceiling, peer = CEILINGS.get(step), PEERS.get(step)
        table.add_row(
            step,
            f"{gas:,}",
            "" if ceiling is None else f"{ceiling:,}" + ("  !" if gas > ceiling else ""),
            "" if peer is None else f"{peer.gas:,} {peer.name}",
            "" if peer is None else f"{gas / peer.gas:.0%}",
        )
    Console().print(table)
    SNAPSHOT.write_text(json.dumps(figures, indent=1) + "\n")
    RESULTS.write_text(json.dumps(figures, indent=2) + "\n")
    return int(any(figures[step] > ceiling for step, ceiling in CEILINGS.items()))


if __name__ == "__main__":
    sys.exit(main())
