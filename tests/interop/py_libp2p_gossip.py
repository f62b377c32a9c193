"""A py-libp2p gossipsub peer for the interoperability test and the comparison of costs; in an environment of its own.

python py_libp2p_gossip.py listen          prints its address
python py_libp2p_gossip.py dial ADDRESS

Either way it reads TOPIC, publishes MESSAGES once a peer reads it too, waits until it has as many of the peer's, and
prints one JSON object.
"""
# mypy: ignore-errors
# (its imports are not installed where mypy runs)

import json
import sys

import multiaddr
import trio
from libp2p.peer.peerinfo import info_from_p2p_addr
from py_libp2p_node import fresh_host, gossiping

TOPIC = "interop"
MESSAGES = 200
SECONDS_MAX = 60
PAUSE_SECONDS = 0.01


async def converse(host, listen):
    async with gossiping(host) as pubsub:
        subscription = await pubsub.subscribe(TOPIC)
        if listen:
            print(host.get_addrs()[0], flush=True)
        else:
            await host.connect(info_from_p2p_addr(multiaddr.Multiaddr(sys.argv[2])))
        received = set()

        async def read():
            while len(received) < MESSAGES:
                message = await subscription.get()
                if message.data.startswith(b"ours"):
                    received.add(message.data)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            while not pubsub.peer_topics.get(TOPIC):  # noqa: ASYNC110
                await trio.sleep(PAUSE_SECONDS)
            await trio.sleep(1.5)  # a heartbeat, so that both are in the other's mesh
            for number in range(MESSAGES):
                await pubsub.publish(TOPIC, b"theirs %d" % number)
                await trio.sleep(PAUSE_SECONDS)
        print(json.dumps({"received": len(received)}), flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)


async def main():
    listen = sys.argv[1] == "listen"
    host = fresh_host()
    addresses = [multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")] if listen else []
    with trio.fail_after(SECONDS_MAX):
        async with host.run(listen_addrs=addresses):
            await converse(host, listen)


trio.run(main)
