"""A node that finds out how it is reached, in a process of its own, until its standard input ends.

python -m tests.integration.network.reach_process SEED LISTEN_IP PORT [--relay] [--punch] [--find] [ADDRESS...]

Prints its address, keeps linked to the addresses; with --find it announces itself, and dials whom it hears of, instead.
`dial ADDRESS` dials, `ping PEER` asks a linked peer; `say` prints one JSON object about everything.
"""

import asyncio
import json
import sys

from thalweg.errors import ThalwegError
from thalweg.network import Host, Limits, Multiaddr, PeerId, relay
from thalweg.network.discovery.announcement import Node
from thalweg.network.discovery.book import PeerBook
from thalweg.network.finder import Finder
from thalweg.network.pubsub import Gossip
from thalweg.network.reach import Reach


async def main(arguments: list[str]) -> None:
    flags = {each for each in arguments if each.startswith("--")}
    seed, ip, port, *addresses = [each for each in arguments if each not in flags]
    host = Host(
        seed.ljust(32).encode(),
        agent="thalweg/reach",
        limits=Limits(retry_seconds_min=0.01, retry_seconds_max=0.05, dial_seconds=2.0),
        on_link_up=lambda peer: None,
        on_link_down=lambda peer, reason: None,
        on_message=lambda peer, message: None,
    )
    reach = Reach(
        host, serves=relay.Caps() if "--relay" in flags else None, punches="--punch" in flags, turn_seconds=0.2
    )
    gossip = Gossip(host)
    finder = Finder(
        host, gossip, PeerBook(host.peer_id), bootstrap=tuple(map(Multiaddr.parse, addresses)),
        describe=lambda: Node(addresses=tuple(map(str, reach.addresses())), roles=reach.roles),
    )  # fmt: skip
    print(await host.listen(ip, int(port)), flush=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(host.run())
        await asyncio.sleep(0)
        watching = group.create_task(reach.run())
        finding = group.create_task(finder.run()) if "--find" in flags else watching
        for text in addresses if "--find" not in flags else ():
            address = Multiaddr.parse(text)
            assert address.peer is not None
            host.keep(address.peer, address)
        while line := await asyncio.to_thread(sys.stdin.readline):
            said: dict[str, object] = {}
            what, _, about = line.strip().partition(" ")
            try:
                if what == "dial":
                    await host.dial(Multiaddr.parse(about))
                elif what == "ping":
                    await host.ping(PeerId.parse(about))
            except ThalwegError as error:
                said["error"] = str(error)
            said |= {
                "state": reach.state,
                "relayed": [str(each) for each in reach.relaying.addresses()],
                "links": {str(info.peer): str(info.address) for info in host.linked()},
                "holes": dict(reach.hole_counts),
                "observed": [str(each) for each in reach.observed()],
                "advice": reach.report().advice,
            }
            print(json.dumps(said), flush=True)
        watching.cancel()
        finding.cancel()
        await host.aclose()


asyncio.run(main(sys.argv[1:]))
