"""The Noise handshake against published vectors, and both against every kind of tampering."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from thalweg.errors import InvariantBroken, PeerFault
from thalweg.network.noise import Handshake

VECTORS = Path(__file__).parents[2] / "vectors" / "noise_xx_25519_chachapoly_sha256.json"


def key(text: str) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(bytes.fromhex(text))


def ends(vector: dict[str, Any]) -> tuple[Handshake, Handshake]:
    prologue = bytes.fromhex(vector["prologue"])
    initiator = Handshake(
        initiator=True,
        static=key(vector["init_static"]),
        ephemeral=key(vector["gen_init_ephemeral"]),
        prologue=prologue,
    )
    responder = Handshake(
        initiator=False,
        static=key(vector["resp_static"]),
        ephemeral=key(vector["gen_resp_ephemeral"]),
        prologue=prologue,
    )
    return initiator, responder


def fresh(*, initiator: bool) -> Handshake:
    return Handshake(initiator=initiator, static=X25519PrivateKey.generate(), ephemeral=X25519PrivateKey.generate())


@pytest.mark.parametrize("vector", json.loads(VECTORS.read_text())["vectors"])
def test_every_byte_of_the_published_vectors_is_met(vector: dict[str, Any]) -> None:
    initiator, responder = ends(vector)
    messages = [{name: bytes.fromhex(value) for name, value in m.items()} for m in vector["messages"]]
    for message, (sender, receiver) in zip(
        messages[:3], [(initiator, responder), (responder, initiator), (initiator, responder)], strict=True
    ):
        assert sender.write(message["payload"]) == message["ciphertext"]
        assert receiver.read(message["ciphertext"]) == message["payload"]
    assert initiator.finished
    assert responder.finished
    assert initiator.hash == responder.hash
    assert responder.remote_static == key(vector["init_static"]).public_key().public_bytes_raw()
    to_responder, from_responder = initiator.split()
    to_initiator, from_initiator = responder.split()
    assert to_responder.encrypt(messages[3]["payload"]) == messages[3]["ciphertext"]
    assert from_initiator.decrypt(messages[3]["ciphertext"]) == messages[3]["payload"]
    assert to_initiator.encrypt(messages[4]["payload"]) == messages[4]["ciphertext"]
    assert from_responder.decrypt(messages[4]["ciphertext"]) == messages[4]["payload"]


def test_another_prologue_fails() -> None:
    vector = json.loads(VECTORS.read_text())["vectors"][0]
    initiator, _ = ends(vector)
    _, responder = ends({**vector, "prologue": "00"})
    responder.read(initiator.write(b""))
    with pytest.raises(PeerFault):
        initiator.read(responder.write(b""))


@pytest.mark.parametrize("flipped", [0, 31, 32, 79, 80, 95, 96])
def test_a_changed_bit_in_the_second_message_is_noticed(flipped: int) -> None:
    initiator, responder = fresh(initiator=True), fresh(initiator=False)
    responder.read(initiator.write(b""))
    message = bytearray(responder.write(b"a"))
    message[flipped] ^= 1
    with pytest.raises(PeerFault):
        initiator.read(bytes(message))


@pytest.mark.parametrize("size", [0, 31])
def test_a_truncated_first_message_is_refused(size: int) -> None:
    with pytest.raises(PeerFault, match="truncated"):
        fresh(initiator=False).read(bytes(size))


def test_a_key_of_low_order_is_refused() -> None:
    responder = fresh(initiator=False)
    responder.read(bytes(32))
    with pytest.raises(PeerFault, match="low order"):
        responder.write(b"")


def test_messages_out_of_turn_are_our_bug() -> None:
    with pytest.raises(InvariantBroken):
        fresh(initiator=False).write(b"")
    with pytest.raises(InvariantBroken):
        fresh(initiator=True).read(bytes(32))
    with pytest.raises(InvariantBroken):
        fresh(initiator=True).split()


def test_a_replayed_lost_or_reordered_message_does_not_authenticate() -> None:
    initiator, responder = fresh(initiator=True), fresh(initiator=False)
    responder.read(initiator.write(b""))
    initiator.read(responder.write(b""))
    responder.read(initiator.write(b""))
    send, _ = initiator.split()
    _, receive = responder.split()
    first, second = send.encrypt(b"1"), send.encrypt(b"2")
    assert receive.decrypt(first) == b"1"
    with pytest.raises(PeerFault):
        receive.decrypt(first)
    with pytest.raises(PeerFault):
        receive.decrypt(second)  # the failed one has used up its nonce: the session is dead
