"""The closing figures: what the chain saw, what the nodes counted, what each had and has."""

from typing import Any, Final

import msgspec
from rich.table import Table
from rich.text import Text

from thalweg.chain import wire
from thalweg.chain.artefacts import ADJUDICATOR, QUORUM_ORACLE, RESOLVER, entries
from thalweg.chain.rpc import Rpc
from thalweg.cli.demo.screen import plain_table
from thalweg.units import Address, Hash

BLOCKS_MAX: Final = 5_000
DECIMALS: Final = 6
_UNIT: Final = 10**DECIMALS


class PartyFigures(msgspec.Struct, frozen=True):
    """One trader, in base units of the token."""

    name: str
    deposited: int
    paid: int
    pnl: int
    expected: int


class Figures(msgspec.Struct, frozen=True):
    """What `--json` prints. Amounts are integers, in base units of `asset` (10^`decimals` to a token)."""

    ok: bool
    conserved: bool
    scenario: str
    market: str
    seed: int
    asset: str
    decimals: int
    parties: tuple[PartyFigures, ...]
    onchain_transactions: int
    gas: dict[str, int]
    states_signed: int
    messages: int
    updates: int
    update_ms_p50: float
    settlement_price: float
    signed_by: str
    seconds: float
    trouble: dict[str, Any]


class _Sent(msgspec.Struct, rename={"sender": "from"}):
    hash: str
    sender: str
    input: str


class _Block(msgspec.Struct):
    transactions: list[_Sent]


async def chain_steps(rpc: Rpc, first_block: int, accounts: set[Address]) -> tuple[int, dict[str, int]]:
    """Return how many transactions these accounts have sent since a block, and the gas of each kind of step."""
    names = {
        entry.selector: name.removesuffix("_pair")  # a cheaper call for the same step
        for kind in (ADJUDICATOR, RESOLVER, QUORUM_ORACLE)
        for name, entry in entries(kind).items()
    }
    last = (await wire.head(rpc)).number
    count, gas = 0, dict[str, int]()
    for number in range(first_block, min(last, first_block + BLOCKS_MAX) + 1):
        block = await rpc.request("eth_getBlockByNumber", (hex(number), True), _Block)
        for sent in block.transactions:
            if Address(wire.octets(sent.sender, 20)) not in accounts:
                continue
            receipt = await wire.receipt(rpc, Hash(wire.octets(sent.hash, 32)))
            name = names.get(wire.octets(sent.input)[:4], "other")
            count += 1
            gas[name] = gas.get(name, 0) + (receipt.gas_used if receipt else 0)
    return count, gas


def money(amount: int, places: int = 2, *, signed: bool = False) -> str:
    """Return base units as people write money, with so many decimals (`places_of`)."""
    whole, part = divmod(abs(amount), _UNIT)
    sign = "-" if amount < 0 else ("+" if signed and amount else "")
    return f"{sign}{whole:,}.{part:06d}"[: places - DECIMALS or None]


def places_of(*amounts: int) -> int:
    """Return how many decimals show all of these to the unit: two where that is enough."""
    return 2 if all(amount % 10 ** (DECIMALS - 2) == 0 for amount in amounts) else DECIMALS


def parties_table(figures: Figures) -> Table:
    """Return what each had and has."""
    table = plain_table(
        ("", "left"),
        ("had", "right"),
        ("has", "right"),
        ("gain or loss", "right"),
        ("must have", "right"),
        ("", "left"),
    )
    places = places_of(*(amount for party in figures.parties for amount in (party.paid, party.expected)))
    for party in figures.parties:
        right = party.paid == party.expected
        table.add_row(
            Text(party.name, "bold"),
            money(party.deposited, places),
            money(party.paid, places),
            Text(money(party.pnl, places, signed=True), "green" if party.pnl > 0 else "red" if party.pnl < 0 else ""),
            money(party.expected, places),
            Text("to the unit", "green") if right else Text("WRONG", "bold red"),
        )
    table.add_section()
    totals = [
        sum(column) for column in zip(*((p.deposited, p.paid, p.pnl, p.expected) for p in figures.parties), strict=True)
    ]
    table.add_row(
        Text("together", "dim"),
        *(money(total, places) for total in totals),
        Text("conserved", "green") if figures.conserved else Text("NOT CONSERVED", "bold red"),
    )
    return table


def facts_table(figures: Figures) -> Table:
    """Return what it took."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    table.add_row("settlement price", f"{figures.settlement_price:,.2f} {figures.asset}, signed by {figures.signed_by}")
    table.add_row("on chain", f"{figures.onchain_transactions} transactions, {sum(figures.gas.values()):,} gas")
    table.add_row("", Text(", ".join(f"{name} {gas:,}" for name, gas in figures.gas.items()), "dim"))
    table.add_row("off chain", f"{figures.states_signed} states signed, {figures.messages} messages")
    times = f"{figures.update_ms_p50:.1f} ms, durable on both sides (median of {figures.updates})"
    table.add_row("time per state", times)
    return table


def verdict(figures: Figures) -> Text:
    """Return the last line."""
    if figures.ok:
        return Text.assemble(
            ("✓ ", "green"), f"everyone was paid what the newest state says, in {figures.seconds:.0f} s"
        )
    return Text("✗ somebody was not paid what he must be", "bold red")
