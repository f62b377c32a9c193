"""What the py-libp2p peers of tests and benchmarks share: a host, an echo, a gossip router set up as ours is."""
# mypy: ignore-errors
# (its imports are not installed where mypy runs)

import hashlib
import os
from contextlib import asynccontextmanager

from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.io.exceptions import IncompleteReadError
from libp2p.network.stream.exceptions import StreamError
from libp2p.pubsub.gossipsub import PROTOCOL_ID_V11, GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.tools.anyio_service import background_trio_service
from libp2p.utils.varint import encode_uvarint, read_length_prefixed_protobuf


def fresh_host():
    """Return a host under a new key."""
    return new_host(key_pair=create_new_key_pair(os.urandom(32)))


async def write_message(stream, message):
    """Send a message behind its length."""
    await stream.write(encode_uvarint(len(message)) + message)


async def echo(stream):
    """Send back every message."""
    while True:
        try:
            message = await read_length_prefixed_protobuf(stream)
        except (IncompleteReadError, StreamError):
            await stream.close()
            return
        await write_message(stream, message)


@asynccontextmanager
async def gossiping(host):
    """Run gossipsub v1.1 on a running host: anonymous messages, named by the hash of what they carry."""
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
        yield pubsub
