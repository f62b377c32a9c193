"""How cost grows with peers and with messages: real routers on simulated links; and its picture, an SVG."""

import time
from pathlib import Path
from typing import Final

from thalweg.testing.gossip_net import GossipNet

PEERS: Final = (20, 50, 100, 200, 500, 1000)
RATES: Final = (10, 50, 100, 200, 500)  # messages a second, all 50 nodes together
RATED_PEERS: Final = 50
LINKS: Final = 8  # that each node dials
WARM_SECONDS: Final = 3.0
MESSAGES: Final = 20
MESSAGE_BYTES: Final = 200


class Growth:
    """One run: what a message cost a node."""

    def __init__(self, nodes: int, messages: int, seconds: float, seed: int = 1) -> None:
        net = GossipNet(seed)
        net.add(nodes)
        net.link_randomly(LINKS)
        net.run(WARM_SECONDS)
        sent, sent_bytes, begun = net.sent, net.sent_bytes, time.process_time()
        published: dict[bytes, float] = {}
        for number in range(messages):
            payload = net.payload(author=number % nodes).ljust(MESSAGE_BYTES, b".")
            published[payload] = net.now
            net.publish(net.nodes[number * 7 % nodes], payload)
            net.run(seconds / messages)
        net.run(2.0)
        self.cpu_us = (time.process_time() - begun) / messages / nodes * 1e6
        self.rpcs = (net.sent - sent) / messages / nodes
        self.bytes = (net.sent_bytes - sent_bytes) / messages / nodes
        late = sorted(
            node.delivered[payload] - at
            for payload, at in published.items()
            for node in net.nodes
            if payload in node.delivered
        )
        self.delivered = len(late) / (messages * nodes)
        self.p99_ms = late[len(late) * 99 // 100] * 1e3


def measure_growth() -> dict[str, float]:
    """Return CPU, bytes and delay of a message at every size, and CPU at every rate."""
    results: dict[str, float] = {}
    for nodes in PEERS:
        run = Growth(nodes, MESSAGES if nodes <= 200 else MESSAGES // 2, 2.0)
        results[f"peers{nodes}_cpu_us"] = run.cpu_us
        results[f"peers{nodes}_bytes"] = run.bytes
        results[f"peers{nodes}_p99_ms"] = run.p99_ms
        results[f"peers{nodes}_delivered"] = run.delivered
    for rate in RATES:
        run = Growth(RATED_PEERS, rate, 1.0)
        results[f"rate{rate}_cpu_us"] = run.cpu_us
        results[f"rate{rate}_bytes"] = run.bytes
    return results


def draw(results: dict[str, float], file: Path) -> None:
    """Write the picture: two panels, both axes from zero but for the logarithm of what grows."""
    left = _panel(60, "peers", PEERS, [
        ("CPU a node a message, µs", [results[f"peers{n}_cpu_us"] for n in PEERS]),
        ("99 % have it after, ms (simulated links 5 to 80 ms)", [results[f"peers{n}_p99_ms"] for n in PEERS]),
    ])  # fmt: skip
    right = _panel(540, "messages a second, 50 peers", RATES, [
        ("CPU a node a message, µs", [results[f"rate{r}_cpu_us"] for r in RATES]),
        ("bytes sent a node a message", [results[f"rate{r}_bytes"] for r in RATES]),
    ])  # fmt: skip
    file.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 980 340" font-family="sans-serif" font-size="12">'
        f'<rect width="980" height="340" fill="#fff"/>{left}{right}</svg>\n'
    )


_COLOURS: Final = ("#2563eb", "#d97706")
_WIDTH, _HEIGHT, _TOP = 400.0, 220.0, 60.0


def _panel(x: int, title: str, across: tuple[int, ...], lines: list[tuple[str, list[float]]]) -> str:
    parts = [
        f'<text x="{x + _WIDTH / 2}" y="{_TOP + _HEIGHT + 40}" text-anchor="middle" fill="#334155">{title}</text>',
        f'<path d="M{x} {_TOP}V{_TOP + _HEIGHT}H{x + _WIDTH}" fill="none" stroke="#94a3b8"/>',
    ]
    places = [x + _WIDTH * index / (len(across) - 1) for index in range(len(across))]
    for place, mark in zip(places, across, strict=True):
        parts.append(f'<text x="{place}" y="{_TOP + _HEIGHT + 18}" text-anchor="middle" fill="#64748b">{mark}</text>')
    for colour, number, (name, values) in zip(_COLOURS, range(len(lines)), lines, strict=True):
        top = max(values) * 1.15
        spots = [(place, _TOP + _HEIGHT * (1 - value / top)) for place, value in zip(places, values, strict=True)]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in spots)
        parts.append(f'<text x="{x}" y="{20 + 16 * number}" fill="{colour}">{name}</text>')
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for (px, py), value in zip(spots, values, strict=True):
            parts.append(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{colour}"/>')
            parts.append(f'<text x="{px:.1f}" y="{py - 7:.1f}" text-anchor="middle" fill="{colour}">{value:.0f}</text>')
    return "".join(parts)
