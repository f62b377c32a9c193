"""What a participant signs without asking his user: operations he authored, offers he made, facts he can check."""

import itertools
from typing import assert_never

from thalweg.channel.operations import (
    AddPositions,
    AnyOperation,
    Close,
    CountDeposit,
    Jump,
    SettlePositions,
    Transfer,
    Withdraw,
)
from thalweg.channel.reports import settled_expiry
from thalweg.channel.state import Channel
from thalweg.errors import PeerFault, Reason, RuleBroken
from thalweg.instruments.quorum import verify_report
from thalweg.units import UnixSeconds, Version


def check_mark_age(channel: Channel, mark: UnixSeconds, now: UnixSeconds) -> None:
    """Return if collateral may be computed on this tick; where there is none, it needs none.

    Raises:
        RuleBroken: MARK_TOO_OLD.
    """
    if mark and mark + channel.policy.mark_age_max_s < now:
        raise RuleBroken(Reason.MARK_TOO_OLD, f"mark time {mark} is older than {channel.policy.mark_age_max_s} s")


class Consent:
    """One participant's consent to the operations of one state, asked for in their order."""

    def __init__(self, channel: Channel, base: Version, now: UnixSeconds) -> None:
        """`base` is the version the state builds on: what was offered after it is not in it, and may come again."""
        self._channel = channel
        self._now = now
        behind = [entry.operations for entry in channel.offered if not entry.dead and entry.version <= base]
        beside = [entry.operations for entry in channel.offered if entry.dead or entry.version > base]
        self._mine = {
            sent.number: sent for batch in (*beside, channel.queue) for sent in batch if sent.author == channel.seat
        }
        self._offers = {offer.id: offer for offer in channel.offers if offer.maker == channel.seat}
        for operation in itertools.chain.from_iterable(behind):
            self._take(operation)

    def check(self, operation: AnyOperation) -> None:
        """Return if this participant has nothing against `operation`.

        Raises:
            RuleBroken: NO_CONSENT for what only he could have asked for; NOT_FINAL or BAD_REPORT for what he cannot
                confirm.
        """
        if operation.author == self._channel.seat:
            if self._mine.get(operation.number) != operation:
                raise RuleBroken(Reason.NO_CONSENT, f"operation {operation.number} in my name is not mine")
            return
        match operation:
            case AddPositions():
                if operation.maker == self._channel.seat:
                    self._check_offer(operation)
            case CountDeposit():
                self._check_deposit(operation)
            case SettlePositions():
                self._check_report(operation)
            case Transfer() | Withdraw() | Close() | Jump():
                return
            case _:
                assert_never(operation)

    def _take(self, operation: AnyOperation) -> None:
        if isinstance(operation, AddPositions) and operation.maker == self._channel.seat:
            self._offers.pop(operation.offer, None)

    def _check_offer(self, operation: AddPositions) -> None:
        offer = self._offers.get(operation.offer)
        if offer is None:
            raise RuleBroken(Reason.UNKNOWN_OFFER, "I made no such offer, or it is taken")
        if offer.taker != operation.author or offer.legs != operation.legs:
            raise RuleBroken(Reason.NO_CONSENT, "this is not what I offered")
        if offer.valid_until < self._now:
            raise RuleBroken(Reason.EXPIRED, f"the offer was good until {offer.valid_until}")
        self._take(operation)

    def _check_deposit(self, operation: CountDeposit) -> None:
        """Another's deposit counts once it is final; my own is my own risk."""
        channel = self._channel
        index = operation.seat * len(channel.terms.assets) + operation.asset
        view = channel.head if operation.seat == channel.seat else channel.final
        seen = view.deposited[index] if 0 <= index < len(view.deposited) else 0
        if operation.total > seen:
            raise RuleBroken(Reason.NOT_FINAL, f"{operation.total} is claimed, {seen} is final on chain")

    def _check_report(self, operation: SettlePositions) -> None:
        quorum = self._channel.policy.quorum
        settled_expiry(operation)  # before any signature is looked at, so that there are few of them
        for signed in (*operation.voids, operation.report):
            if signed.oracle != self._channel.terms.oracle:
                raise RuleBroken(Reason.BAD_REPORT, "the report is not by this channel's oracle")
            try:
                verify_report(signed, quorum.signers, quorum.threshold, quorum.separator)
            except PeerFault as fault:
                raise RuleBroken(fault.reason, fault.detail) from fault
