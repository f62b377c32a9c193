"""Peer ids and addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.errors import PeerFault, Reason, UserFault
from thalweg.network.multiaddr import BYTES_MAX, Multiaddr
from thalweg.network.peer_id import Identity, PeerId, decode_key, encode_key, signed_by

# libp2p/specs peer-ids.md: the Ed25519 key pair of its test vectors, and the peer id it gives as an example
SPEC_PRIVATE = bytes.fromhex(
    "080112407e0830617c4a7de83925dfb2694556b12936c477a0e1feb2e148ec9da60fee7d"
    "1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e"
)
SPEC_PUBLIC = bytes.fromhex("080112201ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e")
SPEC_TEXT = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
SPEC_RSA_TEXT = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"
SEED = SPEC_PRIVATE[4:36]
PEER = Identity(SEED).peer_id
ONION_RAW = bytes(range(35)).hex()
ONION = "aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypsaijc"


def test_the_specified_key_is_written_as_the_specification_says() -> None:
    assert Identity(SEED).public_key == SPEC_PUBLIC
    assert bytes(PEER).hex() == "0024" + SPEC_PUBLIC.hex()
    assert PEER.key == SPEC_PUBLIC[4:]
    assert str(PEER).startswith("12D3KooW")


def test_the_specified_id_is_read_and_written() -> None:
    peer = PeerId.parse(SPEC_TEXT)
    assert str(peer) == SPEC_TEXT
    assert peer[:6] == bytes.fromhex("002408011220")


@given(st.binary(min_size=32, max_size=32))
def test_every_id_comes_back_from_its_text(key: bytes) -> None:
    peer = PeerId.of_key(key)
    assert PeerId.parse(str(peer)) == peer
    assert PeerId.of_bytes(bytes(peer)) == peer


@pytest.mark.parametrize(
    "text", ["", "12D3KooW", SPEC_RSA_TEXT, SPEC_TEXT[:-1], SPEC_TEXT + "1", "0OIl", "é" * 52, "1" * 10_000]
)
def test_what_is_not_an_ed25519_peer_id_is_the_users_fault(text: str) -> None:
    with pytest.raises(UserFault, match="12D3KooW"):
        PeerId.parse(text)


@pytest.mark.parametrize("raw", [b"", PEER[:-1], PEER + b"\0", b"\x12" + PEER[1:]])
def test_what_is_not_an_ed25519_peer_id_on_the_wire_is_the_peers_fault(raw: bytes) -> None:
    with pytest.raises(PeerFault):
        PeerId.of_bytes(raw)


def test_a_signature_holds_for_its_key_and_data_only() -> None:
    signature = Identity(SEED).sign(b"data")
    assert signed_by(PEER.key, b"data", signature)
    assert not signed_by(PEER.key, b"date", signature)
    assert not signed_by(Identity(bytes(32)).peer_id.key, b"data", signature)
    assert not signed_by(PEER.key, b"data", signature[:-1])
    assert not signed_by(b"short", b"data", signature)


@pytest.mark.parametrize("message", [b"", SPEC_PUBLIC[:-1], SPEC_PUBLIC + b"\0", b"\x08\x00" + SPEC_PUBLIC[2:]])
def test_only_the_one_form_of_an_ed25519_key_is_taken(message: bytes) -> None:
    assert encode_key(decode_key(SPEC_PUBLIC)) == SPEC_PUBLIC
    with pytest.raises(PeerFault):
        decode_key(message)


def test_a_seed_of_another_length_is_refused() -> None:
    with pytest.raises(UserFault):
        Identity(bytes(31))


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("/ip4/127.0.0.1/tcp/4001", "047f000001060fa1"),
        ("/ip6/::1/tcp/80", "29" + "00" * 15 + "01" + "060050"),
        ("/dns/example.com/tcp/443", "350b6578616d706c652e636f6d0601bb"),
        (f"/ip4/1.2.3.4/tcp/9/p2p/{PEER}", "0401020304060009a50326" + PEER.hex()),
        (f"/onion3/{ONION}:4001", "bd03" + ONION_RAW + "0fa1"),
        (f"/onion3/{ONION}:4001/p2p/{PEER}", "bd03" + ONION_RAW + "0fa1" + "a50326" + PEER.hex()),
        (f"/ip4/1.2.3.4/tcp/9/p2p/{PEER}/p2p-circuit", "0401020304060009a50326" + PEER.hex() + "a202"),
        (
            f"/ip4/1.2.3.4/tcp/9/p2p/{PEER}/p2p-circuit/p2p/{PEER}",
            "0401020304060009a50326" + PEER.hex() + "a202a50326" + PEER.hex(),
        ),
    ],
)
def test_an_address_is_read_and_written_as_text_and_bytes(text: str, raw: str) -> None:
    address = Multiaddr.parse(text)
    assert str(address) == text
    assert address.encode().hex() == raw
    assert Multiaddr.decode(bytes.fromhex(raw)) == address


def test_an_address_gives_its_host_port_and_peer() -> None:
    address = Multiaddr.of("::1", 4001, PEER)
    assert (address.host, address.port, address.peer) == ("::1", 4001, PEER)
    assert str(Multiaddr.of("node.example", 1)) == "/dns/node.example/tcp/1"
    assert Multiaddr.of("10.0.0.1", 1).peer is None
    assert str(Multiaddr.parse("/ip6/0:0::1/tcp/0080")) == "/ip6/::1/tcp/80"  # one form an address


def test_an_address_says_how_to_get_there() -> None:
    direct = Multiaddr.parse(f"/ip4/1.2.3.4/tcp/9/p2p/{PEER}")
    assert (direct.relay, direct.is_onion, str(direct.ip)) == (None, False, "1.2.3.4")
    other = Identity(bytes(32)).peer_id
    relayed = direct.via().to(other)
    assert str(relayed) == f"{direct}/p2p-circuit/p2p/{other}"
    assert (relayed.relay, relayed.peer, relayed.host, relayed.port) == (direct, other, "1.2.3.4", 9)
    assert direct.via().peer is None
    onion = Multiaddr.parse(f"/onion3/{ONION}:4001/p2p/{PEER}")
    assert (onion.host, onion.port, onion.peer, onion.ip) == (f"{ONION}.onion", 4001, PEER, None)
    assert onion.is_onion


@pytest.mark.parametrize(
    "text",
    [
        f"/onion3/{ONION}", f"/onion3/{ONION}:0", f"/onion3/{ONION[:-1]}:1", f"/onion3/{ONION[:-1]}1:1",
        f"/onion3/{ONION}:1/tcp/1", "/ip4/1.2.3.4/tcp/9/p2p-circuit", f"/p2p/{SPEC_TEXT}/p2p-circuit",
        f"/ip4/1.2.3.4/tcp/9/p2p/{SPEC_TEXT}/p2p-circuit/p2p-circuit",
        "", "/", "127.0.0.1:4001", "/ip4/127.0.0.1", "/ip4/127.0.0.1/tcp", "/ip4/300.0.0.1/tcp/1", "/tcp/1/ip4/1.2.3.4",
        "/ip4/1.2.3.4/tcp/65536", "/ip4/1.2.3.4/tcp/-1", "/ip4/1.2.3.4/tcp/x", "/ip4/1.2.3.4/udp/1",
        "/ip4/1.2.3.4/tcp/1/p2p/bob", "/ip4/1.2.3.4/tcp/1/tcp/2", "/dns/a b/tcp/1", "/dns//tcp/1", "/ip4/1.2.3.4/tcp/²",
        "/ip4/1.2.3.4/tcp/1/p2p/" + SPEC_TEXT + "/p2p/" + SPEC_TEXT, "/dns/" + "a" * 1000 + "/tcp/1",
    ],
)  # fmt: skip
def test_a_wrong_address_is_the_users_fault_and_the_right_form_is_shown(text: str) -> None:
    with pytest.raises(UserFault, match="write it as") as caught:
        Multiaddr.parse(text)
    assert caught.value.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    "raw",
    ["", "04", "047f0000", "047f000001", "047f0000010601", "9102", "80" * 12, "35" + "ff" * 9, f"bd03{ONION_RAW}0000"],
)
def test_a_wrong_address_on_the_wire_is_the_peers_fault(raw: str) -> None:
    with pytest.raises(PeerFault):
        Multiaddr.decode(bytes.fromhex(raw))


def test_an_oversized_address_is_refused() -> None:
    with pytest.raises(PeerFault, match="longer"):
        Multiaddr.decode(b"\x04\x7f\x00\x00\x01" * BYTES_MAX)


@given(st.binary(max_size=80))
def test_random_bytes_are_an_address_or_the_peers_fault(raw: bytes) -> None:
    try:
        address = Multiaddr.decode(raw)
    except PeerFault:
        return
    assert Multiaddr.decode(address.encode()) == address
