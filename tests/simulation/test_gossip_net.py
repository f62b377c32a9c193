"""Gossip among many routers on simulated links: faults, and peers that lie. Every figure follows from a seed."""

import pytest

from thalweg.errors import Reason
from thalweg.network.gossip import Caps, Parameters, Recorded, rpc
from thalweg.network.gossip.rpc import Exchanged, Graft, IHave, IWant, Message, Prune, Rpc, Subscription
from thalweg.testing.gossip_net import GOOD, LATE, TOPIC, GossipNet, Node

SEEDS = [1, 2, 3, 4, 5]
READS = rpc.encode(Rpc(subscriptions=(Subscription(TOPIC, True),)))


def formed(seed: int, nodes: int = 20, degree: int = 4, parameters: Parameters | None = None) -> GossipNet:
    net = GossipNet(seed, parameters)
    net.add(nodes)
    net.link_randomly(degree)
    net.run(4)
    return net


def hostile_at(net: GossipNet, victims: list[Node]) -> Node:
    mallory = net.add_hostile()
    for victim in victims:
        net.link(mallory, victim)
        net.send(mallory, victim, READS)
    return mallory


def score(victim: Node, of: Node) -> float:
    assert victim.state is not None
    return victim.state.scores.of(of.peer)


def counts(node: Node, what: str) -> int:
    assert node.state is not None
    return node.state.counts[what]


@pytest.mark.parametrize("seed", SEEDS)
def test_every_message_reaches_everybody_once(seed: int) -> None:
    net = formed(seed)
    payloads = [net.payload(author) for author in range(20)]
    for node, payload in zip(net.nodes, payloads, strict=True):
        net.publish(node, payload)
    net.run(3)
    assert all(net.reached(payload, net.nodes) == 20 for payload in payloads)
    assert not any(node.cuts or node.notes for node in net.nodes)


@pytest.mark.parametrize("seed", SEEDS)
def test_meshes_keep_their_size_and_are_mutual(seed: int) -> None:
    net = formed(seed, nodes=40, degree=10)
    net.run(5)
    shape = net.parameters.shape
    meshes = dict(zip((node.peer for node in net.nodes), net.meshes(), strict=True))
    assert all(shape.degree_min <= len(mesh) <= shape.degree_max for mesh in meshes.values())
    one_sided = [(peer, other) for peer, mesh in meshes.items() for other in mesh if peer not in meshes[other]]
    assert not one_sided


def test_the_same_seed_gives_the_same_net() -> None:
    def figures(seed: int) -> tuple[int, int, list[set[bytes]]]:
        net = formed(seed)
        net.publish(net.nodes[0], net.payload())
        net.run(5)
        return net.sent, net.sent_bytes, net.meshes()

    assert figures(3) == figures(3)
    assert figures(3) != figures(4)


@pytest.mark.parametrize("seed", SEEDS)
def test_five_crashes_and_a_partition_heal_and_what_was_missed_is_told(seed: int) -> None:
    net = formed(seed, degree=5)
    for node in net.random.sample(net.nodes, 5):
        net.crash(node)
    alive = [node for node in net.nodes if node.is_up]
    left, right = alive[:8], alive[8:]
    broken = net.cut_between(left, right)
    net.publish(left[0], apart := net.payload())
    net.run(1.5)
    assert net.reached(apart, right) == 0
    for one, other in broken:
        net.link(one, other)
    net.run(4)
    assert net.reached(apart, alive) == len(alive)  # by IHAVE and IWANT: it was published before the links were back
    net.publish(right[0], after := net.payload())
    net.run(2)
    assert net.reached(after, alive) == len(alive)


