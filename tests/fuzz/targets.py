"""What is fuzzed: each parser of bytes that peers send. A target raises only what no bytes may make it raise.

Beside not crashing, a target says what must hold of what it took: it comes back when it is encoded, or nothing depends
on how the bytes were cut.
"""

import random
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from thalweg.app.report_messages import Wanted, check_wanted
from thalweg.channel.messages import Message
from thalweg.codec import decode
from thalweg.errors import InvariantBroken, PeerFault, Reason, ThalwegError, Unavailable
from thalweg.instruments.report import SignedReport
from thalweg.network import (
    autonat,
    envelope,
    holes,
    identify,
    items,
    mdns,
    multistream,
    natpmp,
    peer_record,
    protobuf,
    secure,
    sync,
    varint,
    yamux,
)
from thalweg.network.discovery import announcement
from thalweg.network.discovery.book import PeerBook
from thalweg.network.discovery.groups import may_be_taken, worth_telling
from thalweg.network.framing import MessageReader
from thalweg.network.gossip import (
    Beat,
    Effect,
    Joined,
    More,
    Parameters,
    Received,
    Resumed,
    State,
    Subscribed,
    rpc,
    step,
)
from thalweg.network.gossip.parameters import Caps
from thalweg.network.gossip.validation import ACCEPTED, Judgement, Verdict, glance, verify
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import Identity, PeerId
from thalweg.network.relay import messages as relay_messages
from thalweg.network.secure import Credentials, SecureHandshake
from thalweg.network.sync import Shelf, negentropy, reconciling
from thalweg.network.sync import messages as sync_messages
from thalweg.network.upgrade import Upgrade

NOW: Final = 1_800_000_000.0
ME: Final = Identity(b"me".ljust(32))
_STATIC: Final = X25519PrivateKey.from_private_bytes(b"static".ljust(32))
_CAPS: Final = Caps()
_CREDENTIALS: Final = Credentials(ME, _STATIC)


def shelf() -> Shelf:
    """Return a shelf with items of a few times."""
    made = Shelf()
    for number in range(100):
        made.add(items.sign(ME, "t", b"%d" % number, NOW + number % 7))
    return made


_SHELF: Final = shelf()


def _varint(data: bytes) -> None:
    found = varint.decode(data)
    if found is not None:
        value, end = found
        assert varint.encode(value) == data[:end]


def _protobuf(data: bytes) -> None:
    for number, value in protobuf.parse(data):
        assert number >= 0
        assert isinstance(value, int | bytes)


def _framing(data: bytes) -> None:
    """One byte says how the rest is cut; the messages are the same as of the whole, up to what may come at once."""
    data = data[:10_000]
    whole = _messages([data[1:]])
    size = max(1, data[0]) if data else 1
    assert _messages([data[at : at + size] for at in range(1, len(data), size)]) == whole


def _messages(pieces: list[bytes]) -> list[bytes] | None:
    reader, messages = MessageReader(1000), list[bytes]()
    for piece in pieces:
        try:
            messages += reader.feed(piece)
        except PeerFault:
            return None
        assert reader.pending <= 1000 + varint.VARINT_BYTES_MAX
    return messages


def _multistream(data: bytes) -> None:
    for negotiation in (multistream.Dialer("/x/1"), multistream.Listener("/x/1".__eq__)):
        try:
            negotiation.feed(data)
        except (PeerFault, Unavailable):
            continue


