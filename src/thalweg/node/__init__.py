"""The node: pure root state and step, the ports to the world, and the engine between them."""
