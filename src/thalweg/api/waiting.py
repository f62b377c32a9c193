"""The one way methods ask the engine for something and wait: a fresh request id, a judge, a limit of time."""

import secrets
from typing import TypeVar

from thalweg.api.backend import Backend
from thalweg.api.outcomes import Judge
from thalweg.channel.events import AnyEvent
from thalweg.errors import Reason, Unavailable

_T = TypeVar("_T")


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
