"""Node announcements: what a node says about itself to everybody, signed by both of its keys. Sans-IO.

An announcement is a signed item (`items.py`) in `TOPIC`: the network key signs addresses, features, roles and the name
of the channel key; the channel key signs the network key (EIP-712, so on one chain and contract). Neither can be
claimed by somebody else. Of two announcements of a node the one that expires later counts.
"""

from collections.abc import Callable
from typing import Annotated, Final

import msgspec

from thalweg.codec import Domain, digest, type_hash, words
from thalweg.crypto import SIGNATURE_BYTES, keccak, recover
from thalweg.errors import PeerFault, Reason, UserFault
from thalweg.network import items
from thalweg.network.gossip.validation import ACCEPTED, Judgement, Verdict
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import Identity, PeerId
from thalweg.units import Address, Hash

TOPIC: Final = "thalweg/nodes/1"
LIFE_SECONDS: Final = 24 * 3600.0
RENEW_SECONDS: Final = 20 * 60.0  # how often a node says that it is still there
RENEW_SECONDS_MIN: Final = 5.0  # others ignore what comes sooner: a change of address is soon, a flood is not
FRESH_SECONDS: Final = 10 * 60.0  # what is older is not passed on: an author has not a day's worth to say at once
ADDRESSES_MAX: Final = 16
ADDRESS_LETTERS_MAX: Final = 300
WORDS_MAX: Final = 16  # features, roles
WORD_LETTERS_MAX: Final = 32
AGENT_LETTERS_MAX: Final = 64
BODY_BYTES_MAX: Final = 4096
_BINDING: Final = type_hash("NodeBinding(bytes32 networkKey)")

_Word = Annotated[str, msgspec.Meta(min_length=1, max_length=WORD_LETTERS_MAX, pattern=r"^[a-z0-9/.-]*\Z")]
_Words = Annotated[tuple[_Word, ...], msgspec.Meta(max_length=WORDS_MAX)]


