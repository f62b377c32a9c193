"""What the demonstration of the network has measured, and how it is shown."""

from collections.abc import Sequence
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from thalweg.cli.demo.screen import plain_table


class PhaseFigures(msgspec.Struct, frozen=True):
    """A burst of messages: how much of it arrived by gossip, and how soon."""

    name: str
    members: int
    sent: int
    due: int  # deliveries
    delivered: int
    ms_p50: float
    ms_p99: float

    @property
    def share(self) -> float:
        """Return the share that arrived."""
        return self.delivered / self.due if self.due else 1.0


class MemberFigures(msgspec.Struct, frozen=True):
    """One member at the end."""

    number: int
    links: int
    mesh: int
    cpu_s: float
    cpu_us_a_message: float
    rss_mb: float
    score_min: float
    score_median: float
    items: int


class NetworkFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Everything."""

    ok: bool
    scenario: str
    members: int
    killed: int
    found_s: float  # until everybody knew everybody
    healed_s: float  # after the partition, until all had everything
    phases: tuple[PhaseFigures, ...]
    table: tuple[MemberFigures, ...]
    equal: bool  # all shelves at the end
    seconds: float


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of the values lies; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def phases_table(figures: NetworkFigures) -> Table:
    """Return the bursts, one a line."""
    table = plain_table(
        ("", "left"),
        ("members", "right"),
        ("messages", "right"),
        ("delivered", "right"),
        ("p50", "right"),
        ("p99", "right"),
    )
    for phase in figures.phases:
        style = "green" if phase.delivered == phase.due else "yellow"
        table.add_row(
            Text(phase.name, "bold"),
            str(phase.members),
            str(phase.sent),
            Text(f"{phase.share:.2%}", style),
            f"{phase.ms_p50:.1f} ms",
            f"{phase.ms_p99:.1f} ms",
        )
    return table


def members_table(figures: NetworkFigures) -> Table:
    """Return the members, one a line."""
    columns = ("links", "mesh", "items", "CPU", "a message", "memory", "worst score", "median")
    table = plain_table(("member", "left"), *((name, "right") for name in columns))
    for each in figures.table:
        table.add_row(
            str(each.number),
            str(each.links),
            str(each.mesh),
            str(each.items),
            f"{each.cpu_s:.2f} s",
            f"{each.cpu_us_a_message:.0f} µs",
            f"{each.rss_mb:.0f} MB",
            f"{each.score_min:.1f}",
            f"{each.score_median:.1f}",
        )
    return table


def verdict(figures: NetworkFigures) -> Text:
    """Return the last line."""
    if figures.ok:
        return Text.assemble(
            ("✓ ", "green"),
            f"everybody has everything, {figures.killed} lost members and a partition later: {figures.seconds:.0f} s",
        )
    return Text("✗ somebody lacks something", "bold red")


def member_figures(number: int, state: dict[str, Any], idle_cpu_s: float, messages: int) -> MemberFigures:
    """Return what one member's state says. CPU a message: of the bursts, everything of them included."""
    scores = state["scores"] or [0.0]
    return MemberFigures(
        number=number,
        links=state["links"],
        mesh=state["mesh"],
        cpu_s=round(state["cpu_s"], 2),
        cpu_us_a_message=round((state["cpu_s"] - idle_cpu_s) / max(1, messages) * 1e6, 1),
        rss_mb=state["rss_mb"],
        score_min=min(scores),
        score_median=quantile(scores, 0.5),
        items=state["items"],
    )
