"""Terms and payoffs of derivatives, and the oracle reports that settle them. Integers only."""
