"""What a topic thinks of a payload. Whoever reads a topic brings its validator.

Cheap checks come first (`glance`: size, market, expiry), then the author's rate, then his signature (`verify`).
"""

from enum import Enum
from typing import Final, NamedTuple, Protocol

from thalweg.errors import PeerFault, Reason


class Verdict(Enum):
    """What becomes of a message, and of its sender's score."""

    ACCEPT = "accept"  # deliver it and pass it on
    IGNORE = "ignore"  # do neither; an honest peer may have sent it
    REJECT = "reject"  # do neither; no honest peer would have sent it


class Judgement(NamedTuple):
    """A verdict and why."""

    verdict: Verdict
    reason: Reason | None = None
    detail: str = ""


ACCEPTED: Final = Judgement(Verdict.ACCEPT)


class Validator(Protocol):
    """The rules of a topic. A `PeerFault` from either function is a REJECT with its reason."""

    payload_bytes_max: int

    def glance(self, payload: bytes) -> bytes | Judgement:
        """Check what costs little; return the author whom the payload claims, or why it is not taken."""

    def verify(self, payload: bytes) -> Judgement:
        """Check everything else: the author's signature."""


def glance(validator: Validator, payload: bytes) -> bytes | Judgement:
    """Return the claimed author, or why the payload is not taken."""
    if len(payload) > validator.payload_bytes_max:
        detail = f"{len(payload)} bytes; at most {validator.payload_bytes_max} are taken"
        return Judgement(Verdict.REJECT, Reason.OVERSIZED, detail)
    try:
        return validator.glance(payload)
    except PeerFault as fault:
        return Judgement(Verdict.REJECT, fault.reason, fault.detail)


def verify(validator: Validator, payload: bytes) -> Judgement:
    """Return the verdict on a payload that passed `glance`."""
    try:
        return validator.verify(payload)
    except PeerFault as fault:
        return Judgement(Verdict.REJECT, fault.reason, fault.detail)
