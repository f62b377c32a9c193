"""Gossip: signed messages that reach everybody who reads a topic, among peers that may lie. gossipsub v1.1, sans-IO."""

from thalweg.network.gossip.events import (
    Accused,
    Beat,
    Cut,
    Deliver,
    Dial,
    Due,
    Effect,
    Event,
    Joined,
    Known,
    Lagged,
    Left,
    More,
    Note,
    Pause,
    Published,
    Received,
    Recorded,
    Resumed,
    Send,
    Subscribed,
    Unsubscribed,
)
from thalweg.network.gossip.parameters import PROTOCOL, Caps, Parameters, Shape, Thresholds, Times, Weights
from thalweg.network.gossip.router import step
from thalweg.network.gossip.state import Chance, State
from thalweg.network.gossip.validation import ACCEPTED, Judgement, Validator, Verdict

__all__ = [
    "ACCEPTED", "PROTOCOL", "Accused", "Beat", "Caps", "Chance", "Cut", "Deliver", "Dial", "Due", "Effect", "Event",
    "Joined", "Judgement", "Known", "Lagged", "Left", "More", "Note", "Parameters", "Pause", "Published", "Received",
    "Recorded", "Resumed", "Send", "Shape", "State", "Subscribed", "Thresholds", "Times", "Unsubscribed", "Validator",
    "Verdict", "Weights", "step",
]  # fmt: skip
