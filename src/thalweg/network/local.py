"""This machine's own addresses, as far as they can be known without asking anybody."""

import ipaddress
import socket
import struct
from typing import Final

_FAR: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))  # for documentation: nobody is there
_GET_ADDRESS: Final = 0x8915  # SIOCGIFADDR, Linux
_INTERFACES_MAX: Final = 64


def local_addresses() -> tuple[str, ...]:
    """Return the IP addresses this machine would speak to others from, then those of all its networks."""
    found = [*_towards_others(), *_of_interfaces()]
    return tuple(dict.fromkeys(each for each in found if not ipaddress.ip_address(each).is_loopback))


def _towards_others() -> list[str]:
    """Return the addresses on the way out, where there is one. Nothing is sent."""
    found: list[str] = []
    for family, far in _FAR:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((far, 9))
                found.append(str(probe.getsockname()[0]))
        except OSError:
            continue
    return found


def _of_interfaces() -> list[str]:
    """Return each interface's IPv4 address, where the system tells it this way: a network may lead nowhere else."""
    try:
        from fcntl import ioctl
    except ImportError:
        return []
    found: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex()[:_INTERFACES_MAX]:
            try:
                told = ioctl(probe.fileno(), _GET_ADDRESS, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue
            found.append(socket.inet_ntoa(told[20:24]))
    return found
