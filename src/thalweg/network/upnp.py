"""UPnP: ask a home router to lead a port of its public address to us, by SSDP and a few lines of SOAP over HTTP.

Only what is needed of it, and no XML parser: the router's answers are text of strangers, from which single elements are
taken. UPnP Device Architecture 1.1; WANIPConnection:1.
"""

import asyncio
import re
import socket
from typing import Final
from urllib.parse import urljoin, urlsplit

from thalweg.errors import Reason, Unavailable
from thalweg.network.natpmp import LIFE_SECONDS, Mapping

SEARCH_PLACE: Final = ("239.255.255.250", 1900)
SEARCH_SECONDS: Final = 2.0
HTTP_SECONDS: Final = 5.0
HTTP_BYTES_MAX: Final = 256 * 1024
ROUTERS_MAX: Final = 4  # that answer a search and are asked
_SEARCH: Final = (
    b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\n'
    b"ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n"
)
_SERVICE: Final = re.compile(
    r"<serviceType>\s*(urn:schemas-upnp-org:service:WAN(?:IP|PPP)Connection:[12])\s*</serviceType>"
    r".{0,2000}?<controlURL>\s*([^<\s]{1,512})\s*</controlURL>",
    re.DOTALL,
)
_LOCATION: Final = re.compile(rb"^location:\s*(http://[^\s]{1,512})\s*$", re.IGNORECASE | re.MULTILINE)
_ADDRESS: Final = re.compile(r"<NewExternalIPAddress>\s*([0-9.]{7,15})\s*<")
_ERROR: Final = re.compile(r"<errorDescription>\s*([^<]{1,120})<")


async def map_port(port: int, *, place: tuple[str, int] = SEARCH_PLACE, seconds: int = LIFE_SECONDS) -> Mapping:
    """Have a TCP port led to us by the first router on this network that does it.

    Raises:
        Unavailable: UNREACHABLE, no router answers, or none is willing.
    """
    why = "no router speaks UPnP"
    for location in await _search(place):
        try:
            return await _map_at(location, port, seconds)
        except (Unavailable, OSError, TimeoutError, ValueError) as error:
            why = f"the router at {location}: {error}"
    raise Unavailable(Reason.UNREACHABLE, why)


async def _search(place: tuple[str, int]) -> list[str]:
    found: dict[str, None] = {}

    class Ear(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            said = _LOCATION.search(data[:4096])
            if said is not None and len(found) < ROUTERS_MAX:
                found[said[1].decode("ascii", "replace")] = None

    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_datagram_endpoint(Ear, local_addr=("0.0.0.0", 0))  # noqa: S104 - to hear answers
    except OSError:
        return []
    try:
        for _ in range(2):
            transport.sendto(_SEARCH, place)
            await asyncio.sleep(SEARCH_SECONDS / 2)
            if found:
                break
    finally:
        transport.close()
    return list(found)


async def _map_at(location: str, port: int, seconds: int) -> Mapping:
    _, description = await _http("GET", location, {}, "")
    service = _SERVICE.search(description)
    if service is None:
        raise Unavailable(Reason.UNREACHABLE, "it has no connection to the internet")
    kind, control = service[1], urljoin(location, service[2])
    if urlsplit(control).hostname != urlsplit(location).hostname:
        raise Unavailable(Reason.UNREACHABLE, "it names another machine as its control")
    said = _ADDRESS.search(await _soap(control, kind, "GetExternalIPAddress", {}))
    if said is None:
        raise Unavailable(Reason.UNREACHABLE, "it does not know its public address")
    own = _own_address(urlsplit(location).hostname or "", urlsplit(location).port or 80)
    await _soap(control, kind, "AddPortMapping", {
        "NewRemoteHost": "", "NewExternalPort": str(port), "NewProtocol": "TCP", "NewInternalPort": str(port),
        "NewInternalClient": own, "NewEnabled": "1", "NewPortMappingDescription": "thalweg",
        "NewLeaseDuration": str(seconds),
    })  # fmt: skip
    return Mapping(said[1], port, seconds)


def _own_address(host: str, port: int) -> str:
    """Return our address on the way to a router."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, port))  # sends nothing
        return str(probe.getsockname()[0])


async def _soap(control: str, kind: str, action: str, arguments: dict[str, str]) -> str:
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in arguments.items())
    body = (
        '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
        's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>'
        f'<u:{action} xmlns:u="{kind}">{inner}</u:{action}></s:Body></s:Envelope>'
    )
    headers = {"SOAPAction": f'"{kind}#{action}"', "Content-Type": 'text/xml; charset="utf-8"'}
    status, answer = await _http("POST", control, headers, body)
    if status != 200:
        error = _ERROR.search(answer)
        raise Unavailable(Reason.UNREACHABLE, f"{action}: {error[1] if error else f'HTTP status {status}'}")
    return answer


async def _http(method: str, url: str, headers: dict[str, str], body: str) -> tuple[int, str]:
    """Return status and body of a request over HTTP/1.0, which ends with the connection."""
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {path or '/'} HTTP/1.0", f"Host: {parts.netloc}", f"Content-Length: {len(body.encode())}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    async with asyncio.timeout(HTTP_SECONDS):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
        try:
            writer.write("\r\n".join([*lines, "", body]).encode())
            data = b""
            while len(data) < HTTP_BYTES_MAX and (more := await reader.read(65536)):
                data += more
        finally:
            writer.transport.abort()
    head, _, answer = data.partition(b"\r\n\r\n")
    status = re.match(rb"HTTP/1\.[01] (\d{3})", head)
    if status is None:
        raise Unavailable(Reason.UNREACHABLE, "no answer of HTTP")
    return int(status[1]), answer.decode("utf-8", "replace")