@pytest.mark.parametrize("seed", SEEDS)
def test_links_that_break_all_the_time_lose_nothing_while_a_way_is_left(seed: int) -> None:
    net = formed(seed, degree=6)
    payloads = []
    for _ in range(40):
        one, other = net.random.sample(net.nodes, 2)
        net.unlink(one, other)
        net.at(0.3, lambda one=one, other=other: net.link(one, other))  # type: ignore[misc]
        payloads.append(net.payload())
        net.publish(net.random.choice(net.nodes), payloads[-1])
        net.run(0.2)
    net.run(6)
    assert all(net.reached(payload, net.nodes) == 20 for payload in payloads)


@pytest.mark.parametrize("seed", SEEDS)
def test_who_joins_between_two_heartbeats_misses_nothing_that_is_still_told(seed: int) -> None:
    net = formed(seed)
    net.publish(net.nodes[0], before := net.payload())
    net.run(1)
    (late,) = net.add()
    for node in net.nodes[5:8]:
        net.link(late, node)
    net.run(0.2)
    net.publish(net.nodes[1], between := net.payload())
    net.run(2.5)
    assert {before, between} <= set(late.delivered)


def test_a_forger_is_cut_off_and_forwarders_are_not_blamed_for_late_messages() -> None:
    net = formed(1)
    victim = net.nodes[0]
    mallory = hostile_at(net, [victim])
    for _ in range(4):
        forged = Message(TOPIC, net.payload(prefix=b"evil"))
        net.send(mallory, victim, rpc.encode(Rpc(messages=(forged,))))
    net.run(1)
    assert [cut.peer for cut in victim.cuts] == [mallory.peer]
    assert not net.are_linked(mallory, victim)
    assert {note.reason for note in victim.notes} == {Reason.WRONG_SIGNER}
    honest = hostile_at(net, [victim])
    late = [Message(TOPIC, net.payload(prefix=LATE)) for _ in range(100)]
    net.send(honest, victim, rpc.encode(Rpc(messages=tuple(late))))
    net.run(2)
    assert score(victim, honest) == 0
    assert net.are_linked(honest, victim)


def test_a_forged_message_is_paid_for_by_everybody_who_repeats_it() -> None:
    net = formed(1)
    victim = net.nodes[0]
    forged = rpc.encode(Rpc(messages=(Message(TOPIC, net.payload(prefix=b"evil")),)))
    first, second = hostile_at(net, [victim]), hostile_at(net, [victim])
    net.send(first, victim, forged)
    net.run(0.5)
    net.send(second, victim, forged)
    net.run(0.4)
    assert score(victim, first) < 0
    assert score(victim, second) < 0


def test_a_bad_name_outlives_the_link_and_fades() -> None:
    net = formed(1)
    victim = net.nodes[0]
    mallory = hostile_at(net, [victim])
    for _ in range(2):
        net.send(mallory, victim, rpc.encode(Rpc(messages=(Message(TOPIC, net.payload(prefix=b"evil")),))))
    net.run(1)
    bad = score(victim, mallory)
    assert bad < -30
    net.unlink(mallory, victim)
    net.link(mallory, victim)
    assert score(victim, mallory) == pytest.approx(bad, abs=1)
    net.run(400)
    assert -20 < score(victim, mallory) <= 0


def test_ihave_spam_is_answered_a_few_times_and_promises_are_checked() -> None:
    net = formed(1)
    victim = net.nodes[0]
    mallory = hostile_at(net, [victim])
    net.run(0.2)
    for second in range(12):
        for number in range(30):
            ids = tuple(bytes([second, number, each]) + bytes(29) for each in range(200))
            net.send(mallory, victim, rpc.encode(Rpc(controls=(IHave(TOPIC, ids),))))
        net.run(1)
    asked = [want for _, data in mallory.heard for want in rpc.decode(data, Caps()).controls if isinstance(want, IWant)]
    caps = net.parameters.caps
    assert 0 < len(asked) <= 12 * (caps.ihaves_per_heartbeat + 1)
    assert counts(victim, "broken_promises") > 0
    assert not net.are_linked(mallory, victim)
    assert victim.cuts


