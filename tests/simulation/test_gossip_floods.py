"""Fifty times what is taken, of everything there is to send: the sender is cut off within two seconds of the simulated
clock, what the victim does for it meanwhile is bounded, and everybody else is heard.
"""

from collections.abc import Callable

import pytest

from thalweg.network.gossip import Caps, Parameters, rpc
from thalweg.network.gossip.rpc import Graft, IHave, IWant, Message, Prune, Rpc, Subscription
from thalweg.testing.gossip_net import LATE, TOPIC, GossipNet, Node

CAPS = Caps(messages_per_second=20, controls_per_second=20, message_bytes_per_second=40_000, seen_max=2_000)
TIMES_THE_RATE = 50
TICK_SECONDS = 0.02
AT_ONCE = int(20 * TIMES_THE_RATE * TICK_SECONDS)
READS = Rpc(subscriptions=(Subscription(TOPIC, True),))


def messages(make: Callable[[], bytes], topic: str = TOPIC) -> Rpc:
    return Rpc(messages=tuple(Message(topic, make()) for _ in range(AT_ONCE)))


def ids(net: GossipNet) -> tuple[bytes, ...]:
    return tuple(net.random.randbytes(32) for _ in range(20))


SAME = b"good" + bytes(40)
FLOODS: dict[str, Callable[[GossipNet], Rpc]] = {
    "good messages of many authors": lambda net: messages(lambda: net.payload(net.random.randrange(10**6))),
    "good messages of one author": lambda net: messages(net.payload),
    "one message again and again": lambda net: messages(lambda: SAME),
    "late messages": lambda net: messages(lambda: net.payload(prefix=LATE)),
    "messages nobody reads": lambda net: messages(net.payload, "other"),
    "bytes": lambda net: Rpc(messages=tuple(Message(TOPIC, SAME + bytes(8_000)) for _ in range(5))),
    "IHAVE": lambda net: Rpc(controls=tuple(IHave(TOPIC, ids(net)) for _ in range(AT_ONCE))),
    "IWANT": lambda net: Rpc(controls=tuple(IWant(ids(net)) for _ in range(AT_ONCE))),
    "GRAFT": lambda net: Rpc(controls=(Graft(TOPIC),) * AT_ONCE),
    "PRUNE": lambda net: Rpc(controls=(Prune(TOPIC, (), 60),) * AT_ONCE),
    "GRAFT and PRUNE by turns": lambda net: Rpc(controls=(Graft(TOPIC), Prune(TOPIC)) * (AT_ONCE // 2)),
    "subscriptions to many topics": lambda net: Rpc(
        subscriptions=tuple(Subscription(f"t{net.random.randrange(10**6)}", True) for _ in range(AT_ONCE))
    ),
    "reading and not by turns": lambda net: Rpc(
        subscriptions=(Subscription(TOPIC, False), Subscription(TOPIC, True)) * (AT_ONCE // 2)
    ),
    "nothing": lambda net: Rpc(),
}


def formed(parameters: Parameters) -> GossipNet:
    net = GossipNet(1, parameters)
    net.add(10)
    net.link_randomly(4)
    net.run(4)
    return net


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_of_anything_is_cut_off_and_costs_a_bounded_amount(kind: str) -> None:
    net = formed(Parameters())
    victim = net.nodes[0]
    assert victim.state is not None
    victim.state.parameters = Parameters(caps=CAPS)  # for whoever joins from now on
    mallory = net.add_hostile()
    net.link(mallory, victim)
    net.send(mallory, victim, rpc.encode(READS))
    net.run(0.2)
    before, paid, started = len(victim.delivered), 0, net.now
    flood = FLOODS[kind]
    honest: list[bytes] = []
    while net.are_linked(mallory, victim):
        assert net.now - started < 2, "it goes on flooding"
        for _ in range(AT_ONCE if kind == "nothing" else 1):
            net.send(mallory, victim, data := rpc.encode(flood(net)))
            paid += len(data)
        net.run(TICK_SECONDS)
        if len(honest) < 20:  # each node is an author, at less than his rate
            honest.append(net.payload(author=10**7 + len(honest)))
            net.publish(net.nodes[3], honest[-1])
    assert victim.cuts[-1].peer == mallory.peer
    taken = len(victim.delivered) - before - len(honest)
    assert taken <= CAPS.messages_per_second * 4  # the burst of two seconds, and two seconds
    state = victim.state
    assert len(state.topics[TOPIC].seen) <= CAPS.seen_max
    assert all(len(peer.topics) <= CAPS.topics_max for peer in state.peers.values())
    assert sum(len(data) for _, data in mallory.heard) <= paid + 40_000
    net.run(3)
    assert all(net.reached(payload, net.nodes[:10]) == 10 for payload in honest)


def test_what_a_node_says_to_one_that_asks_a_little_all_the_time_is_little() -> None:
    """Below every limit nobody is cut off, and what comes back stays in proportion."""
    net = formed(Parameters())
    victim: Node = net.nodes[0]
    curious = net.add_hostile()
    net.link(curious, victim)
    net.send(curious, victim, rpc.encode(READS))
    for _ in range(200):
        net.publish(net.nodes[1], net.payload(net.random.randrange(10**6)))
    net.run(1)
    curious.heard.clear()
    for _ in range(20):
        net.send(curious, victim, rpc.encode(Rpc(controls=(Graft(TOPIC),))))
        net.run(0.25)
    assert net.are_linked(curious, victim)
    assert sum(len(data) for _, data in curious.heard) < 20 * 200 * 40