def _noise(data: bytes) -> None:
    """The first byte chooses the side; the rest comes in two pieces."""
    handshake = SecureHandshake(_CREDENTIALS, initiator=data[:1] < b"\x80", expected=None, admit=lambda peer: None)
    if data[:1] < b"\x80":
        handshake.start()
    handshake.feed(data[1 : len(data) // 2])
    handshake.feed(data[max(1, len(data) // 2) :])


def _payload(data: bytes) -> None:
    secure.verify_payload(data, b"static".ljust(32))


def _upgrade(data: bytes) -> None:
    upgrade = Upgrade(_CREDENTIALS, dialer=False, expected=None, admit=lambda peer: None, bytes_max=16_384)
    upgrade.feed(data)


def _yamux(data: bytes) -> None:
    """The first byte says how the rest is cut; what happens does not depend on it, and the windows hold."""
    size = max(1, data[0]) if data else 1
    whole, pieces = _session(), _session()
    first = _happened(whole, [data[1:]])
    second = _happened(pieces, [data[at : at + size] for at in range(1, len(data), size)])
    assert first == second
    if not first[-1]:  # else the link is dropped
        assert b"".join(whole.take(2**20)) == b"".join(pieces.take(2**20))


def _session() -> yamux.Session:
    session = yamux.Session(dialer=True, inbound_max=4, outbound_max=4)
    session.write(session.open(yamux.BULK), b"hello")
    return session


def _happened(session: yamux.Session, pieces: list[bytes]) -> tuple[list[object], dict[int, bytes], bool]:
    """Return what happened but data, the data of each stream, and whether the peer was at fault."""
    events: list[object] = []
    received: dict[int, bytes] = {}
    for piece in pieces:
        try:
            found = session.feed(piece)
        except PeerFault:
            return [], {}, True
        for event in found:
            if isinstance(event, yamux.Received):
                received[event.stream_id] = received.get(event.stream_id, b"") + bytes(event.data)
            else:
                events.append(event)
    return events, received, False


def _gossip_rpc(data: bytes) -> None:
    parsed = rpc.decode(data, _CAPS)
    assert rpc.decode(rpc.encode(parsed), _CAPS) == parsed


class _Rules:
    payload_bytes_max = 100

    def glance(self, payload: bytes) -> bytes:
        return payload[:1]

    def verify(self, payload: bytes) -> Judgement:
        if payload[:1] == b"x":
            raise PeerFault(Reason.WRONG_SIGNER, "forged")
        return ACCEPTED


def _router(data: bytes) -> None:
    """RPCs of two peers, one behind the other, with heartbeats between; what is remembered stays bounded."""
    state = State(Parameters(caps=Caps(seen_max=64, cached_bytes_max=1000, backoffs_max=8)), random.Random(1))
    now = 0.0
    step(state, Subscribed("t", _Rules()), now)
    for peer in (b"a", b"b"):
        step(state, Joined(peer, is_outbound=False, group="192.0.2.1"), now)
    for number, message in enumerate(_messages([data]) or ()):
        now += 0.3
        _settle(state, step(state, Received(b"ab"[number % 2 : number % 2 + 1], message), now), now)
        step(state, Beat(), now)
    assert len(state.topics["t"].seen) <= 64
    assert len(state.backoffs) <= 8
    assert all(len(peer.topics) <= state.parameters.caps.topics_max for peer in state.peers.values())


def _settle(state: State, effects: list[Effect], now: float) -> None:
    for effect in effects:
        if isinstance(effect, More):
            _settle(state, step(state, Resumed(effect.peer), now), now)


def _identify(data: bytes) -> None:
    described = identify.decode(data)
    assert identify.decode(described.encode()) == described


def _record(data: bytes) -> None:
    peer_record.read(data)


def _record_inside(data: bytes) -> None:
    """A record whose signature is good, whatever it holds."""
    sealed = envelope.seal(ME, "libp2p-peer-record", b"\x03\x01", data)
    assert peer_record.read(sealed).peer == ME.peer_id


def _announcement(data: bytes) -> None:
    rules = announcement.Rules(lambda: NOW, lambda peer: None)
    if not isinstance(glance(rules, data), bytes):
        return
    assert verify(rules, data).verdict is not Verdict.IGNORE


def _announcement_inside(data: bytes) -> None:
    """An announcement whose signature is good, whatever it holds."""
    payload = items.sign(ME, announcement.TOPIC, data[: items.BODY_BYTES_MAX], NOW + announcement.LIFE_SECONDS)
    said = announcement.check(payload)
    for address in said.addresses:
        may_be_taken(address, "192.168.1.1", ())
        assert Multiaddr.parse(str(address)) == address
    worth_telling(said.addresses)


def _item(data: bytes) -> None:
    items.read(data)
    assert not items.is_signed("t", data)


def _multiaddr(data: bytes) -> None:
    address = Multiaddr.decode(data)
    assert address.encode() == data
    assert Multiaddr.parse(str(address)) == address


def _multiaddr_text(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    address = Multiaddr.parse(text)
    assert Multiaddr.decode(address.encode()) == address


def _peer_id(data: bytes) -> None:
    peer = PeerId.parse(data.decode("utf-8", "replace"))
    assert PeerId.parse(str(peer)) == peer
    assert PeerId.of_bytes(bytes(peer)) == peer


def _book(data: bytes) -> None:
    book = PeerBook.decode(ME.peer_id, data)
    PeerBook.decode(ME.peer_id, book.encode())


def _bans(data: bytes) -> None:
    PeerBook(ME.peer_id).decode_bans(data)


def _message(data: bytes) -> None:
    decode(data, Message)  # type: ignore[arg-type]  # a union


def _wanted(data: bytes) -> None:
    check_wanted(decode(data, Wanted))


def _signed_report(data: bytes) -> None:
    decode(data, SignedReport)


def _sync_request(data: bytes) -> None:
    """A request, and its answer from a shelf."""
    request = sync_messages.read_request(data)
    answered = sync.answer({"t": _SHELF}, request)
    assert sync_messages.read_answer(sync_messages.encode(answered)) == answered
    assert sync.cost({"t": _SHELF}, request) > 0


def _sync_answer(data: bytes) -> None:
    sync_messages.read_answer(data)


def _negentropy(data: bytes) -> None:
    """A message decodes to itself, can be answered, and an asker can go on with it."""
    reconciling.answer(_SHELF.index, data)
    reconciling.proceed(_SHELF.index, data, reconciling.Differences())
    ranges = negentropy.decode(data)
    again = negentropy.decode(negentropy.encode(ranges))
    assert [each for each in again if not each.is_skipped] == [each for each in ranges if not each.is_skipped]


def _hop(data: bytes) -> None:
    said = relay_messages.read_hop(data)
    assert relay_messages.read_hop(said.encode()) == said


def _stop(data: bytes) -> None:
    said = relay_messages.read_stop(data)
    assert relay_messages.read_stop(said.encode()) == said


def _autonat(data: bytes) -> None:
    peer, addresses = autonat.read_request(data)
    if peer is not None:
        assert autonat.read_request(autonat.encode_request(peer, addresses)) == (peer, addresses)
    autonat.read_answer(data)


def _hole(data: bytes) -> None:
    holes.read(data)


def _mdns(data: bytes) -> None:
    try:
        mdns.asks(data)
    except PeerFault:
        mdns.told(data)
    else:
        mdns.told(data)


def _natpmp(data: bytes) -> None:
    for read in (natpmp.read_address, natpmp.read_mapping):
        try:
            read(data)
        except (PeerFault, Unavailable):
            continue


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "announcement": _announcement,
    "announcement_inside": _announcement_inside,
    "autonat": _autonat,
    "bans": _bans,
    "book": _book,
    "framing": _framing,
    "gossip_rpc": _gossip_rpc,
    "hole": _hole,
    "hop": _hop,
    "identify": _identify,
    "item": _item,
    "mdns": _mdns,
    "message": _message,
    "multiaddr": _multiaddr,
    "multiaddr_text": _multiaddr_text,
    "multistream": _multistream,
    "natpmp": _natpmp,
    "negentropy": _negentropy,
    "noise": _noise,
    "payload": _payload,
    "peer_id": _peer_id,
    "protobuf": _protobuf,
    "record": _record,
    "record_inside": _record_inside,
    "router": _router,
    "signed_report": _signed_report,
    "stop": _stop,
    "sync_answer": _sync_answer,
    "sync_request": _sync_request,
    "upgrade": _upgrade,
    "varint": _varint,
    "wanted": _wanted,
    "yamux": _yamux,
}


def run(name: str, data: bytes) -> None:
    """Feed bytes to a target. What it raises is a finding."""
    try:
        TARGETS[name](data)
    except ThalwegError as error:
        if isinstance(error, InvariantBroken):
            raise
