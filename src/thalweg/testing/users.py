"""What the owners of simulated nodes do: at random, and looking only at their own node."""

import random
from typing import Final

from thalweg.channel.events import (
    AcceptRequested,
    CloseRequested,
    DepositRequested,
    OfferRequested,
    OpenRequested,
    OperationsRequested,
    Policy,
    TakeRequested,
)
from thalweg.channel.hashes import opening_nonce
from thalweg.channel.operations import Jump, Offer, Operation, Transfer, Withdraw
from thalweg.channel.state import Channel, Phase, available, newest, phase
from thalweg.channel.terms import CloseOut, Terms
from thalweg.crypto import keccak
from thalweg.errors import UserFault
from thalweg.testing.market import draw_legs
from thalweg.testing.participant import Participant
from thalweg.units import ZERO_HASH, Address, Amount, AssetIndex, Hash, Seat, UnixSeconds

DEPOSIT: Final = Amount(400_000 * 10**6)
OPEN_S: Final = 300
CHALLENGE_PERIOD_S: Final = 900
BURST_MAX: Final = 20


class Plan:
    """What one channel of the world is: who is in it, on which terms. Retried with the next nonce until it opens."""

    def __init__(self, seats: list[Participant], assets: tuple[Address, ...], oracle: Address, policy: Policy) -> None:
        self.seats = seats
        self.policy = policy
        self._assets = assets
        self._oracle = oracle
        self._nonce = 0

    def open(self, number: int) -> UserFault | None:
        """Have seat 0 propose the channel."""
        self._nonce += 1
        first = self.seats[0]
        payers = tuple(seat.payer for seat in self.seats)
        terms = Terms(
            participants=tuple(seat.address for seat in self.seats),
            payouts=tuple(seat.payout for seat in self.seats),
            assets=self._assets,
            settlement=AssetIndex(0),
            challenge_period_s=CHALLENGE_PERIOD_S,
            close_out=CloseOut.EXPIRY,
            exit_spread=0,
            oracle=self._oracle,
            risk_params_hash=ZERO_HASH,
            nonce=opening_nonce(number * 1000 + self._nonce, payers),
        )
        return first.request(
            OpenRequested(
                now=first.now,
                request="open",
                terms=terms,
                amounts=(DEPOSIT,) * (len(self.seats) * len(self._assets)),
                payers=payers,
                peers=tuple(seat.peer for seat in self.seats),
                deadline=UnixSeconds(first.now + OPEN_S),
                secret=Hash(keccak(f"secret {number} {self._nonce}".encode())),
                policy=self.policy,
            )
        )


def accept_openings(participant: Participant, policy: Policy) -> None:
    """Agree to every channel that is proposed."""
    if participant.engine is None:
        return
    for item in tuple(participant.engine.node.openings.values()):
        if item.policy is None:
            participant.request(AcceptRequested(participant.now, item.id, policy))


def act(participant: Participant, channel: Channel, rng: random.Random) -> UserFault | None:
    """Do one random thing in a channel; return the node's refusal, if it refuses."""
    if phase(channel) == Phase.RECOVERING and rng.randrange(4) == 0:
        return _operate(participant, channel, (Jump(Seat(0), 0, UnixSeconds(participant.now + 120)),))
    if phase(channel) != Phase.LIVE:
        return None
    kind = rng.randrange(100)
    if kind < 35:
        return _transfer(participant, channel, rng)
    if kind < 60:
        return _offer(participant, channel, rng)
    if kind < 90:
        return _answer(participant, channel, rng)
    if kind < 93:
        return _deposit(participant, channel, rng)
    if kind < 97:
        return _withdraw(participant, channel, rng)
    return close(participant, channel, alone=False) if kind == 97 and rng.randrange(8) == 0 else None


def close(participant: Participant, channel: Channel, *, alone: bool, valid_s: int = 120) -> UserFault | None:
    """Leave a channel."""
    until = UnixSeconds(participant.now + valid_s)
    return participant.request(CloseRequested(participant.now, "close", channel.id, until, alone))


def jump(participant: Participant, channel: Channel) -> UserFault | None:
    """Resume a channel whose journal is a restored one."""
    return _operate(participant, channel, (Jump(Seat(0), 0, UnixSeconds(participant.now + 120)),))


def _operate(participant: Participant, channel: Channel, operations: tuple[Operation, ...]) -> UserFault | None:
    return participant.request(OperationsRequested(participant.now, "operate", channel.id, operations))  # type: ignore[arg-type]


def _amount(channel: Channel, asset: int, rng: random.Random) -> Amount:
    """Return what to spend: mostly a little, at times all that is there or more than that."""
    free = available(channel, asset)
    return Amount(
        rng.choice((rng.randint(1, 1000), free // rng.randint(2, 50), free // rng.randint(2, 50), free, free + 1))
    )


def _transfer(participant: Participant, channel: Channel, rng: random.Random) -> UserFault | None:
    others = [seat for seat in range(len(channel.peers)) if seat != channel.seat]
    count = rng.choice((1, 1, 1, BURST_MAX))
    asset = AssetIndex(rng.randrange(len(channel.terms.assets)))
    until = UnixSeconds(participant.now + rng.choice((2, 60, 300)))
    amounts = [_amount(channel, asset, rng) for _ in range(count)]
    operations = tuple(
        Transfer(Seat(0), 0, until, Seat(rng.choice(others)), asset, Amount(amount // count)) for amount in amounts
    )
    return _operate(participant, channel, operations)


def _withdraw(participant: Participant, channel: Channel, rng: random.Random) -> UserFault | None:
    asset = AssetIndex(rng.randrange(len(channel.terms.assets)))
    amount = Amount(_amount(channel, asset, rng) // 10)
    return _operate(participant, channel, (Withdraw(Seat(0), 0, UnixSeconds(participant.now + 60), asset, amount),))


def _deposit(participant: Participant, channel: Channel, rng: random.Random) -> UserFault | None:
    asset = AssetIndex(rng.randrange(len(channel.terms.assets)))
    until = UnixSeconds(participant.now + 300)
    amount = Amount(rng.randint(1, DEPOSIT // 10))
    return participant.request(DepositRequested(participant.now, "deposit", channel.id, asset, amount, until))


def _offer(participant: Participant, channel: Channel, rng: random.Random) -> UserFault | None:
    taker = Seat(rng.choice([seat for seat in range(len(channel.peers)) if seat != channel.seat]))
    now = participant.now
    legs = draw_legs(rng, channel.terms.oracle, now, channel.seat, taker)
    offer = Offer(Hash(rng.randbytes(32)), channel.seat, taker, legs, UnixSeconds(now + rng.choice((5, 30, 120))))
    return participant.request(OfferRequested(now, "offer", channel.id, offer))


def _answer(participant: Participant, channel: Channel, rng: random.Random) -> UserFault | None:
    offers = [offer for offer in channel.offers if offer.taker == channel.seat]
    if not offers:
        return None
    accept = rng.randrange(5) > 0
    return participant.request(TakeRequested(participant.now, "take", channel.id, rng.choice(offers).id, accept))


def has_claims(channel: Channel) -> bool:
    """Say whether positions are open in the newest state."""
    return bool(newest(channel).sheet.claims)
