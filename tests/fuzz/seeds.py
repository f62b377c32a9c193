"""An honest example or two for each target: where the fuzzer begins."""

from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from tests.fuzz import targets
from tests.fuzz.targets import ME, NOW

from thalweg.network import (
    autonat,
    framing,
    holes,
    identify,
    items,
    mdns,
    multistream,
    peer_record,
    protobuf,
    secure,
    varint,
)
from thalweg.network.discovery import announcement
from thalweg.network.discovery.announcement import Node
from thalweg.network.discovery.book import PeerBook
from thalweg.network.gossip import rpc
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import Identity
from thalweg.network.relay import messages as hop
from thalweg.network.secure import Credentials, SecureHandshake
from thalweg.network.sync import messages as sync_messages
from thalweg.network.sync import reconciling
from thalweg.network.yamux_frames import ACK, DATA, FIN, GO_AWAY, PING, RST, SYN, WINDOW_UPDATE, header

_ID: Final = bytes(32)
_ADDRESS: Final = Multiaddr.parse("/ip4/192.0.2.1/tcp/4001")
_ONION: Final = f"/onion3/{'a' * 56}:4001"
_RELAYED: Final = f"/dns4/relay.example/tcp/443/p2p/{ME.peer_id}/p2p-circuit/p2p/{ME.peer_id}"
_RPC: Final = rpc.encode(
    rpc.Rpc(
        subscriptions=(rpc.Subscription("t", True), rpc.Subscription("u", False)),
        messages=(rpc.Message("t", b"payload"), rpc.Message("t", b"x forged")),
        controls=(
            rpc.IHave("t", (_ID,)),
            rpc.IWant((_ID,)),
            rpc.Graft("t"),
            rpc.Prune("t", (rpc.Exchanged(b"peer", b"record"),), 60),
        ),
    )
)


def _handshake() -> bytes:
    other = Credentials(ME, X25519PrivateKey.from_private_bytes(bytes(32)))
    return SecureHandshake(other, initiator=True, expected=None, admit=lambda peer: None).start()


def _frames() -> bytes:
    body = multistream.line(multistream.HEADER)
    return b"".join(
        (
            header(DATA, SYN, 2, len(body)) + body,
            header(WINDOW_UPDATE, ACK, 1, 1000),
            header(PING, SYN, 0, 7),
            header(DATA, FIN, 1, 3) + b"end",
            header(WINDOW_UPDATE, RST, 2, 0),
            header(GO_AWAY, 0, 0, 0),
        )
    )


def _book() -> PeerBook:
    book = PeerBook(Identity(b"other".ljust(32)).peer_id)
    node = Node(addresses=(str(_ADDRESS),), roles=("maker",))
    book.learn(announcement.check(announcement.announce(ME, node, NOW)))
    book.ban(ME.peer_id, NOW)
    book.set_anchors([ME.peer_id])
    return book


def seeds() -> dict[str, list[bytes]]:
    """Return the examples by target."""
    node = Node(addresses=(str(_ADDRESS), _ONION), features=("x/1",), roles=("maker",), agent="thalweg/0")
    said = announcement.announce(ME, node, NOW)
    record = peer_record.seal(ME, 1, (_ADDRESS,))
    described = identify.Description(
        public_key=ME.public_key,
        agent="a",
        protocols=("/x/1",),
        addresses=(_ADDRESS,),
        observed=_ADDRESS,
        record=record,
    )
    return {
        "announcement": [said],
        "announcement_inside": [items.read(said).body],
        "autonat": [autonat.encode_request(ME.peer_id, [_ADDRESS]), autonat.encode_answer(0, _ADDRESS)],
        "bans": [_book().encode_bans()],
        "book": [_book().encode()],
        "framing": [b"\x03" + framing.frame(b"one") + framing.frame(bytes(200))],
        "gossip_rpc": [_RPC],
        "hole": [holes.encode(holes.CONNECT, [_ADDRESS])],
        "hop": [
            hop.Hop(
                kind=hop.Kind.STATUS,
                peer=ME.peer_id,
                reservation=hop.Reservation(2_000_000_000, (_ADDRESS,), record),
                limit=hop.Limit(60, 1000),
                status=hop.Status.OK,
            ).encode()
        ],
        "identify": [described.encode()],
        "item": [items.sign(ME, "orders", b"body", NOW)],
        "mdns": [mdns.question(), mdns.answer("x" * 32, (_ADDRESS.to(ME.peer_id),))],
        "message": [b'{"type":"Hello"}'],
        "multiaddr": [Multiaddr.parse(text).encode() for text in (str(_ADDRESS), _ONION, _RELAYED, "/ip6/::1/tcp/1")],
        "multiaddr_text": [text.encode() for text in (str(_ADDRESS), _ONION, _RELAYED, "/ip6/::1/tcp/1")],
        "multistream": [multistream.line(multistream.HEADER) + multistream.line(name) for name in ("/x/1", "na")],
        "natpmp": [bytes((0, 128, 0, 0)) + bytes(8), bytes((0, 130, 0, 0)) + bytes(12)],
        "negentropy": [reconciling.begin(targets.shelf().index, (0, b""))],
        "noise": [b"\x80" + _handshake()],
        "payload": [secure.identity_payload(ME.public_key, ME.sign(b"noise-libp2p-static-key:" + b"static".ljust(32)))],
        "peer_id": [str(ME.peer_id).encode()],
        "protobuf": [protobuf.number_field(1, 2**40) + protobuf.bytes_field(2, b"x") + b"\x1d1234\x2112345678"],
        "record": [record],
        "record_inside": [dict(protobuf.parse(record))[3]],  # type: ignore[list-item]
        "router": [framing.frame(_RPC) * 2, framing.frame(_RPC[:30])],
        "signed_report": [b"{}"],
        "stop": [hop.Stop(peer=ME.peer_id, limit=hop.Limit(60, 1000)).encode()],
        "sync_answer": [sync_messages.encode(each) for each in (sync_messages.Taken(), sync_messages.Ids(_ID))],
        "sync_request": [
            sync_messages.encode(each)
            for each in (
                sync_messages.Beat(0, (sync_messages.Print("t", bytes(16)),)),
                sync_messages.Reconcile("t", reconciling.begin(targets.shelf().index, (0, b""))),
                sync_messages.GetPage("t", 0, 2),
                sync_messages.GetShortIds("t", bytes(8), 0, 0, 2),
                sync_messages.Fetch("t", _ID),
                sync_messages.Give("t", (b"payload",)),
            )
        ],
        "upgrade": [multistream.line(multistream.HEADER) + multistream.line("/noise") + _handshake()],
        "varint": [varint.encode(2**62)],
        "wanted": [b'{"wants":[{"feed":"' + b"A" * 43 + b'=","time":60}]}'],
        "yamux": [b"\x05" + _frames()],
    }
