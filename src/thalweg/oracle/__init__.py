"""An oracle of a quorum: pure rounds in a thin shell."""
