"""Ways to others and for others to us: dial-back, a proxy, a router's port, the local network. Small real servers."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, cast

import pytest
from tests.integration.network.peers import ECHO, Party, running, until

from thalweg.errors import Reason, Unavailable
from thalweg.network import Multiaddr, natpmp, upnp
from thalweg.network.autonat import DIAL_REFUSED, PROTOCOL, DialBack, encode_request, probe, read_answer
from thalweg.network.holes import PROTOCOL as DCUTR
from thalweg.network.neighbours import Neighbours
from thalweg.network.reach import Reach
from thalweg.network.reachability import Reachability
from thalweg.network.socks import SocksProxy

ONION: Final = f"/onion3/{'a' * 56}:4001"


def free_port() -> int:
    with socket.socket() as probe_socket:
        probe_socket.bind(("127.0.0.1", 0))
        return int(probe_socket.getsockname()[1])


class Proxy:
    """A SOCKS5 server that leads every name to one place, and writes down what it was asked."""

    def __init__(self, target: Multiaddr, *, method: int = 0, reply: int = 0) -> None:
        self.target = target
        self.method = method
        self.reply = reply
        self.asked: list[tuple[bytes, int, bytes]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        await reader.readexactly(count)
        writer.write(bytes((5, self.method)))
        user = b""
        if self.method == 2:
            _, size = await reader.readexactly(2)
            user = await reader.readexactly(size)
            await reader.readexactly((await reader.readexactly(1))[0])
            writer.write(b"\x01\0")
        _, _, _, _, size = await reader.readexactly(5)
        name = await reader.readexactly(size)
        port = int.from_bytes(await reader.readexactly(2))
        self.asked.append((name, port, user))
        writer.write(bytes((5, self.reply, 0, 1)) + bytes(6))
        if self.reply:
            writer.close()
            return
        onward_reader, onward = await asyncio.open_connection(self.target.host, self.target.port)
        await asyncio.gather(_pump(reader, onward), _pump(onward_reader, writer))


def _here(party: Party) -> tuple[Multiaddr, ...]:
    return (party.address,)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
    except ConnectionError:
        pass
    writer.close()


@asynccontextmanager
async def serving(
    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object],
) -> AsyncIterator[int]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)  # type: ignore[arg-type]
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize("method", [0, 2])
def test_an_onion_address_is_reached_through_the_proxy_and_only_through_it(method: int) -> None:
    async def scenario() -> None:
        hidden, user = Party(b"hidden".ljust(32)), Party(b"user".ljust(32))
        async with running(hidden, user):
            onion = Multiaddr.parse(ONION).to(hidden.id)
            with pytest.raises(Unavailable, match="no Tor"):
                await user.host.dial(onion)
            tor = Proxy(hidden.address, method=method)
            async with serving(tor.serve) as port:
                Reach(user.host, proxy=SocksProxy("127.0.0.1", port))
                await user.host.dial(onion)
                stream = await user.host.open(hidden.id, ECHO)
                await stream.write_message(b"through Tor")
                assert await stream.read_message() == b"through Tor"
                name = b"a" * 56 + b".onion"
                assert tor.asked == [(name, 4001, name if method else b"")]
                info = user.host.info(hidden.id)
                assert info is not None
                assert str(info.address) == ONION
                user.host.disconnect(hidden.id, "done")
                await until(lambda: not user.host.linked())

    asyncio.run(scenario())


def test_what_the_proxy_refuses_is_said() -> None:
    async def scenario() -> None:
        user = Party(b"user".ljust(32))
        async with running(user):
            onion = Multiaddr.parse(ONION).to(user.id)
            for proxy, why in (
                (Proxy(user.address, reply=4), "host unreachable"),
                (Proxy(user.address, method=255), "does not speak SOCKS5"),
            ):
                async with serving(proxy.serve) as port:
                    Reach(user.host, proxy=SocksProxy("127.0.0.1", port))
                    with pytest.raises(Unavailable, match=why):
                        await user.host.dial(onion)
            Reach(user.host, proxy=SocksProxy("127.0.0.1", free_port()))
            with pytest.raises(Unavailable, match="is Tor running"):
                await user.host.dial(onion)

    asyncio.run(scenario())


def test_a_dial_back_tries_the_askers_own_ip_only_and_proves_who_is_there() -> None:
    async def scenario() -> None:
        one, two = Party(b"one".ljust(32)), Party(b"two".ljust(32))
        dial_back = DialBack(one.host)
        DialBack(two.host)
        async with running(one, two):
            await one.host.dial(two.address)
            assert await dial_back.ask(two.id, [one.address]) == one.address
            with pytest.raises(Unavailable, match="does not try"):  # so soon again
                await dial_back.ask(two.id, [one.address])
            assert await probe(one.address, one.id)
            assert not await probe(one.address, two.id)
            assert not await probe(Multiaddr.of("127.0.0.1", free_port()), one.id)

    asyncio.run(scenario())


def test_nobody_is_made_to_dial_a_stranger() -> None:
    async def scenario() -> None:
        one, two = Party(b"one".ljust(32)), Party(b"two".ljust(32))
        DialBack(two.host)
        async with running(one, two):
            await one.host.dial(two.address)
            for address in ("/ip4/127.0.0.2/tcp/4001", "/dns/example.com/tcp/80", f"{two.address}/p2p-circuit"):
                stream = await one.host.open(two.id, PROTOCOL)
                await stream.write_message(encode_request(one.id, [Multiaddr.parse(address)]))
                assert read_answer(await stream.read_message() or b"")[0] == DIAL_REFUSED

    asyncio.run(scenario())


def test_reach_learns_from_peers_that_it_can_be_reached() -> None:
    async def scenario() -> None:
        one, two, three = (Party(name.ljust(32)) for name in (b"one", b"two", b"three"))
        reach = Reach(one.host, turn_seconds=0.05)
        DialBack(two.host)
        DialBack(three.host)
        async with running(one, two, three):
            watching = asyncio.get_running_loop().create_task(reach.run())
            await one.host.dial(two.address)
            await one.host.dial(three.address)
            await until(lambda: all(PROTOCOL in info.protocols for info in one.host.linked()))
            assert reach.is_local
            await reach.check(anew=True)
            assert reach.state is Reachability.PUBLIC
            assert reach.addresses()[0] == one.address
            assert reach.report().trials
            watching.cancel()

    asyncio.run(scenario())


def test_a_node_that_uses_nothing_but_the_proxy_tells_nobody_where_it_is() -> None:
    async def scenario() -> None:
        hidden, other = Party(b"hidden".ljust(32)), Party(b"other".ljust(32))
        tor = Proxy(other.address)
        async with serving(tor.serve) as port, running(hidden, other):
            tor.target = other.address
            reach = Reach(hidden.host, proxy=SocksProxy("127.0.0.1", port), proxies_all=True)
            DialBack(other.host)
            await hidden.host.dial(other.address)
            assert tor.asked == [(b"127.0.0.1", other.address.port, b"")]
            await until(lambda: all(PROTOCOL in info.protocols for info in hidden.host.linked()))
            await reach.check(anew=True)
            assert reach.report().trials == ()
            for protocol in (PROTOCOL, DCUTR):
                with pytest.raises(Unavailable) as caught:
                    await other.host.open(hidden.id, protocol)
                assert caught.value.reason is Reason.UNKNOWN_FEATURE
            hidden.host.disconnect(other.id, "done")
            await until(lambda: not hidden.host.linked())

    asyncio.run(scenario())


class Router(asyncio.DatagramProtocol):
    """A router that speaks NAT-PMP, deaf at first."""

    def __init__(self, *, deaf: int = 1, result: int = 0) -> None:
        self.deaf = deaf
        self.result = result
        self.mapped: list[tuple[int, int, int]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        if self.deaf:
            self.deaf -= 1
            return
        if data == b"\0\0":
            self.transport.sendto(struct.pack(">BBHI4s", 0, 128, 0, 7, bytes((44, 0, 0, 1))), addr)  # type: ignore[arg-type]
            return
        _, _, _, internal, external, seconds = struct.unpack(">BBHHHI", data)
        self.mapped.append((internal, external, seconds))
        reply = struct.pack(">BBHIHHI", 0, 130, self.result, 7, internal, external + 1, seconds)
        self.transport.sendto(reply, addr)  # type: ignore[arg-type]


@pytest.mark.parametrize("result", [0, 2])
def test_a_router_that_speaks_nat_pmp_leads_a_port_here(result: int) -> None:
    async def scenario() -> None:
        router = Router(result=result)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: router, local_addr=("127.0.0.1", 0))
        port = transport.get_extra_info("sockname")[1]
        if result:
            with pytest.raises(Unavailable, match="not allowed"):
                await natpmp.map_port("127.0.0.1", 4001, at=port)
        else:
            assert await natpmp.map_port("127.0.0.1", 4001, at=port) == natpmp.Mapping("44.0.0.1", 4002, 3600)
            assert router.mapped == [(4001, 4001, 3600)]
        transport.close()

    asyncio.run(scenario())


DESCRIPTION: Final = """<?xml version="1.0"?><root><device><deviceList><serviceList><service>
<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><serviceId>x</serviceId>
<controlURL>/control</controlURL></service></serviceList></deviceList></device></root>"""


@pytest.mark.parametrize("refuses", [False, True])
def test_a_router_that_speaks_upnp_leads_a_port_here(refuses: bool) -> None:
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        size = int(head.lower().partition("content-length: ")[2].split()[0])
        asked.append((await reader.readexactly(size)).decode())
        status, body = "200 OK", DESCRIPTION
        if "GetExternalIPAddress" in head:
            body = "<NewExternalIPAddress>44.0.0.1</NewExternalIPAddress>"
        elif "AddPortMapping" in head:
            status, body = ("500 Oh", "<errorDescription>Conflict</errorDescription>") if refuses else ("200 OK", "")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Type: text/xml\r\n\r\n{body}".encode())
        writer.close()

    async def scenario() -> None:
        async with serving(serve) as port:

            class Ssdp(asyncio.DatagramProtocol):
                def connection_made(self, transport: asyncio.BaseTransport) -> None:
                    self.transport = cast(asyncio.DatagramTransport, transport)

                def datagram_received(self, data: bytes, addr: object) -> None:
                    assert data.startswith(b"M-SEARCH * HTTP/1.1\r\n")
                    location = f"HTTP/1.1 200 OK\r\nLOCATION: http://127.0.0.1:{port}/root.xml\r\n\r\n".encode()
                    self.transport.sendto(location, addr)  # type: ignore[arg-type]

            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(Ssdp, local_addr=("127.0.0.1", 0))
            place = transport.get_extra_info("sockname")
            if refuses:
                with pytest.raises(Unavailable, match="Conflict"):
                    await upnp.map_port(4001, place=place)
            else:
                assert await upnp.map_port(4001, place=place) == natpmp.Mapping("44.0.0.1", 4001, 3600)
                assert "<NewInternalClient>127.0.0.1</NewInternalClient>" in asked[-1]
            transport.close()

    asyncio.run(scenario())


def test_peers_on_one_network_find_each_other_by_mdns() -> None:
    async def scenario() -> None:
        one, two = Party(b"one".ljust(32)), Party(b"two".ljust(32))
        place = ("224.0.0.251", free_port())
        found: dict[str, list[Multiaddr]] = {"one": [], "two": []}
        async with running(one, two):
            parts = []
            for name, party in (("one", one), ("two", two)):
                here = partial(_here, party)
                parts.append(
                    Neighbours(party.id, here, found[name].append, interface="127.0.0.1", place=place, ask_seconds=0.1)
                )
            try:
                tasks = [asyncio.get_running_loop().create_task(part.run()) for part in parts]
                await asyncio.sleep(0.05)
                if any(task.done() for task in tasks):
                    pytest.skip("this machine has no multicast")
                await until(lambda: two.address in found["one"] and one.address in found["two"])
            finally:
                for task in tasks:
                    task.cancel()

    asyncio.run(scenario())
