"""A deterministic world to run whole nodes in, shipped for users."""
