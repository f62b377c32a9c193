"""Links between nodes: the libp2p wire protocol on asyncio."""
