"""A py-libp2p peer for the interoperability test. It runs in an environment of its own (`make interop`), not in ours.

python py_libp2p_peer.py listen          prints its address; answers ping, identify and /echo/1 until stdin closes
python py_libp2p_peer.py relay           the same, and relays
python py_libp2p_peer.py hidden ADDRESS  listens through the relay at ADDRESS only; prints its address there
python py_libp2p_peer.py dial ADDRESS    pings, identifies and uses /echo/1 of ADDRESS; prints one JSON object
python py_libp2p_peer.py through ADDRESS the same, where a relay leads to ADDRESS
"""
# mypy: ignore-errors
# (its imports are not installed where mypy runs)

import json
import os
import sys

import multiaddr
import trio
from libp2p.host.ping import PingService
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.relay.circuit_v2.config import RelayConfig, RelayRole
from libp2p.relay.circuit_v2.protocol import PROTOCOL_ID, CircuitV2Protocol
from libp2p.relay.circuit_v2.resources import RelayLimits
from libp2p.relay.circuit_v2.transport import CircuitV2Transport
from libp2p.tools.anyio_service import background_trio_service
from libp2p.utils.varint import read_length_prefixed_protobuf
from py_libp2p_node import echo, fresh_host, write_message

ECHO = "/echo/1"
PINGS = 3
BYTES_BIG = 300_000  # more than a yamux window
SECONDS_MAX = 60


async def listen():
    host = fresh_host()
    host.set_stream_handler(ECHO, echo)
    async with host.run(listen_addrs=[multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")]):
        print(host.get_addrs()[0], flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)


async def relay():
    host = fresh_host()
    limits = RelayLimits(duration=60, data=1 << 20, max_circuit_conns=4, max_reservations=4)
    service = CircuitV2Protocol(host, limits, allow_hop=True)
    listening = host.run(listen_addrs=[multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")])
    async with listening, background_trio_service(service):
        print(host.get_addrs()[0], flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)


def circuits(host):
    """Return what host needs to be on either end of a circuit: a service, and a transport."""
    limits = RelayLimits(duration=60, data=1 << 20, max_circuit_conns=4, max_reservations=4)
    service = CircuitV2Protocol(host, limits, allow_hop=False)
    return service, CircuitV2Transport(host, service, RelayConfig(roles=RelayRole.STOP | RelayRole.CLIENT))


async def hidden(address):
    host = fresh_host()
    host.set_stream_handler(ECHO, echo)
    service, transport = circuits(host)
    relay = info_from_p2p_addr(multiaddr.Multiaddr(address))
    async with host.run(listen_addrs=[]), background_trio_service(service), trio.open_nursery() as nursery:
        await host.connect(relay)
        stream = await host.new_stream(relay.peer_id, [PROTOCOL_ID])
        assert await transport.reserve(stream, relay.peer_id, nursery)
        print(f"{address}/p2p-circuit/p2p/{host.get_id()}", flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)
        nursery.cancel_scope.cancel()


async def dial(address):
    host = fresh_host()
    async with host.run(listen_addrs=[]):
        peer = info_from_p2p_addr(multiaddr.Multiaddr(address))
        await host.connect(peer)
        await use(host, peer.peer_id)


async def through(address):
    host = fresh_host()
    service, transport = circuits(host)
    async with host.run(listen_addrs=[]), background_trio_service(service):
        at = multiaddr.Multiaddr(address)
        await transport.dial(at)
        await use(host, info_from_p2p_addr(at).peer_id)


async def use(host, peer):
    rtts = await PingService(host).ping(peer, PINGS)
    stream = await host.new_stream(peer, [ECHO])
    echoed = []
    for message in (b"hello", os.urandom(512), os.urandom(BYTES_BIG)):
        await write_message(stream, message)
        echoed.append(await read_length_prefixed_protobuf(stream) == message)
    await stream.close()
    protocols = host.get_peerstore().get_protocols(peer)  # identify told them
    print(json.dumps({"pings": len(rtts), "echoed": echoed, "protocols": protocols}), flush=True)


MODES = {"listen": listen, "relay": relay, "hidden": hidden, "dial": dial, "through": through}


async def main():
    with trio.fail_after(SECONDS_MAX):
        await MODES[sys.argv[1]](*sys.argv[2:])


trio.run(main)