class Binding(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A channel key, where it signs, and its signature over the network key."""

    chain_id: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    contract: Annotated[bytes, msgspec.Meta(min_length=20, max_length=20)]
    channel_key: Annotated[bytes, msgspec.Meta(min_length=20, max_length=20)]
    signature: Annotated[bytes, msgspec.Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]


class Node(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, kw_only=True):
    """What a node says. `roles`: "relay", "oracle", "maker"; `features`: protocols beyond what every node speaks."""

    addresses: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=ADDRESS_LETTERS_MAX)], ...], msgspec.Meta(max_length=ADDRESSES_MAX)
    ] = ()
    features: _Words = ()
    roles: _Words = ()
    agent: Annotated[str, msgspec.Meta(max_length=AGENT_LETTERS_MAX, pattern=r"^[ -~]*\Z")] = ""
    binding: Binding | None = None


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """An announcement as checked."""

    peer: PeerId
    expires_at: float  # seconds since 1970
    addresses: tuple[Multiaddr, ...]
    features: tuple[str, ...]
    roles: tuple[str, ...]
    agent: str
    channel_key: Address | None
    payload: bytes


def binding_digest(network_key: bytes, chain_id: int, contract: Address) -> Hash:
    """Return what the channel key signs."""
    return digest(Domain(chain_id, contract).separator(), keccak(words((_BINDING, network_key))))


def bind(
    network_key: bytes, chain_id: int, contract: Address, channel_key: Address, sign: Callable[[Hash], bytes]
) -> Binding:
    """Return the channel key's statement that this network key is its node's."""
    return Binding(chain_id, contract, channel_key, sign(binding_digest(network_key, chain_id, contract)))


def announce(identity: Identity, node: Node, now: float) -> bytes:
    """Return a signed announcement."""
    return items.sign(identity, TOPIC, _ENCODER.encode(node), now + LIFE_SECONDS)


def read(payload: bytes) -> Announcement:
    """Parse an announcement and check everything but the network key's signature.

    Raises:
        PeerFault: MALFORMED; OVERSIZED; WRONG_SIGNER, the channel key did not sign the network key.
    """
    item = items.read(payload)
    if len(item.body) > BODY_BYTES_MAX:
        raise PeerFault(Reason.OVERSIZED, f"an announcement of {len(item.body)} bytes")
    try:
        node = _DECODER.decode(item.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PeerFault(Reason.MALFORMED, f"an announcement: {error}") from error
    if _ENCODER.encode(node) != item.body:
        raise PeerFault(Reason.MALFORMED, "an announcement is not in its one form")
    peer = PeerId.of_key(item.author)
    return Announcement(
        peer=peer,
        expires_at=item.expires_at,
        addresses=_addresses(node.addresses, peer),
        features=node.features,
        roles=node.roles,
        agent=node.agent,
        channel_key=_channel_key(node.binding, item.author),
        payload=payload,
    )


def check(payload: bytes) -> Announcement:
    """Parse an announcement and check everything.

    Raises:
        PeerFault: as `read`; WRONG_SIGNER, it is forged.
    """
    announcement = read(payload)
    if not items.is_signed(TOPIC, payload):
        raise PeerFault(Reason.WRONG_SIGNER, f"an announcement of {announcement.peer} is forged")
    return announcement


def is_current(announcement: Announcement, now: float) -> bool:
    """Say whether an announcement counts now: not out of date, and not from so far ahead that no later one counts."""
    slack = items.CLOCK_SLACK_SECONDS
    return -slack < announcement.expires_at - now < LIFE_SECONDS + slack


def _addresses(texts: tuple[str, ...], peer: PeerId) -> tuple[Multiaddr, ...]:
    """Return the addresses of kinds we know; others are no fault."""
    known: list[Multiaddr] = []
    for text in texts:
        try:
            address = Multiaddr.parse(text)
        except UserFault:
            continue
        if address.peer not in (None, peer):
            raise PeerFault(Reason.MALFORMED, f"{peer} announces an address of {address.peer}")
        known.append(address.to(peer))
    return tuple(known)


def _channel_key(binding: Binding | None, network_key: bytes) -> Address | None:
    if binding is None:
        return None
    signed = binding_digest(network_key, binding.chain_id, Address(binding.contract))
    if recover(signed, binding.signature) != binding.channel_key:
        raise PeerFault(Reason.WRONG_SIGNER, "the channel key did not sign the network key")
    return Address(binding.channel_key)


class Rules:
    """The validator of announcements: `known` says until when the newest announcement of a peer counts."""

    payload_bytes_max = BODY_BYTES_MAX + 256

    def __init__(self, clock: Callable[[], float], known: Callable[[PeerId], float | None]) -> None:
        self._items = items.ItemRules(TOPIC, clock)
        self._clock = clock
        self._known = known

    def glance(self, payload: bytes) -> bytes | Judgement:
        """Check form and time, and whether it is news."""
        author = self._items.glance(payload)
        if isinstance(author, Judgement):
            return author
        item = items.read(payload)
        age = self._clock() + LIFE_SECONDS - item.expires_at
        if age < -items.CLOCK_SLACK_SECONDS:
            return Judgement(Verdict.IGNORE, Reason.NOT_YET, "an announcement from the future")
        if age > FRESH_SECONDS + items.CLOCK_SLACK_SECONDS:
            return Judgement(Verdict.IGNORE, Reason.EXPIRED, "an old announcement; who needs it asks for it")
        known = self._known(PeerId.of_key(author))
        if known is not None and item.expires_at < known + RENEW_SECONDS_MIN:
            return Judgement(Verdict.IGNORE, Reason.STALE_VERSION, "a newer announcement is known")
        return author

    def verify(self, payload: bytes) -> Judgement:
        """Check both signatures."""
        check(payload)
        self._items.passed(payload)
        return ACCEPTED


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Node)
