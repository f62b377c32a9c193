"""A deterministic world to run whole nodes in, shipped for users. Production code never imports it."""

from thalweg.testing.faults import NO_FAULTS, Faults
from thalweg.testing.world import Summary, World, replay_command

__all__ = ["NO_FAULTS", "Faults", "Summary", "World", "replay_command"]
