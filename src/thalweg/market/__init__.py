"""Offers and market data. Pure."""