def test_a_graft_flood_is_cut_off_and_never_gets_into_the_mesh() -> None:
    net = formed(1)
    victim = net.nodes[0]
    mallory = hostile_at(net, [victim])
    graft = rpc.encode(Rpc(controls=(Graft(TOPIC),)))
    for _ in range(3):
        net.send(mallory, victim, rpc.encode(Rpc(messages=(Message(TOPIC, net.payload(prefix=b"evil")),))))
        net.run(0.3)
        if net.are_linked(mallory, victim):
            net.send(mallory, victim, graft)
            net.run(0.1)
            assert mallory.peer not in net.meshes([victim])[0]
    other = hostile_at(net, [victim])
    net.send(other, victim, graft)
    net.run(0.2)
    assert other.peer in net.meshes([victim])[0]
    net.send(other, victim, rpc.encode(Rpc(controls=(Prune(TOPIC),))))
    for _ in range(10):
        net.send(other, victim, graft)
    net.run(1)
    assert other.peer not in net.meshes([victim])[0]
    assert not net.are_linked(other, victim)
    assert victim.cuts[-1].peer == other.peer


def test_sybils_that_came_first_cannot_fill_the_mesh_and_withholding_does_not_silence_anybody() -> None:
    net = GossipNet(1)
    honest = net.add(12)
    victim = honest[0]
    net.link_randomly(5, honest[1:])
    sybils = [hostile_at(net, [victim]) for _ in range(60)]
    for _ in range(3):
        for sybil in sybils:
            net.send(sybil, victim, rpc.encode(Rpc(controls=(Graft(TOPIC),))))
        net.run(1)
    (mesh,) = net.meshes([victim])
    assert len(mesh) >= net.parameters.shape.degree_min
    assert not mesh & {node.peer for node in honest}
    for node in honest[1:5]:
        net.link(victim, node)
    net.run(3)
    assert len(net.meshes([victim])[0] & {node.peer for node in honest}) >= net.parameters.shape.outbound_min
    net.publish(victim, mine := net.payload())
    net.publish(honest[7], theirs := net.payload())
    net.run(1)
    assert net.reached(mine, honest) == net.reached(theirs, honest) == 12


def test_sybils_of_one_address_are_in_no_mesh_and_are_told_nothing() -> None:
    net = GossipNet(1)
    honest = net.add(8)
    victim = honest[0]
    for node in honest[1:]:
        net.link(node, victim)
    sybils = [net.add_hostile() for _ in range(40)]
    for sybil in sybils:
        sybil.address = "192.0.2.1"
        net.link(sybil, victim)
        net.send(sybil, victim, READS)
    for _ in range(3):
        for sybil in sybils:
            net.send(sybil, victim, rpc.encode(Rpc(controls=(Graft(TOPIC),))))
        net.run(1)
    (mesh,) = net.meshes([victim])
    assert mesh == {node.peer for node in honest[1:]} & mesh
    assert len(mesh) >= net.parameters.shape.degree_min
    for sybil in sybils:
        assert net.are_linked(sybil, victim)  # an office is not cut off for being one
        sybil.heard.clear()
    net.publish(honest[3], payload := net.payload())
    net.run(3)
    assert payload in victim.delivered
    assert not [data for sybil in sybils for _, data in sybil.heard if rpc.decode(data, Caps()).messages]


def test_a_peer_that_never_delivers_earns_nothing_and_is_left_out_when_the_mesh_is_too_large() -> None:
    net = formed(2, nodes=16, degree=15)
    victim = net.nodes[0]
    silent = hostile_at(net, [victim])
    net.run(0.2)
    net.send(silent, victim, rpc.encode(Rpc(controls=(Graft(TOPIC),))))
    for _ in range(60):
        for node in net.nodes[1:6]:
            net.publish(node, net.payload(author=net.nodes.index(node)))
        net.run(1)
    assert victim.state is not None
    assert score(victim, silent) == pytest.approx(0, abs=1e-9)
    assert victim.state.scores.why(silent.peer, net.now)["P3"] < 0
    assert min(score(victim, node) for node in net.nodes[1:6]) > 0


