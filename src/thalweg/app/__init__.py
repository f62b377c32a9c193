"""The composition root: real adapters around the pure cores, in one asyncio process each."""
