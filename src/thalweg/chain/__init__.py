"""The EVM behind the chain port."""
