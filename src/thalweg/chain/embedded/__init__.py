"""A development EVM chain inside Thalweg. A node process never imports it: py-evm costs a second and 30 MB."""

from thalweg.chain.embedded.engine import EmbeddedChain
from thalweg.chain.embedded.server import serve_chain

__all__ = ["EmbeddedChain", "serve_chain"]
