"""Engines behind `thalweg.pricing.interface`: each module registers the pairs it can price."""
