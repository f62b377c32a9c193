"""Models and surfaces. Floats: advice, never signed."""
