"""The one way methods ask the engine for something and wait: a fresh request id, a judge, a limit of time."""

import secrets
from typing import Final, TypeVar

from thalweg.api.backend import Backend
from thalweg.api.outcomes import Judge
from thalweg.channel.events import AnyEvent
from thalweg.errors import Reason, Unavailable
from thalweg.units import ChannelId

_T = TypeVar("_T")

COUNT_S_MAX: Final = 5.0  # then the deposit counts when it is final


def new_request() -> str:
    """Return an id for a request, unlike any other."""
    return secrets.token_hex(8)


async def ask(backend: Backend, event: AnyEvent, judge: Judge[_T], wait_s: float, what: str) -> _T:
    """Hand an event to the engine and return its outcome.

    Raises:
        UserFault: it cannot be done, or was refused.
        Unavailable: UNREACHABLE, no outcome yet: what was asked for stays under way.
    """
    outcome = await backend.outcomes.settle(lambda: backend.request(event), judge, wait_s)
    if outcome is None:
        raise Unavailable(
            Reason.UNREACHABLE, f"{what} is not settled after {wait_s:g} s and stays under way: look again later"
        )
    return outcome


async def counted(backend: Backend, channel_id: ChannelId, wait_s: float, more: int = 0) -> None:
    """Wait a little until the agreed state has counted all that is deposited, and no transaction is on its way.

    So that the user may deposit or withdraw at once; where the chain is slow, not for long.

    `more` is what the chain is about to show beyond what it shows now, in base units.
    """
    due = sum(backend.engine.node.channels[channel_id].head.deposited) + more

    def is_counted() -> bool:
        channel = backend.engine.node.channels[channel_id]
        return not channel.calls and sum(holding.deposited for holding in channel.agreed.sheet.holdings) >= due

    if not is_counted():
        await backend.outcomes.settle(lambda: None, lambda _: is_counted() or None, min(wait_s, COUNT_S_MAX))
