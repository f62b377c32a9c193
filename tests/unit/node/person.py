"""A node stepped by hand, and two of them on their way to a channel."""

import msgspec

from thalweg.channel.effects import Authorize, Effect, SendMessage
from thalweg.channel.events import (
    AcceptRequested,
    AnyEvent,
    DigestSigned,
    FundingAuthorized,
    LinkUp,
    MessageReceived,
    OpenRequested,
    Policy,
)
from thalweg.channel.hashes import opening_nonce
from thalweg.channel.messages import ChannelAccepted, ChannelProposed, Hello, Message
from thalweg.channel.onchain import Pull
from thalweg.channel.terms import Terms
from thalweg.codec import Domain
from thalweg.crypto import address_of, sign
from thalweg.node.state import Identity, Node
from thalweg.node.step import step
from thalweg.testing.keys import key_of
from thalweg.testing.table import CHAIN_ID, CONTRACT, NOW, Table
from thalweg.units import Amount, ChannelId, Hash, UnixSeconds

SEPARATOR = Domain(CHAIN_ID, CONTRACT).separator()
POLICY = Policy(undecided_max=(Amount(10**9),))
DEADLINE = UnixSeconds(NOW + 300)


class Person:
    """A node, stepped by hand; what it wants done is kept in `effects`."""

    def __init__(self, name: str) -> None:
        self.key, self.wallet = key_of(0, name), key_of(0, f"{name} wallet")
        self.peer = name.encode()
        self.address, self.payer = address_of(self.key.public_key), address_of(self.wallet.public_key)
        self.node = Node(Identity(self.peer, self.address, self.address, self.payer, CHAIN_ID, CONTRACT, SEPARATOR))
        self.effects: list[Effect] = []

    def step(self, event: AnyEvent) -> None:
        self.node, more = step(self.node, event)
        self.effects.extend(more)

    def hear(self, source: "Person", message: Message) -> None:
        self.step(MessageReceived(NOW, source.peer, message))

    def said(self, kind: type[Message]) -> list[Message]:
        return [
            item.message for item in self.effects if isinstance(item, SendMessage) and isinstance(item.message, kind)
        ]

    def hello(self, other: "Person") -> Hello:
        """Return what this person says first on a link."""
        after, effects = step(self.node, LinkUp(NOW, other.peer))
        (wanted,) = effects
        signature = sign(self.key, wanted.digest)  # type: ignore[union-attr]
        _, sends = step(after, DigestSigned(NOW, ChannelId(b""), wanted.subject, signature))  # type: ignore[union-attr]
        (send,) = sends
        assert isinstance(send, SendMessage)
        assert isinstance(send.message, Hello)
        return send.message


def met() -> tuple[Person, Person]:
    alice, bob = Person("alice"), Person("bob")
    alice.hear(bob, bob.hello(alice))
    bob.hear(alice, alice.hello(bob))
    return alice, bob


def terms_of(*people: Person) -> Terms:
    addresses = tuple(person.address for person in people)
    nonce = opening_nonce(0, tuple(person.payer for person in people))
    return msgspec.structs.replace(Table().terms, participants=addresses, payouts=addresses, nonce=nonce)


def request(*people: Person, policy: Policy = POLICY) -> OpenRequested:
    return OpenRequested(
        now=NOW,
        request="open",
        terms=terms_of(*people),
        amounts=(Amount(100),) * len(people),
        payers=tuple(person.payer for person in people),
        peers=tuple(person.peer for person in people),
        deadline=DEADLINE,
        secret=Hash(bytes(32)),
        policy=policy,
    )


def authorized(person: Person, *, error: str = "") -> FundingAuthorized:
    (asked,) = [effect for effect in person.effects if isinstance(effect, Authorize)]
    signature = sign(person.wallet, asked.digest)
    return FundingAuthorized(NOW, asked.channel_id, signature, (Pull(),), error)


def proposed() -> tuple[Person, Person]:
    alice, bob = met()
    alice.step(request(alice, bob))
    (message,) = alice.said(ChannelProposed)
    bob.hear(alice, message)
    return alice, bob


def accepted() -> tuple[Person, Person]:
    alice, bob = proposed()
    (channel_id,) = bob.node.openings
    bob.step(AcceptRequested(NOW, channel_id, POLICY))
    bob.step(authorized(bob))
    return alice, bob


def opened() -> tuple[Person, Person]:
    alice, bob = accepted()
    (message,) = bob.said(ChannelAccepted)
    alice.hear(bob, message)
    alice.step(authorized(alice))
    return alice, bob
