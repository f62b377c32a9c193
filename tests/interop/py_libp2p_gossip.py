"""A py-libp2p gossipsub peer for the interoperability test and the comparison of costs; in an environment of its own.

python py_libp2p_gossip.py listen          prints its address
python py_libp2p_gossip.py dial ADDRESS

Either way it reads TOPIC, publishes MESSAGES once a peer reads it too, waits until it has as many of the peer's, and
prints one JSON object.
"""
# mypy: ignore-errors
# (its imports are not installed where mypy runs)

import hashlib
import json
import os
import sys

import multiaddr
import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.pubsub.gossipsub import PROTOCOL_ID_V11, GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.tools.anyio_service import background_trio_service

TOPIC = "interop"
MESSAGES = 200
SECONDS_MAX = 60
PAUSE_SECONDS = 0.01


async def converse(host, listen):
    router = GossipSub(
        protocols=[PROTOCOL_ID_V11],
        degree=6,
        degree_low=4,
        degree_high=12,
        heartbeat_interval=1,
        max_messages_per_topic_per_second=1_000_000.0,
        spam_protection_enabled=False,
        eclipse_protection_enabled=False,
    )
    router._check_equivocation = lambda message: True  # 0.8.1 takes any two anonymous messages for an equivocation
    pubsub = Pubsub(
        host, router, strict_signing=False, msg_id_constructor=lambda message: hashlib.sha256(message.data).digest()
    )
    async with background_trio_service(pubsub), background_trio_service(router):
        await pubsub.wait_until_ready()
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
    host = new_host(key_pair=create_new_key_pair(os.urandom(32)))
    addresses = [multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")] if listen else []
    with trio.fail_after(SECONDS_MAX):
        async with host.run(listen_addrs=addresses):
            await converse(host, listen)


trio.run(main)
