"""Hosts behind real routers: network namespaces, and Linux's own address translation between them.

    one (10.1.0.2) - router 44.0.0.2 -+
                                      +- internet - relay 44.0.0.1
    two (10.2.0.2) - router 44.0.0.3 -+
    six (10.3.0.2) - router 44.0.0.4 -+    symmetric: another port for every connection

The routers let nothing in that was not asked for. Skipped where the machine does not allow it.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

import pytest

PATIENCE_SECONDS: Final = 40
PREFIX: Final = f"tw{os.getpid()}"
NET, ROUTER_ONE, ROUTER_TWO, ROUTER_SIX, ONE, TWO, SIX = (
    f"{PREFIX}{name}" for name in ("net", "r1", "r2", "r6", "h1", "h2", "h6")
)
PROBE: Final = "table ip probe {\n chain post {\n type nat hook postrouting priority 100;\n }\n}\n"
NAT: Final = """
table ip nat {
  chain post { type nat hook postrouting priority 100; policy accept;
    oifname "wan" masquerade PORTS
  }
}
table ip filter {
  chain forward { type filter hook forward priority 0; policy drop;
    iifname "lan" accept
    iifname "wan" ct state established,related accept
  }
  chain input { type filter hook input priority 0; policy drop;
    ct state established,related accept
    iifname "lan" accept
  }
}
"""


def _run(*words: str, check: bool = True, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, check=check, input=text, capture_output=True, text=True, timeout=20)


def _why_not() -> str:
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool in ("ip", "nft", "sysctl"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    probe = _run("ip", "netns", "add", f"{PREFIX}probe", check=False)
    if probe.returncode:
        return f"this machine has no network namespaces: {probe.stderr.strip()}"
    ruled = _run("ip", "netns", "exec", f"{PREFIX}probe", "nft", "-f", "-", check=False, text=PROBE)
    _run("ip", "netns", "del", f"{PREFIX}probe", check=False)
    return f"this machine has no address translation: {ruled.stderr.strip()}" if ruled.returncode else ""


def _in(space: str, *words: str, text: str | None = None) -> None:
    _run("ip", "netns", "exec", space, *words, text=text)


def _join(space: str, name: str, address: str, other: str, other_name: str, other_address: str = "") -> None:
    """Lay a cable between two namespaces."""
    _run("ip", "link", "add", name, "netns", space, "type", "veth", "peer", "name", other_name, "netns", other)
    for where, device, ip in ((space, name, address), (other, other_name, other_address)):
        if ip:
            _in(where, "ip", "address", "add", ip, "dev", device)
        _in(where, "ip", "link", "set", device, "up")


@pytest.fixture(scope="module")
def routers() -> Iterator[None]:
    reason = _why_not()
    if reason:
        pytest.skip(reason)
    spaces = (NET, ROUTER_ONE, ROUTER_TWO, ROUTER_SIX, ONE, TWO, SIX)
    try:
        for space in spaces:
            _run("ip", "netns", "add", space)
            _in(space, "ip", "link", "set", "lo", "up")
        _in(NET, "ip", "link", "add", "bridge", "type", "bridge")
        _in(NET, "ip", "address", "add", "44.0.0.1/24", "dev", "bridge")
        _in(NET, "ip", "link", "set", "bridge", "up")
        for number, router, home, ports in (
            (1, ROUTER_ONE, ONE, ""),
            (2, ROUTER_TWO, TWO, ""),
            (3, ROUTER_SIX, SIX, "fully-random"),
        ):
            _join(router, "wan", f"44.0.0.{number + 1}/24", NET, f"to{number}")
            _in(NET, "ip", "link", "set", f"to{number}", "master", "bridge")
            _join(home, "eth", f"10.{number}.0.2/24", router, "lan", f"10.{number}.0.1/24")
            _in(home, "ip", "route", "add", "default", "via", f"10.{number}.0.1")
            _in(router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
            _in(router, "nft", "-f", "-", text=NAT.replace("PORTS", ports))
        yield
    finally:
        for space in spaces:
            _run("ip", "netns", "del", space, check=False)


class Node:
    """A node process in a namespace."""

    def __init__(self, space: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", space, sys.executable, "-m", "tests.integration.network.reach_process", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address = self._line().strip()
        self.id = self.address.rpartition("/")[2]

    def ask(self, command: str = "say") -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        said = json.loads(self._line())
        assert isinstance(said, dict)
        return said

    def until(self, key: str, value: object) -> dict[str, Any]:
        """Ask until something is so, or non-empty where `value` is None."""
        said: dict[str, Any] = {}
        for _ in range(PATIENCE_SECONDS * 10):
            said = self.ask()
            if said[key] == value or (value is None and said[key]):
                return said
            subprocess.run(["sleep", "0.1"], check=True)
        raise AssertionError(f"{key} never was {value}: {said}")

    def end(self) -> None:
        self.process.communicate(timeout=20)

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the node has ended"
        return line


@pytest.fixture
def relay(routers: None) -> Iterator[Node]:
    node = Node(NET, "relay", "44.0.0.1", "4001", "--relay")
    yield node
    node.end()


def test_behind_routers_nodes_know_it_and_are_reached_through_a_relay(relay: Node) -> None:
    two = Node(TWO, "two", "0.0.0.0", "4001", relay.address)
    one = Node(ONE, "one", "0.0.0.0", "4001", relay.address)
    try:
        assert two.until("state", "private")["observed"] == ["/ip4/44.0.0.3/tcp/4001"]
        through = two.until("relayed", None)["relayed"][0]
        assert "cannot reach" in two.ask()["advice"][1]
        direct = one.ask(f"dial /ip4/44.0.0.3/tcp/4001/p2p/{two.id}")
        assert "does not answer" in direct["error"]
        said = one.ask(f"dial {through}")
        assert "error" not in said
        assert said["links"][two.id].endswith("/p2p-circuit")
    finally:
        one.end()
        two.end()


def test_a_hole_is_punched_through_both_routers_and_the_relay_is_left(relay: Node) -> None:
    two = Node(TWO, "two", "0.0.0.0", "4005", "--punch", relay.address)
    one = Node(ONE, "one", "0.0.0.0", "4005", "--punch", relay.address)
    try:
        two.until("state", "private")
        said = one.ask(f"dial {two.until('relayed', None)['relayed'][0]}")
        assert "error" not in said
        assert two.until("holes", {"punched": 1})["links"][one.id] == "/ip4/44.0.0.2/tcp/4005"
        assert one.ask()["links"][two.id] == "/ip4/44.0.0.3/tcp/4005"
    finally:
        one.end()
        two.end()


@pytest.mark.parametrize("dialler", ["the symmetric one", "the other"])
def test_behind_a_symmetric_router_no_hole_is_punched_and_the_relay_goes_on(relay: Node, dialler: str) -> None:
    six = Node(SIX, "six", "0.0.0.0", "4007", "--punch", relay.address)
    one = Node(ONE, "one", "0.0.0.0", "4007", "--punch", relay.address)
    inner, outer = (one, six) if dialler == "the symmetric one" else (six, one)
    try:
        inner.until("state", "private")
        assert "error" not in outer.ask(f"dial {inner.until('relayed', None)['relayed'][0]}")
        assert inner.until("holes", {"failed": 1})["links"][outer.id].endswith("/p2p-circuit")
        said = outer.ask(f"ping {inner.id}")
        assert said["links"][inner.id].endswith("/p2p-circuit")
        assert "error" not in said
        assert {address.rpartition("/")[2] for address in six.ask()["observed"]} != {"4007"}
    finally:
        one.end()
        six.end()


def test_strangers_behind_routers_find_each_other_from_one_address(routers: None) -> None:
    relay = Node(NET, "relay", "44.0.0.1", "4003", "--relay", "--find")
    two = Node(TWO, "two", "0.0.0.0", "4006", "--punch", "--find", relay.address)
    one = Node(ONE, "one", "0.0.0.0", "4006", "--punch", "--find", relay.address)
    try:
        for _ in range(PATIENCE_SECONDS * 10):
            if two.id in one.ask()["links"] and one.id in two.ask()["links"]:
                break
            subprocess.run(["sleep", "0.1"], check=True)
        assert two.id in one.ask()["links"]
    finally:
        for node in (one, two, relay):
            node.end()


def test_who_can_be_reached_learns_it(relay: Node) -> None:
    one = Node(ONE, "one", "0.0.0.0", "4001", relay.address)
    public = Node(NET, "public", "44.0.0.1", "4002", relay.address)
    try:
        said = public.until("state", "public")
        assert "Nothing needs to be done" in said["advice"][0]
    finally:
        public.end()
        one.end()
