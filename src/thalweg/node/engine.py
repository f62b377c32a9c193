"""The loop around the core: append the event to the journal, step, commit, run the effects, feed the results back.

Synchronous and without threads, so that production and the simulator run the very same code. Whoever owns it calls
`receive` with what happened and `pump` soon after; everything received in between shares one commit. No effect runs
before the events that led to it are durable. The two signing events are the exception that needs no waiting: after a
crash the same effect gives the same signature again (RFC 6979, and the signer's own mark). What they lead to beyond
words waits for the disk like everything else. An event that changes nothing is not written down.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from thalweg.channel.agreeing import signed_messages
from thalweg.channel.effects import (
    Authorize,
    Disconnect,
    Effect,
    Notify,
    SendMessage,
    SetTimer,
    SignDigest,
    SignState,
    Submit,
    Watch,
)
from thalweg.channel.events import (
    DERIVABLE,
    AnyEvent,
    DigestSigned,
    LinkDown,
    LinkUp,
    MessageReceived,
    SignedMark,
    Started,
    StateSigned,
    TimerFired,
)
from thalweg.channel.messages import DETAIL_MAX, Goodbye, Hello, Message
from thalweg.errors import InvariantBroken, PeerFault, Reason, UserFault
from thalweg.node.ports import Chain, Clock, Journal, Mark, Network, Signer, Wallet
from thalweg.node.state import Node, restore, snapshot
from thalweg.node.step import step
from thalweg.units import ChannelId, Signature, UnixSeconds

INBOX_MAX: Final = 16_384
GROUP_MAX: Final = 512  # events that share one commit
ENTRIES_MAX: Final = 20_000  # in the journal before it is compacted
ENTRIES_BYTES_MAX: Final = 64 * 2**20  # the same, in bytes

_decode_message = msgspec.json.Decoder(Message).decode
_decode_event = msgspec.json.Decoder(AnyEvent).decode
_encode = msgspec.json.Encoder().encode


class Tail(NamedTuple):
    """What follows the newest snapshot of a journal."""

    entries: int = 0
    size_bytes: int = 0

    def plus(self, entries: Iterable[bytes]) -> "Tail":
        """Return the tail with more entries."""
        sizes = [len(entry) for entry in entries]
        return Tail(self.entries + len(sizes), self.size_bytes + sum(sizes))


def replay(journal: Journal, empty: Node) -> tuple[Node, Tail]:
    """Return the node as the journal tells it, and what follows the journal's snapshot.

    Raises:
        InvariantBroken: an entry does not fit: the journal is of another version, or not ours.
    """
    data = journal.snapshot()
    node = empty if data is None else restore(data)
    tail = Tail()
    for entry in journal.entries():
        try:
            node = step(node, _decode_event(entry)).node
        except (msgspec.DecodeError, PeerFault, UserFault) as error:
            where = f"journal entry {tail.entries} after the snapshot"
            raise InvariantBroken(f"{where} cannot be replayed: {error}") from error
        tail = tail.plus([entry])
    return node, tail


def _entry(event: AnyEvent) -> bytes:
    """Return an event as the journal keeps it.

    Raises:
        UserFault: MALFORMED, for what could not be read back: the caller left a member's limits.
    """
    entry = _encode(event)
    if not isinstance(event, MessageReceived):  # that was decoded just now
        try:
            _decode_event(entry)
        except msgspec.DecodeError as error:
            raise UserFault(Reason.MALFORMED, str(error)) from error
    return entry


def _only_tells(effect: Effect) -> bool:
    """Say whether an effect does no more than tell of a signature that could be had again."""
    return isinstance(effect, Notify | SetTimer)


def _first_states(effects: Iterable[Effect]) -> dict[ChannelId, Mark]:
    """Return what is signed next in each channel: its mark becomes durable with what leads to it.

    Only the first state of a channel: its signature must be saved before there is a mark of the second.
    """
    marks: dict[ChannelId, Mark] = {}
    for effect in effects:
        if isinstance(effect, SignState):
            marks.setdefault(effect.channel_id, Mark(effect.version, effect.digest))
    return marks


def _brief(message: Message) -> Message:
    """Return a message with no more explanation than a peer takes."""
    if len(getattr(message, "detail", "")) <= DETAIL_MAX:
        return message
    return msgspec.structs.replace(message, detail=message.detail[:DETAIL_MAX])  # type: ignore[union-attr]


class Engine:
    """One node, alive. `notify` is called with every notice, after what it tells is durable.

    The journal is compacted when it holds `entries_max` entries, or `bytes_max` bytes of them.
    """

    def __init__(
        self,
        empty: Node,
        journal: Journal,
        signer: Signer,
        wallet: Wallet,
        network: Network,
        chain: Chain,
        clock: Clock,
        notify: Callable[[Notify], None],
        entries_max: int = ENTRIES_MAX,
        bytes_max: int = ENTRIES_BYTES_MAX,
    ) -> None:
        self.node, self._tail = replay(journal, empty)
        self._tail_max = Tail(entries_max, bytes_max)
        self._journal = journal
        self._signer = signer
        self._wallet = wallet
        self._network = network
        self._chain = chain
        self._clock = clock
        self._notify = notify
        self._inbox: deque[AnyEvent] = deque()
        self._unsaved: list[bytes] = []
        self._unsaved_states: set[ChannelId] = set()
        self._timers: dict[ChannelId, UnixSeconds] = {}
        self._due: list[tuple[UnixSeconds, ChannelId]] = []
        self._greeted: set[bytes] = set()  # peers that heard my hello on the link they have now
        self.states_signed = 0
        self.messages_sent = 0

    def start(self, *, recovering: bool = False) -> None:
        """Begin after a replay: everything unfinished is asked for again.

        `recovering` says that the journal is not the keystore's own; a channel in which the signer has signed more
        than the journal knows recovers in any case.
        """
        marks = tuple(
            SignedMark(key, mark.version)
            for key, channel in self.node.channels.items()
            if (mark := self._signer.mark(key)) is not None and mark.version > channel.newest_signed
        )
        self._process([Started(self._clock.now(), recovering, marks)])

    # --- what comes in ----------------------------------------------------------------------------------------------

    def receive(self, event: AnyEvent) -> None:
        """Take note of something that happened; `pump` soon.

        Raises:
            UserFault: LIMIT, when far more comes in than is worked off.
        """
        if len(self._inbox) >= INBOX_MAX:
            raise UserFault(Reason.LIMIT, f"{INBOX_MAX} events wait already")
        if isinstance(event, LinkUp | LinkDown):
            self._greeted.discard(event.peer)
        self._inbox.append(event)

    def receive_message(self, peer: bytes, data: bytes) -> None:
        """Take note of what a peer said; what cannot be read, or comes faster than it is worked off, costs the link."""
        if len(self._inbox) >= INBOX_MAX:
            self._part(peer, PeerFault(Reason.FLOOD, f"{INBOX_MAX} events wait already"))
            return
        try:
            message = _decode_message(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._part(peer, PeerFault(Reason.MALFORMED, str(error)))
            return
        self.receive(MessageReceived(self._clock.now(), peer, message))

    def request(self, event: AnyEvent) -> None:
        """Do what the user asks, now.

        Raises:
            UserFault: it cannot be done; nothing changed.
        """
        self.pump()
        self._process([event], blame_user=True)

    def wake(self) -> None:
        """Fire the timers that are due."""
        now = self._clock.now()
        while self._due and self._due[0][0] <= now:
            at, channel_id = heapq.heappop(self._due)
            if self._timers.get(channel_id) == at:
                del self._timers[channel_id]
                self.receive(TimerFired(now, channel_id, self._clock.block_time))
        self.pump()
        self._set_alarm()

    def pump(self) -> None:
        """Work off everything received, in groups that share a commit."""
        while self._inbox:
            self._process([self._inbox.popleft() for _ in range(min(GROUP_MAX, len(self._inbox)))])

    # --- the loop ---------------------------------------------------------------------------------------------------

    def _process(self, events: Iterable[AnyEvent], *, blame_user: bool = False) -> None:
        effects: list[Effect] = []
        entries: list[bytes] = []
        for event in events:
            try:
                after, more = step(self.node, event)
                entry = b"" if after is self.node else _entry(event)
            except PeerFault as fault:
                self._blame(event, fault)
                continue
            except UserFault:
                if blame_user:
                    raise
                continue
            self.node = after
            if entry:
                entries.append(entry)
            effects.extend(more)
        if entries:
            self._append(entries, _first_states(effects))
        self._run(effects)

    def save(self) -> None:
        """Write what could be derived again too: for a clean stop."""
        if self._unsaved:
            self._append([])

    def _append(self, entries: list[bytes], marks: Mapping[ChannelId, Mark] | None = None) -> None:
        unsaved, self._unsaved = self._unsaved, []
        self._unsaved_states.clear()
        self._journal.append(unsaved + entries, marks)
        self._tail = self._tail.plus(unsaved + entries)
        if self._tail.entries >= self._tail_max.entries or self._tail.size_bytes >= self._tail_max.size_bytes:
            self._journal.compact(snapshot(self.node))
            self._tail = Tail()

    def _run(self, effects: Iterable[Effect]) -> None:
        """Perform effects in order; what the signer answers is stepped at once, and its effects wait their turn.

        So states are signed in the order in which they were offered.
        """
        work = deque(effects)
        while work:
            answer = self._perform(work.popleft())
            if answer is None:
                continue
            if not isinstance(answer, DERIVABLE):
                raise InvariantBroken(f"{type(answer).__name__} came back from an effect but cannot be derived again")
            work.extend(self._derive(answer))
        self._network.flush()

    def _derive(self, answer: AnyEvent) -> tuple[Effect, ...]:
        """Step an answer that could be had again; return what it leads to.

        What changed is saved at once if it leads to more than saying what was signed: a state that only this answer
        brought about, an operation's number, a transaction's tag must not be forgotten and used again.
        """
        after, effects = step(self.node, answer)
        if after is self.node:
            return effects
        self.node = after
        self._unsaved.append(_encode(answer))
        if not all(map(_only_tells, effects)):
            self.save()
        return effects

    def _perform(self, effect: Effect) -> AnyEvent | None:
        match effect:
            case SendMessage():
                self._send(effect)
            case SignState():
                return self._sign_state(effect)
            case SignDigest():
                signature = self._signer.sign_digest(effect.digest)
                return DigestSigned(self._clock.now(), effect.channel_id, effect.subject, signature)
            case Notify():
                self._notify(effect)
            case SetTimer():
                self._set_timer(effect)
            case Submit():
                self._chain.submit(effect.tag, effect.call)
            case Watch():
                self._chain.watch(effect.channel_id)
            case Authorize():
                self._wallet.authorize(effect)
            case Disconnect():
                self._part(effect.peer, PeerFault(effect.reason, effect.detail))
        return None

    def _send(self, effect: SendMessage) -> None:
        """Say something; on a new link nothing comes before the greeting, or the peer drops it as out of order."""
        if isinstance(effect.message, Hello):
            self._greeted.add(effect.peer)
        if effect.peer in self._greeted:
            self.messages_sent += 1
            self._network.queue(effect.peer, _encode(_brief(effect.message)))

    def _sign_state(self, effect: SignState) -> AnyEvent:
        """Sign; the signer refuses a second state of one version, which only a broken core could ask for.

        It gives the same signature again only for the newest version of a channel, so an earlier one must be saved.
        """
        if effect.channel_id in self._unsaved_states:
            self.save()
        try:
            signature = self._signer.sign_state(effect.channel_id, effect.version, effect.digest)
        except UserFault as refusal:
            channel = self.node.channels[effect.channel_id]
            raise InvariantBroken(f"the signer refuses version {effect.version} of {channel!r}: {refusal}") from refusal
        self.states_signed += 1
        self._unsaved_states.add(effect.channel_id)
        self._say_signed(effect, signature)
        return StateSigned(self._clock.now(), effect.channel_id, effect.version, signature)

    def _say_signed(self, effect: SignState, signature: Signature) -> None:
        """Put a signature on its way at once: while it travels, what it leads to here is worked out."""
        channel = self.node.channels.get(effect.channel_id)
        told = () if channel is None else signed_messages(channel, effect.version, signature)
        for message in told:
            self._send(message)
        if told:
            self._network.flush()

    # --- blame and timers -------------------------------------------------------------------------------------------

    def _blame(self, event: AnyEvent, fault: PeerFault) -> None:
        if isinstance(event, MessageReceived):
            self._part(event.peer, fault)

    def _part(self, peer: bytes, fault: PeerFault) -> None:
        """Tell a peer which rule it broke, and drop the link."""
        self._network.queue(peer, _encode(Goodbye(fault.reason, fault.detail[:DETAIL_MAX])))
        self._network.disconnect(peer, str(fault))

    def _set_timer(self, effect: SetTimer) -> None:
        if not effect.at:
            self._timers.pop(effect.channel_id, None)
            return
        if self._timers.get(effect.channel_id) != effect.at:
            self._timers[effect.channel_id] = effect.at
            heapq.heappush(self._due, (effect.at, effect.channel_id))
            self._set_alarm()

    def _set_alarm(self) -> None:
        while self._due and self._timers.get(self._due[0][1]) != self._due[0][0]:
            heapq.heappop(self._due)
        if self._due:
            self._clock.wake_at(self._due[0][0])
