"""A gossip node in a process of its own, until its standard input ends.

python -m tests.integration.network.gossip_process SEED_HEX ADDRESS...

Prints its address, keeps linked to the addresses, and for a line N on standard input publishes N items. For every line
answers with how many items of others it has read, and how many peers read the topic.
"""

import asyncio
import sys
import time

from tests.integration.network.peers import QUICK

from thalweg.network import Host, Multiaddr
from thalweg.network.items import ItemRules, sign
from thalweg.network.peer_id import Identity
from thalweg.network.pubsub import Gossip

TOPIC = "orders"


async def main(seed: bytes, addresses: list[Multiaddr]) -> None:
    host = Host(
        seed,
        agent="thalweg/gossip",
        limits=QUICK,
        on_link_up=lambda peer: None,
        on_link_down=lambda peer, reason: None,
        on_message=lambda peer, message: None,
    )
    gossip, identity, read = Gossip(host), Identity(seed), set[bytes]()
    gossip.subscribe(TOPIC, ItemRules(TOPIC, time.time), lambda payload, peer: read.add(payload))
    address = await host.listen("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        group.create_task(host.run())
        for each in addresses:
            assert each.peer is not None
            host.keep(each.peer, each)
        print(address, flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            for number in range(int(line)):
                gossip.publish(TOPIC, sign(identity, TOPIC, b"%d" % number, time.time() + 600))
            print(len(read), len(gossip.peers(TOPIC)), flush=True)
        await host.aclose()


asyncio.run(main(bytes.fromhex(sys.argv[1]), [Multiaddr.parse(each) for each in sys.argv[2:]]))
