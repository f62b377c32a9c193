"""A whole world in one process: nodes, network, chain, oracle, users and troubles, all from one seed.

`World(seed).run()` lets the seed's swarm of faults loose on production nodes for a while, checks the invariants as it
goes, then heals everything and demands progress: every operation agreed or refused, every channel closed, everybody
paid what the newest agreed state says, to the unit. The same seed gives the same trace.
"""

import hashlib
import random
from typing import Final

import msgspec

from thalweg.channel.effects import Notify, Topic
from thalweg.channel.events import Policy, ReportReceived
from thalweg.channel.reports import awaited
from thalweg.channel.state import Channel, Offered, Phase, phase
from thalweg.codec import Domain
from thalweg.crypto import keccak
from thalweg.errors import InvariantBroken, UserFault
from thalweg.testing import users
from thalweg.testing.chain import SimChain
from thalweg.testing.checks import Watchdog, check_tokens
from thalweg.testing.clock import Timeline
from thalweg.testing.faults import Faults, draw_faults, strikes
from thalweg.testing.ledger import Ledger, Quorum
from thalweg.testing.mallory import Mallory
from thalweg.testing.network import SimNetwork
from thalweg.testing.oracle import SimOracle
from thalweg.testing.participant import Participant, Surroundings
from thalweg.testing.troubles import Troubles
from thalweg.units import VERSION_FINAL, Address, Amount, ChannelId

TICKS: Final = 160  # of one simulated second, under faults
TELL_EVERY: Final = 8  # ticks
MARK_AGE_MAX_S: Final = 60  # shorter than a silent oracle is silent
TALK_MAX: Final = 250  # messages a participant in a second; where nobody is hostile, more is endless talk
AT_ONCE_OF: Final = 16  # notices, after one of which somebody acts at once
AT_ONCE_MS: Final = 50
HEALED_TICKS_MAX: Final = 4_000  # until everything must have ended well
CHAIN_ID: Final = 31_337
WEALTH: Final = 10**16
CONTRACT: Final = Address(keccak(b"adjudicator")[:20])
ORACLE: Final = Address(keccak(b"oracle")[:20])
ASSETS: Final = (Address(keccak(b"dollars")[:20]), Address(keccak(b"coins")[:20]))
NAMES: Final = ("alice", "bob", "carol", "dave", "erin")


def replay_command(seed: int, ticks: int = TICKS) -> str:
    """Return the command that runs a seed's world again."""
    return f"python -m thalweg.testing --seed {seed}" + ("" if ticks == TICKS else f" --ticks {ticks}")


class Summary(msgspec.Struct, frozen=True):
    """What happened in a world."""

    seed: int
    trace: str
    faults: Faults
    ticks: int
    states_agreed: int
    crashes: int
    messages: int
    transactions: int
    reorgs: int
    disputes: int
    refusals: int


