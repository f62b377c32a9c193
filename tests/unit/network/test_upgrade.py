"""The way from a connection to a link: both honest ends over any split of the bytes, and every kind of hostile end."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from thalweg.errors import PeerFault, Reason, ThalwegError, Unavailable
from thalweg.network import multistream, protobuf, secure, yamux
from thalweg.network.noise import Handshake
from thalweg.network.peer_id import Identity, PeerId
from thalweg.network.secure import Credentials, FrameReader, frame, identity_payload, verify_payload
from thalweg.network.upgrade import Upgrade, Upgraded

ALICE = Credentials(Identity(b"a" * 32), X25519PrivateKey.from_private_bytes(b"1" * 32))
BOB = Credentials(Identity(b"b" * 32), X25519PrivateKey.from_private_bytes(b"2" * 32))
MALLORY = Credentials(Identity(b"m" * 32), X25519PrivateKey.from_private_bytes(b"3" * 32))
BYTES_MAX = 16 * 1024


def welcome(peer: PeerId) -> None:
    assert len(peer) == 38


def upgrade(
    credentials: Credentials,
    *,
    dialer: bool,
    expected: PeerId | None = None,
    admit: Callable[[PeerId], None] = welcome,
    bytes_max: int = BYTES_MAX,
) -> Upgrade:
    return Upgrade(credentials, dialer=dialer, expected=expected, admit=admit, bytes_max=bytes_max)


def meet(dialer: Upgrade, listener: Upgrade, piece: int = BYTES_MAX) -> tuple[Upgraded, Upgraded]:
    """Carry bytes between both, `piece` at a time, until nothing moves."""
    to_listener, to_dialer = dialer.start(), listener.start()
    while to_listener or to_dialer:
        part, to_listener = to_listener[:piece], to_listener[piece:]
        to_dialer += listener.feed(part)
        part, to_dialer = to_dialer[:piece], to_dialer[piece:]
        to_listener += dialer.feed(part)
    assert dialer.result is not None
    assert listener.result is not None
    return dialer.result, listener.result


@given(st.integers(1, 400))
def test_both_ends_know_each_other_however_the_bytes_are_split(piece: int) -> None:
    dialed, listened = meet(
        upgrade(ALICE, dialer=True, expected=BOB.identity.peer_id), upgrade(BOB, dialer=False), piece
    )
    assert dialed.peer == BOB.identity.peer_id
    assert listened.peer == ALICE.identity.peer_id
    assert listened.opener.feed(dialed.sealer.seal(b"to bob")) == [b"to bob"]
    assert dialed.opener.feed(listened.sealer.seal(b"to alice")) == [b"to alice"]


def test_yamux_bytes_in_one_piece_with_its_agreement_are_handed_on() -> None:
    dialer, listener = upgrade(ALICE, dialer=True), upgrade(BOB, dialer=False)
    answer = listener.feed(dialer.start())
    answer = listener.feed(dialer.feed(answer))
    echo = listener.feed(dialer.feed(answer))
    assert listener.result is not None
    dialer.feed(echo + listener.result.sealer.seal(b"first frame"))
    assert dialer.result is not None
    assert dialer.result.rest == b"first frame"


def test_somebody_else_than_the_peer_dialled_is_refused() -> None:
    dialer = upgrade(ALICE, dialer=True, expected=BOB.identity.peer_id)
    with pytest.raises(PeerFault, match="answered") as caught:
        meet(dialer, upgrade(MALLORY, dialer=False))
    assert caught.value.reason is Reason.WRONG_SIGNER


def forged(payload: bytes) -> Credentials:
    credentials = Credentials(MALLORY.identity, MALLORY.static)
    credentials.payload = payload
    return credentials


STATIC = MALLORY.static.public_key().public_bytes_raw()
SIGNATURE = MALLORY.identity.sign(b"noise-libp2p-static-key:" + STATIC)
FORGERIES = {
    "another's key": (identity_payload(BOB.identity.public_key, SIGNATURE), Reason.WRONG_SIGNER),
    "another's whole payload": (BOB.payload, Reason.WRONG_SIGNER),
    "no prefix signed": (
        identity_payload(MALLORY.identity.public_key, MALLORY.identity.sign(STATIC)),
        Reason.WRONG_SIGNER,
    ),
    "cut signature": (identity_payload(MALLORY.identity.public_key, SIGNATURE[:-1]), Reason.WRONG_SIGNER),
    "no signature": (protobuf.bytes_field(1, MALLORY.identity.public_key), Reason.MALFORMED),
    "numbers for bytes": (protobuf.number_field(1, 1) + protobuf.number_field(2, 1), Reason.MALFORMED),
    "an RSA key": (identity_payload(b"\x08\x00\x12\x20" + bytes(32), SIGNATURE), Reason.MALFORMED),
    "empty": (b"", Reason.MALFORMED),
    "garbage": (b"\xff" * 50, Reason.MALFORMED),
}


@pytest.mark.parametrize("name", FORGERIES)
@pytest.mark.parametrize("mallory_dials", [True, False])
def test_a_forged_identity_is_refused_by_either_end(name: str, mallory_dials: bool) -> None:
    payload, reason = FORGERIES[name]
    honest, mallory = upgrade(ALICE, dialer=not mallory_dials), upgrade(forged(payload), dialer=mallory_dials)
    with pytest.raises(PeerFault) as caught:
        meet(mallory, honest) if mallory_dials else meet(honest, mallory)
    assert caught.value.reason is reason
    assert honest.result is None


def test_a_proven_identity_is_taken() -> None:
    assert verify_payload(identity_payload(MALLORY.identity.public_key, SIGNATURE), STATIC) == MALLORY.identity.peer_id


@pytest.mark.parametrize("refusing_dials", [True, False])
def test_a_peer_that_is_not_admitted_gets_no_link(refusing_dials: bool) -> None:
    refusal = Unavailable(Reason.LIMIT, "full")

    def refuse(peer: PeerId) -> None:
        raise refusal

    refusing, other = upgrade(ALICE, dialer=refusing_dials, admit=refuse), upgrade(BOB, dialer=not refusing_dials)
    with pytest.raises(Unavailable) as caught:
        meet(refusing, other) if refusing_dials else meet(other, refusing)
    assert caught.value is refusal
    assert refusing.result is None
    assert other.result is None  # a dialer that refuses never shows itself


def test_a_handshake_that_takes_too_many_bytes_is_cut_off() -> None:
    listener = upgrade(BOB, dialer=False, bytes_max=100)
    listener.feed(multistream.line(multistream.HEADER))
    with pytest.raises(PeerFault) as caught:
        listener.feed(bytes(100))
    assert caught.value.reason is Reason.OVERSIZED


def test_a_peer_without_noise_is_refused_by_name() -> None:
    dialer = upgrade(ALICE, dialer=True)
    dialer.start()
    with pytest.raises(Unavailable, match="/noise"):
        dialer.feed(multistream.line(multistream.HEADER) + multistream.line("na"))


def test_a_peer_without_yamux_is_refused_by_name() -> None:
    dialer = upgrade(ALICE, dialer=True)
    noise = Handshake(initiator=False, static=BOB.static, ephemeral=X25519PrivateKey.generate())
    sent = dialer.start() + dialer.feed(multistream.line(multistream.HEADER) + multistream.line(secure.PROTOCOL))
    noise.read(FrameReader().feed(sent[len(dialer.start()) :])[0])
    third = FrameReader().feed(dialer.feed(frame(noise.write(BOB.payload))))[0]
    noise.read(third)
    send, _ = noise.split()
    refusal = send.encrypt(multistream.line(multistream.HEADER) + multistream.line("na"))
    with pytest.raises(Unavailable, match=yamux.PROTOCOL):
        dialer.feed(frame(refusal))


@given(st.binary(max_size=400), st.booleans(), st.integers(0, 3))
def test_garbage_at_any_stage_is_refused_and_raises_nothing_else(garbage: bytes, dials: bool, steps: int) -> None:
    end, honest = upgrade(ALICE, dialer=dials), upgrade(BOB, dialer=not dials)
    to_honest, to_end = end.start(), honest.start()
    for _ in range(steps):
        to_end += honest.feed(to_honest)
        to_honest, to_end = end.feed(to_end), b""
    if end.result is not None:
        return
    try:
        end.feed(garbage)
        end.feed(b"\0\0" + garbage)
    except ThalwegError:
        assert end.result is None


def test_frames_are_cut_however_they_arrive() -> None:
    sent = frame(b"one") + frame(b"") + frame(b"x" * 65535)
    for piece in (1, 2, 3, 7, 1000, len(sent)):
        reader, read = FrameReader(), []
        for start in range(0, len(sent), piece):
            read += reader.feed(sent[start : start + piece])
        assert read == [b"one", b"", b"x" * 65535]
        assert reader.take() == b""
