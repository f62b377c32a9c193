"""A host in a process of its own: sends every message back, serves /echo/1, until its standard input ends.

python -m tests.integration.network.echo_process SEED_HEX PORT
"""

import asyncio
import sys

from tests.integration.network.peers import ECHO, QUICK, echo

from thalweg.network import Host


async def main(seed: bytes, port: int) -> None:
    host = Host(
        seed,
        agent="thalweg/echo",
        limits=QUICK,
        on_link_up=lambda peer: None,
        on_link_down=lambda peer, reason: None,
        on_message=lambda peer, message: host.send(peer, message),
    )
    host.handle(ECHO, echo)
    address = await host.listen("127.0.0.1", port)
    async with asyncio.TaskGroup() as group:
        group.create_task(host.run())
        print(address, flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await host.aclose()


asyncio.run(main(bytes.fromhex(sys.argv[1]), int(sys.argv[2])))