class World:
    """One seed's world. What is not given is drawn from the seed: how many take part, which faults, a cheat or not."""

    def __init__(
        self,
        seed: int,
        participants: int | None = None,
        faults: Faults | None = None,
        *,
        mallory: bool | None = None,
    ) -> None:
        self.seed = seed
        self._rng = random.Random(seed)  # noqa: S311 - a simulation must repeat itself
        self.faults = draw_faults(self._rng) if faults is None else faults
        count = participants or self._rng.choice((2, 2, 2, 2, 2, 2, 3, 3, 4, 5))
        self.timeline = Timeline()
        self.network = SimNetwork(self.timeline, self._fork(), self.faults)
        self.oracle = SimOracle(seed, CHAIN_ID, ORACLE, self._fork())
        self.chain = SimChain(self.timeline, self._fork(), self.faults, self._genesis())
        around = Surroundings(seed, self.timeline, self._fork(), self.network, self.chain)
        around.trace = self._record
        around.on_signed = self._on_signed
        around.on_pumped = self._on_pumped
        around.on_notice = self._on_notice
        self.participants = [
            Participant(name, around, self._skew(), is_slow=strikes(self._rng, self.faults.slow_node))
            for name in NAMES[:count]
        ]
        self.mallory: Mallory | None = None
        if self._rng.randrange(4) == 0 if mallory is None else mallory:
            self.mallory = Mallory("mallory", around, 0, self._fork())
            self.participants[self._rng.randrange(count)] = self.mallory
            self.chain.cheats.add(self.mallory.payer)
        self.deaf = {one.name for one in self.participants if strikes(self._rng, self.faults.deaf)}
        self.deaf.discard(self._rng.choice(self.participants).name)
        self.watchdog = Watchdog()
        self.notices: dict[Topic, int] = {}
        self._trace = hashlib.blake2b(digest_size=16)
        self._supply: dict[bytes, int] = {}
        self._closed: set[ChannelId] = set()
        self._is_healed = False
        self._ticks = 0
        self._has_marks = self._rng.randrange(4) == 0
        self._opened_at = -25  # so that the first opening is asked for at tick 5
        self.refusals = 0
        self._troubles = Troubles(
            self.timeline, self._fork(), self.faults, self.participants, self.network, self.watchdog
        )
        self._fund()
        assets = ASSETS[: self._rng.choice((1, 1, 2))]
        self.plan = users.Plan(self.participants, assets, ORACLE, self._policy(len(assets)))
        self.chain.listeners.append(self._on_block)

    # --- setting up -------------------------------------------------------------------------------------------------

    def _fork(self) -> random.Random:
        return random.Random(self._rng.getrandbits(64))  # noqa: S311 - as above

    def _skew(self) -> int:
        most = self.faults.skew_s_max
        return self._rng.randint(-most, most)

    def _genesis(self) -> Ledger:
        separator = Domain(CHAIN_ID, CONTRACT).separator()
        quorum = Quorum(self.oracle.signers, self.oracle.quorum.threshold)
        return Ledger(CHAIN_ID, CONTRACT, separator, oracles={ORACLE: quorum})

    def _fund(self) -> None:
        tokens = {(asset, one.payer): WEALTH for asset in ASSETS for one in self.participants}
        self.chain.mint(lambda ledger: msgspec.structs.replace(ledger, tokens=tokens))
        self._supply = {asset: WEALTH * len(self.participants) for asset in ASSETS}

    def _policy(self, assets: int) -> Policy:
        limit = Amount(self._rng.choice((10**15, 10**11, 10**9)))
        return Policy(
            undecided_max=(limit,) * assets, answer_s=60, challenge_s=60, mark_age_max_s=60, quorum=self.oracle.quorum
        )

    # --- running ----------------------------------------------------------------------------------------------------

    def run(self, ticks: int = TICKS) -> Summary:
        """Let the world run under its faults, heal it, and see it to a good end.

        Raises:
            InvariantBroken: what went wrong. The same seed does it again.
        """
        for one in self.participants:
            one.start()
        self.network.join(list(self.participants))
        for _ in range(ticks):
            self._tick()
            self._troubles.strike()
            if self.mallory:
                self.mallory.strike()
            self._use()
        self.heal()
        while not self._is_over():
            if self._ticks > ticks + HEALED_TICKS_MAX:
                raise InvariantBroken(f"no good end after healing: {self._story()}")
            self._tick()
            self._finish_up()
        self._check_end()
        return self._summary()

    def _tick(self) -> None:
        self._ticks += 1
        before = self.network.messages
        self.timeline.run_until(self.timeline.now_ms + 1000)
        said = self.network.messages - before
        if self.mallory is None and said > TALK_MAX * len(self.participants):
            raise InvariantBroken(f"{said} messages in one second: {self._story()}")
        self._tell_prices()

    def _use(self) -> None:
        """Have users open the channel, and then do what they like."""
        for one in self.participants:
            users.accept_openings(one, self.plan.policy)
            for channel in tuple(one.channels.values()):
                if self._rng.randrange(3) == 0:
                    self._count_refusal(users.act(one, channel, self._rng))
        self._open_if_none()

    def _open_if_none(self) -> None:
        """Open the channel; once more, where the chain does not take it in time."""
        known = [channel for one in self.participants for channel in one.channels.values()]
        wait = users.OPEN_S + 30 if known else 30
        if self._ticks >= self._opened_at + wait and all(phase(channel) == Phase.OPENING for channel in known):
            self._opened_at = self._ticks
            self._count_refusal(self.plan.open(1))

    def _count_refusal(self, refusal: UserFault | None) -> None:
        if refusal is not None:
            self.refusals += 1
            self._record(str(refusal).encode())

    def _tell_prices(self) -> None:
        """Let nodes hear, sooner or later, of every settlement that a position of theirs waits for."""
        if self._ticks % TELL_EVERY:
            return
        for one in self.participants:
            if one.name in self.deaf:
                continue
            if self._has_marks and self._rng.randrange(4) == 0:
                one.receive(ReportReceived(one.now, self.oracle.mark(self.timeline.now_s)))
            for channel in tuple(one.channels.values()):
                for _, point in sorted(awaited(channel)):
                    late = strikes(self._rng, self.faults.oracle_late) and not self._is_healed
                    if point < self.timeline.now_s and not late and self._rng.randrange(2) == 0:
                        one.receive(ReportReceived(one.now, self.oracle.settle(point, self.faults.oracle_void)))

    # --- checking ---------------------------------------------------------------------------------------------------

    def _record(self, data: bytes) -> None:
        self._trace.update(self.timeline.now_ms.to_bytes(8))
        self._trace.update(data)

    def _on_signed(self, channel_id: ChannelId, entry: Offered) -> None:
        self.watchdog.note(channel_id, entry)

    def _on_pumped(self, participant: Participant) -> None:
        self.watchdog.look_at(participant, self.chain.final.ledger)

    def _on_notice(self, participant: Participant, notice: Notify) -> None:
        self.notices[notice.topic] = self.notices.get(notice.topic, 0) + 1
        if not self._is_healed and self._rng.randrange(AT_ONCE_OF) == 0:
            self.timeline.after(self._rng.randrange(AT_ONCE_MS), self._act_at_once)

    def _act_at_once(self) -> None:
        """Have some user do something in the very moment in which something changed."""
        one = self._rng.choice(self.participants)
        for channel in tuple(one.channels.values()):
            self._count_refusal(users.act(one, channel, self._rng))

    def _on_block(self) -> None:
        head, final = self.chain.head.ledger, self.chain.final.ledger
        check_tokens(head, self._supply)
        self.watchdog.look_at_ledger(head, self.participants, self.chain.head.time)
        for channel_id, account in final.accounts.items():
            if account.is_closed and channel_id not in self._closed:
                self._closed.add(channel_id)
                self.watchdog.check_closed(final, channel_id)

    # --- ending -----------------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """Stop all troubles."""
        self._is_healed = True
        if self.mallory:
            self.deaf.clear()  # she may be the one who hears
        self.network.heal()
        self.chain.heal()
        self._troubles.heal()
        if self.mallory:
            # who lost his disk needs somebody to show him the states he forgot: then she stays
            self.mallory.repent(is_gone=not self.watchdog.restored and self._rng.randrange(2) == 0)

    def _finish_up(self) -> None:
        """Have users bring everything to an end: open if nothing ever was, resume what was restored, and close."""
        for one in self.participants:
            users.accept_openings(one, self.plan.policy)
        self._open_if_none()
        if self._ticks % 30 == 5:
            for one in self.participants:
                for channel in tuple(one.channels.values()):
                    self._count_refusal(self._leave(one, channel))

    def _leave(self, one: Participant, channel: Channel) -> UserFault | None:
        at = phase(channel)
        if any(other.peer in channel.peers and channel.id not in other.channels for other in self.participants):
            # somebody is gone, or lost his disk and has forgotten even that the channel exists
            return users.close(one, channel, alone=users.has_claims(channel) or self._rng.randrange(2) == 0)
        if at == Phase.RECOVERING:
            return users.jump(one, channel)
        if at != Phase.LIVE or channel.queue or users.has_claims(channel) or self._rng.randrange(3):
            return None
        return users.close(one, channel, alone=False)

    def _is_over(self) -> bool:
        accounts = self.chain.final.ledger.accounts
        if not accounts:
            return self.mallory is not None and not self.mallory.is_up and not self.chain.head.ledger.accounts
        return all(account.is_closed for account in accounts.values()) and all(
            phase(channel) in (Phase.CLOSED, Phase.OPENING) and not channel.queue
            for one in self.participants
            if one.is_honest
            for channel in one.channels.values()
        )

    def _check_end(self) -> None:
        for one in self.participants:
            one.check_replay()
        is_peaceful = self.faults.are_gentle and self.mallory is None
        if is_peaceful and (self.notices.get(Topic.DISPUTED) or self.notices.get(Topic.STALLED)):
            raise InvariantBroken(f"somebody went to the chain for no good reason: {self._story()}")
        for channel_id, account in self.chain.final.ledger.accounts.items():
            if channel_id not in self._closed:
                raise InvariantBroken("a channel's end was not checked")
            if is_peaceful and account.closed_with != VERSION_FINAL:
                raise InvariantBroken(
                    f"a channel ended in a dispute at version {account.closed_with} for no good reason"
                )

    def _story(self) -> str:
        return "; ".join(
            f"{one.name}: {[repr(channel) for channel in one.channels.values()] if one.is_up else 'down'}"
            for one in self.participants
        )

    def _summary(self) -> Summary:
        self._record(repr(sorted(self.notices.items())).encode())
        return Summary(
            seed=self.seed,
            trace=self._trace.hexdigest(),
            faults=self.faults,
            ticks=self._ticks,
            states_agreed=self.notices.get(Topic.AGREED, 0),
            crashes=sum(one.crashes for one in self.participants),
            messages=self.network.messages,
            transactions=self.chain.transactions,
            reorgs=self.chain.reorgs,
            disputes=self.notices.get(Topic.DISPUTED, 0),
            refusals=self.refusals,
        )
