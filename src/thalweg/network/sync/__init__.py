"""Sets of signed items that peers keep equal: paged snapshots, set reconciliation, lists of short ids. Sans-IO."""

from thalweg.network.sync.answering import answer, cost
from thalweg.network.sync.asking import Outcome, Session, rejoin, snapshot
from thalweg.network.sync.messages import MESSAGE_BYTES_MAX, PROTOCOL, Answer, Give, Items, Request
from thalweg.network.sync.shelf import Caps, Shelf

__all__ = [
    "MESSAGE_BYTES_MAX", "PROTOCOL", "Answer", "Caps", "Give", "Items", "Outcome", "Request", "Session", "Shelf",
    "answer", "cost", "rejoin", "snapshot",
]  # fmt: skip
