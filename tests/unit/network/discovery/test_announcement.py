import coincurve
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.crypto import address_of, sign
from thalweg.errors import PeerFault, Reason
from thalweg.network import items
from thalweg.network.discovery.announcement import (
    BODY_BYTES_MAX,
    FRESH_SECONDS,
    LIFE_SECONDS,
    TOPIC,
    Binding,
    Node,
    Rules,
    announce,
    bind,
    check,
)
from thalweg.network.gossip import ACCEPTED, Judgement, Verdict
from thalweg.network.gossip.validation import glance, verify
from thalweg.network.peer_id import Identity
from thalweg.units import Address

NOW = 1_800_000_000.0
ALICE, MALLORY = Identity(b"alice".ljust(32)), Identity(b"mallory".ljust(32))
KEY = coincurve.PrivateKey(b"\1" * 32)
CONTRACT = Address(b"\2" * 20)


def bound(network_key: bytes, chain_id: int = 1) -> Binding:
    return bind(network_key, chain_id, CONTRACT, address_of(KEY.public_key), lambda digest: sign(KEY, digest))


NODE = Node(
    addresses=("/ip4/1.2.3.4/tcp/4001",),
    features=("/meshsub/1.1.0",),
    roles=("relay",),
    agent="thalweg/0.1.0",
    binding=bound(ALICE.peer_id.key),
)


def signed(body: bytes, identity: Identity = ALICE) -> bytes:
    return items.sign(identity, TOPIC, body, NOW + 60)


def test_an_announcement_comes_back_with_both_keys() -> None:
    said = check(announce(ALICE, NODE, NOW))
    assert (said.peer, said.channel_key) == (ALICE.peer_id, address_of(KEY.public_key))
    assert [str(address) for address in said.addresses] == [f"/ip4/1.2.3.4/tcp/4001/p2p/{ALICE.peer_id}"]
    assert (said.roles, said.features, said.agent) == (("relay",), ("/meshsub/1.1.0",), "thalweg/0.1.0")
    assert said.expires_at == NOW + LIFE_SECONDS


def test_the_binding_is_typed_data_that_a_wallet_shows() -> None:
    account = pytest.importorskip("eth_account")
    message = account.messages.encode_typed_data(
        domain_data={"name": "Thalweg", "version": "1", "chainId": 1, "verifyingContract": "0x" + CONTRACT.hex()},
        message_types={"NodeBinding": [{"name": "networkKey", "type": "bytes32"}]},
        message_data={"networkKey": ALICE.peer_id.key},
    )
    theirs = account.Account.sign_message(message, KEY.secret)
    compact = theirs.r.to_bytes(32) + (theirs.s | (theirs.v - 27) << 255).to_bytes(32)
    assert bound(ALICE.peer_id.key).signature == compact


def test_nobody_takes_anothers_channel_key_or_moves_it_to_another_chain() -> None:
    for binding in (bound(ALICE.peer_id.key), msgspec.structs.replace(bound(MALLORY.peer_id.key), chain_id=2)):
        with pytest.raises(PeerFault) as caught:
            check(announce(MALLORY, Node(binding=binding), NOW))
        assert caught.value.reason is Reason.WRONG_SIGNER


def test_a_forged_announcement_is_refused() -> None:
    payload = announce(ALICE, NODE, NOW)
    with pytest.raises(PeerFault) as caught:
        check(payload[:-1] + bytes((payload[-1] ^ 1,)))
    assert caught.value.reason is Reason.WRONG_SIGNER


def test_addresses_of_unknown_kinds_are_left_out_and_anothers_refused() -> None:
    quic = "/ip4/1.2.3.4/udp/1/quic-v1"
    assert check(announce(ALICE, Node(addresses=(quic, "/ip4/1.2.3.4/tcp/1")), NOW)).addresses[0].port == 1
    with pytest.raises(PeerFault) as caught:
        check(announce(ALICE, Node(addresses=(f"/ip4/1.2.3.4/tcp/1/p2p/{MALLORY.peer_id}",)), NOW))
    assert caught.value.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    "node",
    [
        Node(addresses=("/ip4/1.2.3.4/tcp/1",) * 17),
        Node(addresses=("x" * 301,)),
        Node(features=("x",) * 17),
        Node(roles=("x" * 33,)),
        Node(roles=("",)),
        Node(roles=("\x1b[31m",)),
        Node(agent="a" * 65),
        Node(agent="\n"),
        Node(roles=("relay\n",)),
        Node(binding=Binding(1, b"\2" * 19, bytes(20), bytes(64))),
        Node(binding=Binding(2**53 + 1, bytes(20), bytes(20), bytes(64))),
        Node(binding=Binding(1, bytes(20), bytes(20), bytes(65))),
    ],
)
def test_one_over_each_limit_is_refused(node: Node) -> None:
    with pytest.raises(PeerFault) as caught:
        check(announce(ALICE, node, NOW))
    assert caught.value.reason is Reason.MALFORMED


def test_another_form_of_the_same_thing_and_too_much_are_refused() -> None:
    body = msgspec.msgpack.encode(Node(agent="a"))
    loose = body.replace(b"\xa1a", b"\xd9\x01a")  # the text with a longer head
    assert loose != body
    for refused, reason in (
        (loose, Reason.MALFORMED), (body + b"\xc0", Reason.MALFORMED), (bytes(BODY_BYTES_MAX + 1), Reason.OVERSIZED),
        (b"\x91" * 5000, Reason.OVERSIZED), (b"\x91" * 4000, Reason.MALFORMED),
    ):  # fmt: skip
        with pytest.raises(PeerFault) as caught:
            check(signed(refused))
        assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("known", "said_at", "verdict"),
    [
        (None, NOW, Verdict.ACCEPT),
        (NOW + LIFE_SECONDS - 5, NOW, Verdict.ACCEPT),
        (NOW + LIFE_SECONDS - 4, NOW, Verdict.IGNORE),
        (NOW + LIFE_SECONDS, NOW, Verdict.IGNORE),
        (None, NOW + 299, Verdict.ACCEPT),
        (None, NOW + 301, Verdict.IGNORE),
        (None, NOW - FRESH_SECONDS - 299, Verdict.ACCEPT),
        (None, NOW - FRESH_SECONDS - 301, Verdict.IGNORE),
    ],
)
def test_only_news_is_passed_on(known: float | None, said_at: float, verdict: Verdict) -> None:
    rules = Rules(lambda: NOW, lambda peer: known)
    payload = announce(ALICE, NODE, said_at)
    seen = rules.glance(payload)
    if isinstance(seen, Judgement):
        assert seen.verdict is verdict
    else:
        assert verdict is Verdict.ACCEPT
        assert rules.verify(payload) == ACCEPTED


@given(st.binary(max_size=200), st.booleans())
def test_random_bodies_are_judged_and_never_raise_anything_else(body: bytes, is_signed: bool) -> None:
    rules = Rules(lambda: NOW, lambda peer: None)
    payload = signed(body) if is_signed else body
    assert isinstance(glance(rules, payload), bytes | Judgement)
    assert isinstance(verify(rules, payload), Judgement)
