"""A participant who cheats: she runs the production engine, and lies through its ports.

She signs anything, keeps every state she ever held complete, withholds countersignatures, twists, repeats and floods
messages, and shows old states to the chain. What she cannot do is forge others' signatures.
"""

import random
from collections.abc import Callable
from typing import Any, Final

import msgspec

from thalweg.channel import hashes
from thalweg.channel.events import DepositRequested
from thalweg.channel.messages import Message, StateCountersigned
from thalweg.channel.onchain import Call, ChallengeState, RespondState, Shown
from thalweg.channel.state import Agreed, Channel
from thalweg.crypto import sign
from thalweg.errors import InvariantBroken
from thalweg.node.engine import Engine
from thalweg.node.ports import Signer
from thalweg.testing.disk import SimSigner
from thalweg.testing.participant import Participant, Surroundings
from thalweg.units import Amount, AssetIndex, ChannelId, Hash, Signature, UnixSeconds, Version

FLOOD: Final = 40
OLD_MAX: Final = 400  # messages and states she keeps
DEPOSIT_MAX: Final = 10**13  # far more than anybody else has in a channel
VALID_S: Final = 600
_decode = msgspec.json.Decoder(Message).decode


class LooseSigner(SimSigner):
    """Signs whatever is asked, as often as it is asked."""

    def sign_state(self, channel_id: ChannelId, version: Version, digest: Hash) -> Signature:
        """Sign a state, whatever was signed before."""
        return self.sign_digest(digest)


class Mallory(Participant):
    """See above. `rates` are per mille of messages; `strike` is one tick's attempt at something."""

    is_honest = False

    def __init__(self, name: str, around: Surroundings, skew_s: int, rng: random.Random) -> None:
        super().__init__(name, around, skew_s)
        self._mischief = rng
        self._withholds = rng.choice((0, 0, 100, 400, 1000))
        self._twists = rng.choice((0, 20, 100))
        self._repeats = rng.choice((0, 20))
        self._challenges = rng.choice((0, 3, 10))
        self._deposits = rng.choice((0, 0, 50))  # which a reorganisation may undo: she does not send them again
        self._sent: list[tuple[bytes, bytes]] = []
        self._held: dict[ChannelId, list[Agreed]] = {}
        self.is_good = False

    def repent(self, *, is_gone: bool) -> None:
        """Stop cheating: behave from now on, or never be heard of again."""
        self.is_good = True
        if is_gone:
            self.stop()

    def strike(self) -> None:
        """Do one tick's mischief."""
        if self.is_good or not self.is_up:
            return
        if self._sent and self._mischief.randrange(1000) < self._repeats:
            peer, message = self._mischief.choice(self._sent)
            for _ in range(self._mischief.choice((1, 1, FLOOD))):
                self._around.network.send(self.peer, peer, message)
        for channel in tuple(self.channels.values()):
            if self._mischief.randrange(1000) < self._deposits:
                until = UnixSeconds(self.now + VALID_S)
                amount = Amount(self._mischief.randint(1, DEPOSIT_MAX))
                self.request(DepositRequested(self.now, "bait", channel.id, AssetIndex(0), amount, until))
            if self._held.get(channel.id) and self._mischief.randrange(1000) < self._challenges:
                self._challenge(channel)

    def _signer(self) -> Signer:
        return LooseSigner(self._key, self.disk, self._on_signed)

    def _run(self, action: Callable[[Engine], None], *, is_last: bool = True) -> None:
        """As everybody; but what she has done to her own node may stop it, and she starts it again."""
        try:
            super()._run(action, is_last=is_last)
        except InvariantBroken:
            self.stop()
        for channel in self.channels.values():
            held = self._held.setdefault(channel.id, [])
            if channel.agreed.version and (not held or held[-1].version != channel.agreed.version):
                self._held[channel.id] = [*held, channel.agreed][-OLD_MAX:]

    def queue(self, peer: bytes, message: bytes) -> None:
        """Send a message, or do something else."""
        if self.is_good:
            super().queue(peer, message)
            return
        self._sent = [*self._sent, (peer, message)][-OLD_MAX:]
        rng = self._mischief
        if isinstance(_decode(message), StateCountersigned) and rng.randrange(1000) < self._withholds:
            return
        if rng.randrange(1000) < self._twists:
            message = twist(message, rng)
        super().queue(peer, message)

    def submit(self, tag: str, call: Call) -> None:
        """Send a call to the chain; an answer to her own lie she keeps back."""
        if self.is_good or not isinstance(call, RespondState):
            super().submit(tag, call)

    def _challenge(self, channel: Channel) -> None:
        """Start a dispute with any state she ever held complete, or with none."""
        old = self._mischief.choice(self._held[channel.id])
        shown = Shown(old.state, old.signatures)
        until = UnixSeconds(self.now + VALID_S)
        ledger = self._around.chain.head.ledger
        digest = hashes.challenge_digest(ledger.separator, channel.id, old.version, until)
        call = ChallengeState(channel.terms, shown, channel.seat, until, sign(self._key, digest))
        self._around.chain.send(self.payer, call)


def twist(message: bytes, rng: random.Random) -> bytes:
    """Return a message that is a little wrong: one value somewhere in it is another, or it is cut short."""
    if rng.randrange(8) == 0:
        return message[: rng.randrange(len(message))]
    tree = msgspec.json.decode(message)
    places: list[tuple[Any, Any]] = []
    _collect(tree, places)
    holder, key = rng.choice(places)
    holder[key] = _other(holder[key], rng)
    return msgspec.json.encode(tree)


def _collect(node: Any, places: list[tuple[Any, Any]]) -> None:
    keys = node.keys() if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        if key != "type":
            places.append((node, key))
            _collect(node[key], places)


def _other(value: Any, rng: random.Random) -> Any:
    """Return a value of the same kind that is not the same."""
    match value:
        case bool():
            return not value
        case int():
            return rng.choice((value + 1, value - 1, -value, 0, 2**64, 2**256, value + 2**40))
        case str() if value:
            at = rng.randrange(len(value))
            return value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :]
        case list() if value:
            return rng.choice((value[:-1], value + value[:1], value[::-1]))
        case _:
            return None
