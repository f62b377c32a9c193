"""`thalweg demo`: one trade, end to end, between real processes, with trouble on request."""
