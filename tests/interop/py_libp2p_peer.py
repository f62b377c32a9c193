"""A py-libp2p peer for the interoperability test. It runs in an environment of its own (`make interop`), not in ours.

python py_libp2p_peer.py listen          prints its address; answers ping, identify and /echo/1 until stdin closes
python py_libp2p_peer.py relay           the same, and relays
python py_libp2p_peer.py dial ADDRESS    pings, identifies and uses /echo/1 of ADDRESS; prints one JSON object
"""
# mypy: ignore-errors
# (its imports are not installed where mypy runs)

import json
import os
import sys

import multiaddr
import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.host.ping import PingService
from libp2p.io.exceptions import IncompleteReadError
from libp2p.network.stream.exceptions import StreamError
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.relay.circuit_v2.protocol import CircuitV2Protocol
from libp2p.relay.circuit_v2.resources import RelayLimits
from libp2p.tools.anyio_service import background_trio_service
from libp2p.utils.varint import encode_uvarint, read_length_prefixed_protobuf

ECHO = "/echo/1"
PINGS = 3
BYTES_BIG = 300_000  # more than a yamux window
SECONDS_MAX = 60


async def write_message(stream, message):
    await stream.write(encode_uvarint(len(message)) + message)


async def echo(stream):
    while True:
        try:
            message = await read_length_prefixed_protobuf(stream)
        except (IncompleteReadError, StreamError):
            await stream.close()
            return
        await write_message(stream, message)


async def listen():
    host = new_host(key_pair=create_new_key_pair(os.urandom(32)))
    host.set_stream_handler(ECHO, echo)
    async with host.run(listen_addrs=[multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")]):
        print(host.get_addrs()[0], flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)


async def relay():
    host = new_host(key_pair=create_new_key_pair(os.urandom(32)))
    limits = RelayLimits(duration=60, data=1 << 20, max_circuit_conns=4, max_reservations=4)
    service = CircuitV2Protocol(host, limits, allow_hop=True)
    listening = host.run(listen_addrs=[multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")])
    async with listening, background_trio_service(service):
        print(host.get_addrs()[0], flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)


async def dial(address):
    host = new_host(key_pair=create_new_key_pair(os.urandom(32)))
    async with host.run(listen_addrs=[]):
        peer = info_from_p2p_addr(multiaddr.Multiaddr(address))
        await host.connect(peer)
        rtts = await PingService(host).ping(peer.peer_id, PINGS)
        stream = await host.new_stream(peer.peer_id, [ECHO])
        echoed = []
        for message in (b"hello", os.urandom(512), os.urandom(BYTES_BIG)):
            await write_message(stream, message)
            echoed.append(await read_length_prefixed_protobuf(stream) == message)
        await stream.close()
        protocols = host.get_peerstore().get_protocols(peer.peer_id)  # identify told them
        print(json.dumps({"pings": len(rtts), "echoed": echoed, "protocols": protocols}), flush=True)


async def main():
    with trio.fail_after(SECONDS_MAX):
        if sys.argv[1] == "listen":
            await listen()
        elif sys.argv[1] == "relay":
            await relay()
        else:
            await dial(sys.argv[2])


trio.run(main)
