"""Commands that ask a running node: each is one call of its API."""

from typing import Annotated, Any

import typer

from thalweg.cli.options import AsJson, ChannelId, Data, Wait
from thalweg.cli.reporting import reporting, show

Amount = Annotated[str, typer.Argument(help="Amount in whole tokens, such as 1500.25.")]
UndecidedMax = Annotated[
    str, typer.Option("--undecided-max", help="At stake in unagreed states, in whole tokens (default: the node's).")
]


def _call(data: Any, method: str, **params: object) -> Any:
    from thalweg.api.client import Client

    return Client.of_folder(data).call(method, **params)


def status(data: Data, as_json: AsJson = False) -> None:
    """Who this node is, and how it is."""
    with reporting(as_json):
        result = _call(data, "status")
        from thalweg.cli.tables import status_facts

        show(as_json, result, status_facts(result))


def peers(data: Data, as_json: AsJson = False) -> None:
    """The peers this node knows."""
    with reporting(as_json):
        result = _call(data, "peers")
        from thalweg.cli.tables import peers_table

        show(as_json, result, peers_table(result))


def connect(
    address: Annotated[str, typer.Argument(help="/ip4/.../tcp/.../p2p/12D3KooW...")],
    data: Data,
    wait: Wait = 15,
    as_json: AsJson = False,
) -> None:
    """Stay connected to a peer."""
    with reporting(as_json):
        result = _call(data, "connect", address=address, wait_s=wait)
        show(as_json, result, f"connected to {result['peer']}")


def ban(peer: Annotated[str, typer.Argument(help="Peer id.")], data: Data, as_json: AsJson = False) -> None:
    """Drop a peer and have nothing to do with it, also after a restart."""
    with reporting(as_json):
        result = _call(data, "ban", peer=peer)
        show(as_json, result, f"{result['peer']} is banned; `thalweg pardon` lifts it")


def pardon(peer: Annotated[str, typer.Argument(help="Peer id.")], data: Data, as_json: AsJson = False) -> None:
    """Lift the ban of a peer."""
    with reporting(as_json):
        result = _call(data, "pardon", peer=peer)
        show(as_json, result, f"{result['peer']} is not banned any more")


def open_channel(
    peer: Annotated[str, typer.Argument(help="Peer id, or its whole address.")],
    own: Annotated[str, typer.Argument(help="What you deposit, in whole tokens.")],
    data: Data,
    other: Annotated[str, typer.Option("--other", help="What the other side deposits.")] = "0",
    challenge: Annotated[int, typer.Option("--challenge-period", min=1, help="Seconds to answer.")] = 86_400,
    undecided_max: UndecidedMax = "",
    wait: Wait = 120,
    as_json: AsJson = False,
) -> None:
    """Open a channel: one transaction funds both sides."""
    with reporting(as_json):
        result = _call(
            data,
            "open",
            peer=peer,
            own=own,
            other=other,
            challenge_period_s=challenge,
            undecided_max=undecided_max,
            wait_s=wait,
        )
        from thalweg.cli.tables import channel_facts

        show(as_json, result, channel_facts(result))


def proposals(data: Data, as_json: AsJson = False) -> None:
    """Channels that others want to open with this node."""
    with reporting(as_json):
        result = _call(data, "proposals")
        from thalweg.cli.tables import proposals_facts

        show(as_json, result, proposals_facts(result))


def accept(
    channel: Annotated[str, typer.Argument(help="Proposed channel, or the beginning of its id.")],
    data: Data,
    undecided_max: UndecidedMax = "",
    wait: Wait = 120,
    as_json: AsJson = False,
) -> None:
    """Accept a proposed channel."""
    with reporting(as_json):
        result = _call(data, "accept", channel=channel, undecided_max=undecided_max, wait_s=wait)
        from thalweg.cli.tables import channel_facts

        show(as_json, result, channel_facts(result))


def decline(
    channel: Annotated[str, typer.Argument(help="Proposed channel, or the beginning of its id.")],
    data: Data,
    why: Annotated[str, typer.Option("--why", help="Told to the other side.")] = "",
    as_json: AsJson = False,
) -> None:
    """Decline a proposed channel."""
    with reporting(as_json):
        result = _call(data, "decline", channel=channel, why=why)
        show(as_json, result, f"declined {result['declined']}")


def channels(
    data: Data,
    channel: Annotated[str, typer.Argument(help="Show this one in full.")] = "",
    as_json: AsJson = False,
) -> None:
    """List channels, or show one in full."""
    with reporting(as_json):
        if channel:
            result = _call(data, "channel", channel=channel)
            from thalweg.cli.tables import channel_facts

            show(as_json, result, channel_facts(result))
            return
        result = _call(data, "channels")
        from thalweg.cli.tables import channels_table

        show(as_json, result, channels_table(result))


def pay(
    amount: Amount,
    data: Data,
    channel: ChannelId = "",
    memo: Annotated[str, typer.Option("--memo", help="At most 64 characters, seen by the other side.")] = "",
    repeat: Annotated[int, typer.Option("--repeat", min=1, max=10_000, help="So many, one after another.")] = 1,
    wait: Wait = 30,
    as_json: AsJson = False,
) -> None:
    """Pay the other side of a channel."""
    with reporting(as_json):
        payments = [{"amount": amount, "memo": memo}]
        result = _call(data, "pay", payments=payments, channel=channel, repeat=repeat, wait_s=wait)
        show(as_json, result, f"paid {result['agreed']} x {amount}: agreed in version {result['version']}")


