"""Results as people read them. Only layout; nothing is computed here."""

from datetime import UTC, datetime
from typing import Any, Final

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

_PHASE_STYLES: Final = {"live": "green", "opening": "yellow", "disputed": "red", "recovering": "magenta"}
SHORT: Final = 12


def table(title: str, *columns: str, right: tuple[str, ...] = ()) -> Table:
    """Return an empty table; columns named in `right` are numbers."""
    made = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", no_wrap=True)
    return made


def facts(title: str, pairs: dict[str, object]) -> Table:
    """Return names and values, one a line."""
    made = Table(title=title, title_justify="left", title_style="bold", box=None, show_header=False, pad_edge=False)
    made.add_column(style="dim")
    made.add_column(overflow="fold")
    for name, value in pairs.items():
        made.add_row(name, str(value))
    return made


def when(seconds: int) -> str:
    """Return a time as people write it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def channels_table(views: list[dict[str, Any]]) -> Table:
    """Return channels, one a line."""
    made = table(
        "Channels", "channel", "phase", "version", "mine", "free", "theirs", "positions", "peer",
        right=("version", "mine", "free", "theirs", "positions"),
    )  # fmt: skip
    for view in views:
        mine = next(holding for holding in view["holdings"] if holding["me"])
        theirs = next(holding for holding in view["holdings"] if not holding["me"])
        peer = next(text for seat, text in enumerate(view["peers"]) if seat != view["seat"])
        made.add_row(
            view["id"][:SHORT],
            Text(view["phase"], style=_PHASE_STYLES.get(view["phase"], "dim")),
            str(view["version"]),
            f"{mine['balance']} {mine['asset']}",
            mine["free"],
            theirs["balance"],
            str(len(view["positions"])),
            f"…{peer[-8:]}" + ("" if view["connected"] else " (away)"),
        )
    return made


def channel_facts(view: dict[str, Any]) -> Table:
    """Return one channel in full."""
    dispute = view["chain"]["dispute"]
    pairs: dict[str, object] = {
        "phase": view["phase"],
        "version": f"{view['version']} agreed, {view['offered']} offered, {view['waiting']} operations waiting",
        "peer": ", ".join(text for seat, text in enumerate(view["peers"]) if seat != view["seat"]),
        "link": "up" if view["connected"] else "down",
    }
    for holding in view["holdings"]:
        who = "mine" if holding["me"] else "theirs"
        pairs[f"{who}, {holding['asset']}"] = (
            f"{holding['balance']} ({holding['free']} free, {holding['required']} collateral), "
            f"{holding['deposited']} deposited, {holding['withdrawn']} withdrawn"
        )
    for position in view["positions"]:
        pairs[position["instrument"]] = f"{position['quantity']}, expires {when(position['expiry'])}"
    if dispute is not None:
        pairs["dispute"] = f"version {dispute['version']}, until {when(dispute['deadline'])}"
    if view["chain"]["calls"]:
        pairs["on its way"] = ", ".join(view["chain"]["calls"])
    return facts(f"Channel {view['id']}", pairs)


def positions_table(views: list[dict[str, Any]]) -> Table:
    """Return live positions, one a line."""
    made = table("Positions", "instrument", "quantity", "expires", "channel", right=("quantity",))
    for view in views:
        made.add_row(view["instrument"], view["quantity"], when(view["expiry"]), view["channel"][:SHORT])
    return made


def offers_table(views: list[dict[str, Any]]) -> Table:
    """Return open offers, one leg a line."""
    made = table(
        "Offers", "offer", "from", "side", "quantity", "instrument", "price", "you receive", "until",
        right=("quantity", "price", "you receive"),
    )  # fmt: skip
    for view in views:
        for index, leg in enumerate(view["legs"]):
            first = index == 0
            made.add_row(
                view["id"][:SHORT] if first else "",
                ("me" if view["mine"] else "them") if first else "",
                leg["side"],
                leg["quantity"],
                leg["instrument"],
                leg["price"],
                view["premium"] if first else "",
                when(view["valid_until"]) if first else "",
            )
    return made


def proposals_facts(views: list[dict[str, Any]]) -> Group | Text:
    """Return openings under way, each with all that its terms settle for ever."""
    if not views:
        return Text("No channel is proposed.")
    return Group(*(_proposal_facts(view) for view in views))


def _proposal_facts(view: dict[str, Any]) -> Table:
    seat = view["seat"]
    return facts(
        f"Proposed channel {view['id']}",
        {
            "from": "me" if view["mine"] else view["peer"],
            "your deposit": f"{', '.join(view['own'])} {', '.join(view['assets'])}, from {view['payers'][seat]}",
            "all deposits": ", ".join(view["amounts"]),
            "you are paid at": view["payouts"][seat],
            "others are paid at": ", ".join(text for other, text in enumerate(view["payouts"]) if other != seat),
            "oracle": view["oracle"],
            "settles in": f"{view['settlement']}, close-out at {view['close_out']}",
            "time to answer a challenge": f"{view['challenge_period_s']} s",
            "can be accepted until": when(view["deadline"]),
            "objection": view["objection"] or "none",
        },
    )


def peers_table(views: list[dict[str, Any]]) -> Table:
    """Return peers, one a line."""
    made = table("Peers", "peer", "up", "address", "agent", "roles", "ms", "score", "why", right=("ms", "score"))
    for view in views:
        made.add_row(
            f"…{view['id'][-8:]}",
            "yes" if view["up"] else "linked" if view["linked"] else "no",
            address_text(view["address"], dialled=view["dialled"]),
            view["agent"],
            ", ".join(view["roles"]),
            "" if view["rtt_ms"] is None else f"{view['rtt_ms']:.1f}",
            f"{view['score']:.1f}",
            ", ".join(f"{name} {worth:+.1f}" for name, worth in view["why"].items()),
        )
    return made


def address_text(address: str, *, dialled: bool) -> str:
    """Return host and port of an address; an arrow says who dialled, a dotted one that a relay is in between."""
    parts = address.split("/")
    if len(parts) < 3:
        return ""
    arrow = ("⇢" if dialled else "⇠") if "p2p-circuit" in parts else ("→" if dialled else "←")
    if parts[1] == "onion3":
        return f"{arrow} {parts[2][:SHORT]}….onion:{parts[2].rpartition(':')[2]}"
    return f"{arrow} {parts[2]}:{parts[4]}" if len(parts) > 4 else ""


def status_facts(view: dict[str, Any]) -> Table:
    """Return a node's status."""
    counts = ", ".join(f"{count} {name}" for name, count in view["channels"].items() if count) or "none"
    return facts(
        f"Thalweg {view['version']}",
        {
            "peer": view["peer"],
            "addresses": "\n".join(view["addresses"]),
            "channel key": view["key"],
            "wallet": view["wallet"],
            "time": when(view["time"]),
            "chain": f"{view['chain']['id']}" + (f": {view['chain']['trouble']}" if view["chain"]["trouble"] else ""),
            "adjudicator": view["chain"]["adjudicator"],
            "oracle": view["chain"]["oracle"],
            "asset": f"{view['asset']['symbol']} {view['asset']['address']}",
            "peers": f"{view['peers']} up, {view['links']} links",
            "channels": counts,
            "proposals": view["proposals"],
            "journal": "restored: channels must resume or close" if view["recovering"] else "this node's own",
        },
    )


def reports_table(views: list[dict[str, Any]]) -> Table:
    """Return settlements, one a line."""
    made = table("Settlements", "pair", "time", "price", "signers", right=("price",))
    for view in views:
        price = "void" if view["void"] else view["price"]
        made.add_row(view["pair"], when(view["time"]), price, ", ".join(map(str, view["signers"])))
    return made