def test_a_flood_of_fifty_times_the_rate_is_cut_off_within_two_seconds_and_memory_stays_bounded() -> None:
    caps = Caps(messages_per_second=100, seen_max=2_000, cached_bytes_max=100_000)
    net = formed(1, parameters=Parameters(caps=caps))
    victim = net.nodes[0]
    mallory = hostile_at(net, [victim])
    net.run(0.1)
    started = net.now
    while net.are_linked(mallory, victim) and net.now - started < 5:
        batch = tuple(Message(TOPIC, net.payload(author=net.random.randrange(10**6))) for _ in range(50))
        net.send(mallory, victim, rpc.encode(Rpc(messages=batch)))
        net.run(0.01)
    assert net.now - started < 2
    assert victim.cuts[-1].reason is Reason.FLOOD
    assert victim.state is not None
    assert len(victim.state.topics[TOPIC].seen) <= caps.seen_max
    net.publish(net.nodes[3], after := net.payload())
    net.run(1)
    assert after in victim.delivered


def test_an_author_is_limited_whoever_passes_him_on_and_nobody_else_is() -> None:
    net = formed(1, parameters=Parameters(caps=Caps(author_messages_per_second=5)))
    victim = net.nodes[0]
    carriers = [hostile_at(net, [victim]) for _ in range(4)]
    loud = [net.payload(author=9) for _ in range(100)]
    for number, payload in enumerate(loud):
        net.send(carriers[number % 4], victim, rpc.encode(Rpc(messages=(Message(TOPIC, payload),))))
    net.publish(net.nodes[1], quiet := net.payload(author=1))
    net.run(1)
    assert net.reached(loud[0], [victim]) == 1
    assert 10 <= sum(payload in victim.delivered for payload in loud) <= 16
    assert quiet in victim.delivered
    assert all(score(victim, carrier) >= 0 for carrier in carriers)


def test_a_forged_name_uses_up_nobodys_rate() -> None:
    net = formed(1, parameters=Parameters(caps=Caps(author_messages_per_second=2)))
    victim = net.nodes[0]
    for _ in range(10):
        mallory = hostile_at(net, [victim])
        forged = tuple(Message(TOPIC, net.payload(author=7, prefix=b"evil")) for _ in range(3))
        net.send(mallory, victim, rpc.encode(Rpc(messages=forged)))
    net.run(0.5)
    net.publish(net.nodes[1], honest := net.payload(author=7))
    net.run(1)
    assert honest in victim.delivered


def test_peers_are_exchanged_on_prune_and_only_believed_from_those_with_a_good_name() -> None:
    net = formed(1, nodes=3, degree=2)
    alice, bob, carol = net.nodes
    for teller in (alice, bob):
        for known in net.nodes:
            net.do(teller, Recorded(known.peer, b"record of " + known.peer))
    named = Exchanged(b"peerXXXX", b"record")
    liar = hostile_at(net, [alice])
    net.run(0.2)
    net.send(liar, alice, rpc.encode(Rpc(controls=(Prune(TOPIC, (named,), 60),))))
    net.run(0.2)
    assert not alice.dials
    for _ in range(20):  # carol earns a name
        net.publish(carol, net.payload())
        net.run(0.2)
    assert score(alice, carol) >= net.parameters.thresholds.exchanged
    net.send(carol, alice, rpc.encode(Rpc(controls=(Prune(TOPIC, (named,), 60),))))
    net.run(0.2)
    assert [dial.peer for dial in alice.dials] == [named]


def test_what_is_published_in_a_topic_one_does_not_read_still_gets_there() -> None:
    net = formed(1)
    (outsider,) = net.add(reads=False)
    net.link(outsider, net.nodes[0])
    net.link(outsider, net.nodes[1])
    net.run(0.5)
    net.publish(outsider, payload := net.payload())
    net.run(2)
    assert net.reached(payload, net.nodes[:20]) == 20
    assert payload.startswith(GOOD)
