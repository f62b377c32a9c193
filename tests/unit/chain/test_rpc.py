"""The JSON-RPC client: many requests at once, each gets its own answer."""

import asyncio

from thalweg.chain.embedded import EmbeddedChain, serve_chain
from thalweg.chain.rpc import Rpc


def test_requests_at_the_same_time_each_get_their_own_answer() -> None:
    async def story() -> None:
        chain = EmbeddedChain()
        chain.mine(8)
        async with serve_chain(chain) as url, Rpc((url,)) as rpc:
            asked = [rpc.request("eth_getBlockByNumber", (hex(n % 9), False), dict[str, object]) for n in range(40)]
            answers = await asyncio.gather(*asked)
        assert [answer["number"] for answer in answers] == [hex(n % 9) for n in range(40)]

    asyncio.run(story())
