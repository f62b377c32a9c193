"""When a request is settled, and how: judges for `Outcomes.settle`, one a kind of request."""

from typing import Final

import msgspec

from thalweg.channel.effects import Notify, Topic
from thalweg.errors import PeerFault, Reason, Unavailable, UserFault
from thalweg.units import ChannelId

_NONE: Final = ChannelId(b"")


class Agreement(msgspec.Struct, frozen=True):
    """What became of some operations: the version that holds the last of them, and those that were refused."""

    version: int
    agreed: int
    refused: tuple[str, ...] = ()


class OperationsJudge:
    """Waits until each of a request's operations is in an agreed state or refused."""

    def __init__(self, request: str, channel_id: ChannelId, seat: int) -> None:
        self._request = request
        self._channel_id = channel_id
        self._seat = seat
        self._first = self._last = 0  # numbers are known once the engine has accepted the request
        self._refused: dict[int, tuple[Reason, str]] = {}

    def __call__(self, notice: Notify) -> Agreement | None:
        """Judge a notice.

        Raises:
            UserFault: every operation was refused.
            Unavailable: the channel is judged on chain now, so nothing more is agreed.
        """
        if notice.channel_id != self._channel_id:
            return None
        match notice.topic:
            case Topic.ACCEPTED if notice.request == self._request:
                self._first, self._last = notice.numbers
            case Topic.REFUSED if notice.numbers and self._first <= notice.numbers[0] <= self._last:
                self._refused[notice.numbers[0]] = (notice.reason or Reason.NO_CONSENT, notice.detail)
                return self._verdict(0)
            case Topic.AGREED if self._last and notice.numbers[self._seat] >= self._last:
                return self._verdict(notice.version)
            case Topic.STALLED | Topic.DISPUTED:
                raise Unavailable(
                    Reason.UNREACHABLE, f"{notice.detail}: the chain decides now, by the newest agreed state"
                )
            case _:
                return None
        return None

    def _verdict(self, version: int) -> Agreement | None:
        count = self._last - self._first + 1
        if len(self._refused) == count:
            reason, detail = next(iter(self._refused.values()))
            raise UserFault(reason, detail)
        if not version:
            return None
        refused = tuple(f"{reason}: {detail}" for reason, detail in self._refused.values())
        return Agreement(version, count - len(refused), refused)


class OpeningJudge:
    """Waits until a channel this node proposed, or accepted, is on chain."""

    def __init__(self, request: str = "", channel_id: ChannelId = _NONE) -> None:
        self._request = request
        self.channel_id = channel_id

    def __call__(self, notice: Notify) -> ChannelId | None:
        """Judge a notice.

        Raises:
            UserFault: the other side, a wallet or the chain said no.
        """
        if notice.topic == Topic.ACCEPTED and self._request and notice.request == self._request:
            self.channel_id = notice.channel_id
        if not self.channel_id or notice.channel_id != self.channel_id:
            return None
        if notice.topic == Topic.OPENING_DECLINED:
            raise UserFault(notice.reason or Reason.NO_CONSENT, notice.detail)
        return self.channel_id if notice.topic == Topic.OPENED else None


class OfferJudge:
    """Waits until an offer this node made is part of an agreed state, or declined."""

    def __init__(self, request: str, channel_id: ChannelId) -> None:
        self._request = request
        self._channel_id = channel_id
        self.offer = ""  # its id, once the engine has accepted it

    def __call__(self, notice: Notify) -> int | None:
        """Return the version that holds the trade.

        Raises:
            UserFault: the taker declined.
        """
        if notice.channel_id != self._channel_id:
            return None
        match notice.topic:
            case Topic.ACCEPTED if notice.request == self._request:
                self.offer = notice.detail
            case Topic.AGREED if self.offer and self.offer in notice.detail.split():
                return notice.version
            case Topic.OFFER_DECLINED if self.offer and notice.detail.startswith(self.offer):
                why = notice.detail.partition(" ")[2]
                raise UserFault(notice.reason or Reason.NO_CONSENT, why or "the other side declined the offer")
            case _:
                return None
        return None


class CallJudge:
    """Waits for the outcome of a call of one kind to the chain."""

    def __init__(self, channel_id: ChannelId, kind: str) -> None:
        self._channel_id = channel_id
        self._kind = kind

    def __call__(self, notice: Notify) -> str | None:
        """Return the transaction once it is mined.

        Raises:
            UserFault: it failed; the contract's reason is the detail.
        """
        if notice.channel_id != self._channel_id or notice.topic != Topic.CALL:
            return None
        kind, _, outcome = notice.detail.partition(" ")
        if kind != self._kind:
            return None
        if not outcome.startswith("0x"):
            raise UserFault(Reason.WRONG_PHASE, outcome)
        return outcome


class ClosingJudge:
    """Waits until a channel is closed on chain; with `disputed`, until the challenge is there."""

    def __init__(self, request: str, channel_id: ChannelId, *, disputed: bool = False) -> None:
        self._request = request
        self._channel_id = channel_id
        self._until = (Topic.DISPUTED, Topic.CLOSED) if disputed else (Topic.CLOSED,)
        self._numbers: tuple[int, ...] = ()

    def __call__(self, notice: Notify) -> str | None:
        """Return what the channel has become.

        Raises:
            UserFault: the others refused the close.
            PeerFault: they did not sign in time, and this node challenges instead.
        """
        if notice.channel_id != self._channel_id:
            return None
        if notice.topic == Topic.ACCEPTED and notice.request == self._request:
            self._numbers = notice.numbers
        if notice.topic == Topic.REFUSED and notice.numbers and notice.numbers[0] in self._numbers:
            raise UserFault(notice.reason or Reason.NO_CONSENT, notice.detail)
        if notice.topic in self._until:
            return str(notice.topic)
        if notice.topic == Topic.STALLED and Topic.DISPUTED not in self._until:
            raise PeerFault(Reason.NO_CONSENT, f"{notice.detail}: this node closes the channel alone, on chain")
        return None
