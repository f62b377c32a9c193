"""Gossip: signed messages that reach everybody who reads a topic, among peers that may lie. gossipsub v1.1, sans-IO."""

from thalweg.network.gossip.parameters import PROTOCOL, Caps, Parameters, Shape, Thresholds, Times, Weights

__all__ = ["PROTOCOL", "Caps", "Parameters", "Shape", "Thresholds", "Times", "Weights"]
