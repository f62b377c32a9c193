"""The parts of contracts.md that are made: the gas table from bench/results/gas.json, the diagram from what calls do.

python docs/contract_tables.py    writes them anew; a test demands that they are
"""

import json
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "contracts.md"
GAS: Final = ROOT / "bench" / "results" / "gas.json"

STEPS: Final = {
    "open_permit_first": ("open and fund both, by permit (payers' first)", "207,050 (Nitro)"),
    "open_permit": ("open and fund both, by permit", "207,050 (Nitro)"),
    "open_authorization": ("open and fund both, by authorization", "207,050 (Nitro)"),
    "open_approve": ("open and fund both, approvals included", "207,050 (Nitro)"),
    "topup": ("top up", "34,511 (Vector), 70,207 (Raiden)"),
    "withdraw": ("withdraw in part", "97,664 (Raiden)"),
    "close": ("close, both paid", "99,208 (Nitro)"),
    "third_party_close": ("a third participant at a closing: two have a call of their own", "~29,000 (Nitro)"),
    "extra_party_close": ("each further participant, from the fourth on", "~29,000 (Nitro)"),
    "challenge": ("challenge", "109,101 (Perun)"),
    "respond": ("respond", "74,320 (Nitro)"),
    "settle": ("settle without claims, both paid", "69,707 (Nitro)"),
    "position": ("settle with one position, both paid", "-"),
    "position_each": ("each further position", "-"),
    "virtual_exit": (
        "exit from a virtual channel: parent and child disputed and settled",
        "470,520 (Nitro, published)",
    ),
}

# from, to, what does it, and on what terms
MOVES: Final = (
    ("[*]", "Open", "open", "every payer signed"),
    ("Open", "Open", "deposit, withdraw", "he agreed; everybody signed"),
    ("Open", "Disputed", "challenge", "a participant signed"),
    ("Disputed", "Disputed", "respond", "greater version, before the deadline"),
    ("Disputed", "Disputed", "resolve", "some claims, from the deadline on"),
    ("Disputed", "Open", "resume", "everybody signed"),
    ("Open", "Closed", "close", "final state"),
    ("Disputed", "Closed", "close", "final state, at any time"),
    ("Disputed", "Closed", "settle", "no claims, from the deadline on"),
    ("Disputed", "Closed", "resolve", "the last claim"),
    ("Closed", "[*]", "", ""),
)


def gas_table() -> str:
    """Return every figure beside the peers' best."""
    figures: dict[str, int] = json.loads(GAS.read_text())
    rows = []
    for step, gas in figures.items():
        label, peers = STEPS.get(step, (step.replace("_", " "), "-"))
        rows.append(f"| {label} | {gas:,} | {peers} |")
    return "\n".join(("| step | gas | peers' best |", "|---|---|---|", *rows))


def diagram() -> str:
    """Return a channel's life."""
    lines = [f"    {start} --> {end}" + (f": {call} ({terms})" if call else "") for start, end, call, terms in MOVES]
    return "\n".join(("```mermaid", "stateDiagram-v2", *lines, "```"))


MADE: Final = {"gas": gas_table, "diagram": diagram}


def renewed(page: str) -> str:
    """Return the page with everything that is made made anew, between its markers."""
    for name, make in MADE.items():
        mark, end = f"<!-- {name}: docs/contract_tables.py -->\n", f"\n<!-- /{name} -->"
        before, _, rest = page.partition(mark)
        _, _, after = rest.partition(end)
        page = before + mark + make() + end + after
    return page


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))
