"""What the pricing commands do: read what was asked, compute, and show it."""