def deposit(amount: Amount, data: Data, channel: ChannelId = "", wait: Wait = 120, as_json: AsJson = False) -> None:
    """Deposit more into a channel."""
    with reporting(as_json):
        result = _call(data, "deposit", amount=amount, channel=channel, wait_s=wait)
        show(as_json, result, f"deposited {amount} in transaction {result['transaction']}; it counts once it is final")


def withdraw(amount: Amount, data: Data, channel: ChannelId = "", wait: Wait = 120, as_json: AsJson = False) -> None:
    """Take money out of a channel that goes on."""
    with reporting(as_json):
        result = _call(data, "withdraw", amount=amount, channel=channel, wait_s=wait)
        show(as_json, result, f"withdrew {amount} in transaction {result['transaction']}")


def close(
    data: Data,
    channel: Annotated[str, typer.Argument(help="Channel, or the beginning of its id.")] = "",
    alone: Annotated[bool, typer.Option("--alone", help="By a challenge, without the other side.")] = False,
    wait: Wait = 120,
    as_json: AsJson = False,
) -> None:
    """Close a channel: together where possible."""
    with reporting(as_json):
        result = _call(data, "close", channel=channel, alone=alone, wait_s=wait)
        from thalweg.cli.tables import channel_facts

        show(as_json, result, channel_facts(result))


def resume(data: Data, channel: ChannelId = "", wait: Wait = 30, as_json: AsJson = False) -> None:
    """Resume a channel after its journal was restored from a backup."""
    with reporting(as_json):
        result = _call(data, "resume", channel=channel, wait_s=wait)
        show(as_json, result, f"resumed at version {result['version']}")


def trade(
    side: Annotated[str, typer.Argument(help="buy or sell.")],
    quantity: Annotated[str, typer.Argument(help="Quantity of the underlying, such as 0.5.")],
    instrument: Annotated[str, typer.Argument(help="Deribit name, such as BTC_USDC-27MAR26-60000-C.")],
    price: Annotated[str, typer.Argument(help="Price for one unit of the underlying.")],
    data: Data,
    leg: Annotated[
        list[str] | None, typer.Option("--leg", help='A further leg: "sell 0.5 BTC_USDC-27MAR26-70000-C 410".')
    ] = None,
    channel: ChannelId = "",
    valid: Annotated[int, typer.Option("--valid", min=1, max=86_400, help="Seconds the offer stands.")] = 60,
    wait: Wait = 30,
    as_json: AsJson = False,
) -> None:
    """Offer a trade to the other side, all legs or none, and wait for its answer."""
    with reporting(as_json):
        legs = [_leg([side, quantity, instrument, price]), *(_leg(text.split()) for text in leg or ())]
        result = _call(data, "trade", legs=legs, channel=channel, valid_s=valid, wait_s=wait)
        show(as_json, result, f"traded: agreed in version {result['version']}")


def _leg(words: list[str]) -> dict[str, str]:
    from thalweg.errors import Reason, UserFault

    if len(words) != 4 or words[0] not in ("buy", "sell"):
        raise UserFault(
            Reason.MALFORMED, f"a leg is 'buy|sell QUANTITY INSTRUMENT PRICE', not {' '.join(words)[:120]!r}"
        )
    side, quantity, instrument, price = words
    return {"side": side, "quantity": quantity, "instrument": instrument, "price": price}


def offers(data: Data, channel: ChannelId = "", as_json: AsJson = False) -> None:
    """Open offers, made by this node and to it."""
    with reporting(as_json):
        result = _call(data, "offers", channel=channel)
        from thalweg.cli.tables import offers_table

        show(as_json, result, offers_table(result))


def take(
    offer: Annotated[str, typer.Argument(help="Offer, or the beginning of its id.")],
    data: Data,
    wait: Wait = 30,
    refuse: Annotated[bool, typer.Option("--decline", help="Decline it instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take an offer made to this node, or decline it."""
    with reporting(as_json):
        if refuse:
            result = _call(data, "decline_offer", offer=offer)
            show(as_json, result, f"declined {result['declined']}")
            return
        result = _call(data, "take", offer=offer, wait_s=wait)
        show(as_json, result, f"traded: agreed in version {result['version']}")


def positions(data: Data, as_json: AsJson = False) -> None:
    """Live positions in all channels."""
    with reporting(as_json):
        result = _call(data, "positions")
        from thalweg.cli.tables import positions_table

        show(as_json, result, positions_table(result))


def reports(data: Data, as_json: AsJson = False) -> None:
    """Settlements the oracles signed and this node has seen."""
    with reporting(as_json):
        result = _call(data, "reports")
        from thalweg.cli.tables import reports_table

        show(as_json, result, reports_table(result))


def counters(data: Data, as_json: AsJson = False) -> None:
    """What this node has done since it started."""
    with reporting(as_json):
        result = _call(data, "counters")
        from thalweg.cli.tables import facts

        show(as_json, result, facts("Counters", result))
