"""Methods about a channel's life and money: look at it, pay, deposit, withdraw, resume, close."""

from time import perf_counter
from typing import Any, Final

from thalweg.api.backend import Backend
from thalweg.api.params import ChannelOnly, Close, Deposit, Nothing, Pay, Resume, Withdraw
from thalweg.api.verdicts import Agreement, CallJudge, ClosingJudge, OperationsJudge
from thalweg.api.views import channel_view
from thalweg.api.waiting import ask, counted, new_request
from thalweg.channel.events import CloseRequested, DepositRequested, OperationsRequested
from thalweg.channel.operations import AnyOperation, Jump, Transfer
from thalweg.channel.operations import Withdraw as WithdrawOperation
from thalweg.channel.state import Channel
from thalweg.errors import Reason, UserFault
from thalweg.units import Amount, AssetIndex, Seat, UnixSeconds

_MS: Final = 1000.0


async def channels(backend: Backend, _: Nothing) -> list[Any]:
    """Return every channel, oldest first."""
    return [channel_view(backend, item) for item in backend.engine.node.channels.values()]


async def channel(backend: Backend, params: ChannelOnly) -> Any:
    """Return one channel."""
    return channel_view(backend, backend.channel(params.channel))


async def pay(backend: Backend, params: Pay) -> dict[str, Any]:
    """Pay the other side: all payments at once, `repeat` times over, each time waiting until they are agreed."""
    item = backend.channel(params.channel)
    asset = backend.asset(item.terms.assets[item.terms.settlement])
    amounts = [(Amount(asset.parse(payment.amount)), payment.memo) for payment in params.payments]
    agreed, version = 0, 0
    refused: tuple[str, ...] = ()
    for _ in range(params.repeat):
        until = UnixSeconds(backend.now() + params.valid_s)
        operations = tuple(
            Transfer(item.seat, 0, until, _other(item), item.terms.settlement, amount, memo) for amount, memo in amounts
        )
        outcome = await _agree(backend, item, operations, params.wait_s, "the payment")
        agreed, version, refused = agreed + outcome.agreed, outcome.version, outcome.refused
    return {"channel": item.id.hex(), "agreed": agreed, "version": version, "refused": refused}


def _other(item: Channel) -> Seat:
    """Return the other participant's seat. Channels of more than two name the payee (a later release)."""
    if len(item.peers) != 2:
        raise UserFault(Reason.UNKNOWN_FEATURE, "only channels of two can be used from here yet")
    return Seat(1 - item.seat)


async def _agree(
    backend: Backend, item: Channel, operations: tuple[AnyOperation, ...], wait_s: float, what: str
) -> Agreement:
    request = new_request()
    event = OperationsRequested(backend.now(), request, item.id, operations)
    begun = perf_counter()
    outcome = await ask(backend, event, OperationsJudge(request, item.id, item.seat), wait_s, what)
    backend.counters.latencies_ms.append((perf_counter() - begun) * _MS)
    return outcome


async def deposit(backend: Backend, params: Deposit) -> dict[str, Any]:
    """Add to this node's deposit; it counts when it is final on chain."""
    item = backend.channel(params.channel)
    asset = backend.asset(item.terms.assets[item.terms.settlement])
    now = backend.now()
    amount = Amount(asset.parse(params.amount))
    until = UnixSeconds(now + params.valid_s)
    event = DepositRequested(now, new_request(), item.id, AssetIndex(item.terms.settlement), amount, until)
    transaction = await ask(backend, event, CallJudge(item.id, "TopUp"), params.wait_s, "the deposit")
    shown = backend.engine.node.channels[item.id].head.deposited != item.head.deposited
    await counted(backend, item.id, params.wait_s, 0 if shown else amount)
    return {"channel": item.id.hex(), "transaction": transaction}


async def withdraw(backend: Backend, params: Withdraw) -> dict[str, Any]:
    """Take money out of a channel that goes on: agreed with the others, then paid by the chain."""
    item = backend.channel(params.channel)
    asset = backend.asset(item.terms.assets[item.terms.settlement])
    now = backend.now()
    until = UnixSeconds(now + params.valid_s)
    amount = Amount(asset.parse(params.amount))
    operation = WithdrawOperation(item.seat, 0, until, AssetIndex(item.terms.settlement), amount)
    request = new_request()
    event = OperationsRequested(now, request, item.id, (operation,))
    judge = _WithdrawalJudge(OperationsJudge(request, item.id, item.seat), CallJudge(item.id, "PayWithdrawal"))
    transaction = await ask(backend, event, judge, params.wait_s, "the withdrawal")
    return {"channel": item.id.hex(), "transaction": transaction}


class _WithdrawalJudge:
    """First the agreement, then the payment."""

    def __init__(self, agreement: OperationsJudge, payment: CallJudge) -> None:
        self._agreement, self._payment = agreement, payment
        self._agreed = False

    def __call__(self, notice: Any) -> str | None:
        if not self._agreed:
            self._agreed = self._agreement(notice) is not None
            return None
        return self._payment(notice)


async def resume(backend: Backend, params: Resume) -> dict[str, Any]:
    """Resume a channel whose journal was restored: a jump makes void whatever was forgotten."""
    item = backend.channel(params.channel)
    until = UnixSeconds(backend.now() + int(params.wait_s) + 1)
    outcome = await _agree(backend, item, (Jump(item.seat, 0, until),), params.wait_s, "the jump")
    return {"channel": item.id.hex(), "version": outcome.version}


async def close(backend: Backend, params: Close) -> Any:
    """Close a channel together with the others, or alone: then the challenge on chain is what is waited for."""
    item = backend.channel(params.channel)
    now, request = backend.now(), new_request()
    event = CloseRequested(now, request, item.id, UnixSeconds(now + params.valid_s), alone=params.alone)
    judge = ClosingJudge(request, item.id, disputed=params.alone)
    await ask(backend, event, judge, params.wait_s, "the close")
    return channel_view(backend, backend.engine.node.channels[item.id])


METHODS: Final = {
    "channels": (Nothing, channels),
    "channel": (ChannelOnly, channel),
    "pay": (Pay, pay),
    "deposit": (Deposit, deposit),
    "withdraw": (Withdraw, withdraw),
    "resume": (Resume, resume),
    "close": (Close, close),
}
