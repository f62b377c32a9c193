"""Calls on their way into the chain: one wallet's transactions, from a tag to an outcome.

A ticket goes: queued, sent, mined, settled, forgotten. Rules:
- One nonce a ticket, and it keeps it until someone else's transaction takes it. The next nonce is the chain's own count
  or the one after our newest, so there is never a gap, and a restart takes up where the chain is.
- What waits too long is sent again for more (same nonce: at most one of them is mined). What a reorganisation drops
  is sent again as it was, even after it was settled, until its block is final.
- `tend` does one round and may be called again whatever it raised.
"""

from collections.abc import Callable
from typing import Final

import coincurve

from thalweg.chain import wire
from thalweg.chain.calls import Invocation
from thalweg.chain.fees import first_bid, outbid
from thalweg.chain.profile import ChainProfile
from thalweg.chain.revert import revert_reason
from thalweg.chain.rpc import Refused, Rpc
from thalweg.chain.transaction import Fees, SignedTransaction, Transaction
from thalweg.channel.onchain import CallSettled
from thalweg.crypto import address_of
from thalweg.errors import Reason, Unavailable
from thalweg.units import mul_div_up

TICKETS_MAX: Final = 256  # unsettled ones
FLIGHT_MAX: Final = 16  # sent and not mined: what nodes keep for one account
ANSWERS_MAX: Final = 4096  # outcomes remembered by tag
BIDS_MAX: Final = 64  # transactions of one nonce
_GAS_MARGIN_NUMERATOR: Final = 5  # of the estimate, in quarters: state may change until the block,
_GAS_MARGIN_DENOMINATOR: Final = 4
_GAS_MARGIN: Final = 50_000  # and slots that a transaction we replace had filled are empty again
_MISSES_MAX: Final = 10  # rounds without a receipt after which the nonce was someone else's
_DEFAULT_TIP_WEI: Final = 10**9


class Creation(Invocation, frozen=True):
    """A transaction that creates a contract: `data` is its creation code, `to` is not used."""


class Ticket:
    """One call under way."""

    def __init__(self, tag: str, invocation: Invocation) -> None:
        self.tag = tag
        self.invocation = invocation
        self.gas = 0
        self.nonce: int | None = None
        self.fees = Fees(0, 0)
        self.bids: list[SignedTransaction] = []
        self.sent_at_s = 0.0
        self.accepted = False  # a node may have it
        self.misses = 0
        self.receipt: wire.Receipt | None = None
        self.settled = False

    @property
    def waiting(self) -> bool:
        """Whether it was sent and is in no block yet."""
        return self.nonce is not None and self.receipt is None

    def requeue(self) -> None:
        """Start again: the nonce went to someone else."""
        self.nonce, self.bids, self.accepted, self.misses = None, [], False, 0


class Outbox:
    """A wallet's calls. `now_s` is any clock that only goes forward.

    `on_settled` hears each outcome, with the receipt where there is one.
    """

    def __init__(
        self,
        rpc: Rpc,
        key: coincurve.PrivateKey,
        profile: ChainProfile,
        on_settled: Callable[[CallSettled, wire.Receipt | None], None],
        now_s: Callable[[], float],
    ) -> None:
        self.address = address_of(key.public_key)
        self._rpc = rpc
        self._key = key
        self._profile = profile
        self._on_settled = on_settled
        self._now_s = now_s
        self._tickets: dict[str, Ticket] = {}
        self._answers: dict[str, CallSettled] = {}

    @property
    def idle(self) -> bool:
        """Whether there is nothing to tend."""
        return not self._tickets

    def submit(self, tag: str, invocation: Invocation) -> CallSettled | None:
        """Take a call; a tag that is under way is not taken again. Return the outcome where it is known already.

        A call that failed leaves no transaction worth waiting for, so its tag may be submitted anew.
        """
        if (answer := self._answers.get(tag)) is not None:
            return answer
        if tag in self._tickets:
            return None
        if sum(not ticket.settled for ticket in self._tickets.values()) >= TICKETS_MAX:
            return CallSettled(tag, error=f"{Reason.LIMIT}: {TICKETS_MAX} calls are under way; wait for one to settle")
        self._tickets[tag] = Ticket(tag, invocation)
        return None

    async def tend(self) -> None:
        """Do what can be done now: send, outbid, look for receipts, settle.

        Raises:
            Unavailable: the chain does not answer; nothing is lost.
        """
        if self.idle:
            return
        head = await wire.head(self._rpc)
        count = await wire.transaction_count(self._rpc, self.address)
        for ticket in [ticket for ticket in self._tickets.values() if ticket.nonce is not None]:
            await self._follow(ticket, head, count)
        await self._launch(head, count)
        await self._push(head)

    # -- queued to sent ---------------------------------------------------------------------------------------------

    async def _launch(self, head: wire.Block, count: int) -> None:
        for ticket in [ticket for ticket in self._tickets.values() if ticket.nonce is None]:
            if sum(other.waiting for other in self._tickets.values()) >= FLIGHT_MAX:
                return
            if (refusal := await self._simulate(ticket)) is not None:
                self._fail(ticket, refusal)
                continue
            ticket.fees = first_bid(head.base_fee_wei, await self._tip_wei(), self._profile.fee_max_wei)
            taken = (other.nonce for other in self._tickets.values() if other.nonce is not None)
            ticket.nonce = max(count, 1 + max(taken, default=-1))
            self._bid(ticket)
            await self._broadcast(ticket, head)

    async def _simulate(self, ticket: Ticket) -> str | None:
        """Set the ticket's gas; return why the call would fail, None where it would not."""
        message = self._message(ticket)
        try:
            await self._rpc.request("eth_call", (message, "pending"), str)
            estimate = wire.number(await self._rpc.request("eth_estimateGas", (message, "pending"), str))
        except Refused as refusal:
            return _why(refusal)
        if estimate > self._profile.gas_max:
            return f"{Reason.LIMIT}: needs {estimate} units of gas, the limit is {self._profile.gas_max}"
        wanted = _GAS_MARGIN + mul_div_up(estimate, _GAS_MARGIN_NUMERATOR, _GAS_MARGIN_DENOMINATOR)
        ticket.gas = min(self._profile.gas_max, wanted)
        return None

    def _message(self, ticket: Ticket) -> dict[str, str]:
        message = {
            "from": wire.hexed(self.address),
            "data": wire.hexed(ticket.invocation.data),
            "value": hex(ticket.invocation.value),
        }
        if not isinstance(ticket.invocation, Creation):
            message["to"] = wire.hexed(ticket.invocation.to)
        return message

    async def _tip_wei(self) -> int:
        try:
            return wire.number(await self._rpc.request("eth_maxPriorityFeePerGas", (), str))
        except Refused:
            return _DEFAULT_TIP_WEI

    def _bid(self, ticket: Ticket) -> None:
        """Sign the ticket at its present fees and put that first in line."""
        assert ticket.nonce is not None
        invocation = ticket.invocation
        transaction = Transaction(
            chain_id=self._profile.chain_id,
            nonce=ticket.nonce,
            fees=ticket.fees,
            gas=ticket.gas,
            to=None if isinstance(invocation, Creation) else invocation.to,
            value_wei=invocation.value,
            data=invocation.data,
        )
        ticket.bids.append(transaction.signed(self._key))

    async def _broadcast(self, ticket: Ticket, head: wire.Block) -> None:
        ticket.sent_at_s = self._now_s()
        newest = ticket.bids[-1]
        try:
            await self._rpc.request("eth_sendRawTransaction", (wire.hexed(newest.raw),), str)
            ticket.accepted = True
        except Unavailable:
            ticket.accepted = True
            raise
        except Refused as refusal:
            await self._answer_refusal(ticket, head, refusal)

    async def _answer_refusal(self, ticket: Ticket, head: wire.Block, refusal: Refused) -> None:
        text = refusal.message.lower()
        if any(known in text for known in _HARMLESS):
            ticket.accepted = True
            return
        if any(known in text for known in _TOO_CHEAP):
            # an earlier run of this node may have sent something for this nonce: outbid it
            if await self._outbid(ticket, head):
                await self._broadcast(ticket, head)
            return
        if not ticket.accepted:
            self._fail(ticket, _why(refusal))

    # -- sent to mined ----------------------------------------------------------------------------------------------

    async def _follow(self, ticket: Ticket, head: wire.Block, count: int) -> None:
        assert ticket.nonce is not None
        if count <= ticket.nonce:
            if ticket.receipt is not None:  # a reorganisation dropped it
                ticket.receipt = None
                await self._broadcast(ticket, head)
            return
        if ticket.receipt is None:
            ticket.receipt = await self._find(ticket)
        if ticket.receipt is None:
            ticket.misses += 1
            if ticket.misses >= _MISSES_MAX:
                ticket.requeue()
            return
        depth = head.number - ticket.receipt.block_number + 1
        if not ticket.settled and depth >= self._profile.confirmations:
            await self._settle(ticket)
        if ticket.settled and depth > self._profile.final_depth:
            self._tickets.pop(ticket.tag, None)

    async def _find(self, ticket: Ticket) -> wire.Receipt | None:
        for bid in reversed(ticket.bids):
            if (found := await wire.receipt(self._rpc, bid.hash)) is not None:
                return found
        return None

    async def _push(self, head: wire.Block) -> None:
        """Send again what has waited too long: the first in line for more, the others as they are."""
        waiting = sorted((t for t in self._tickets.values() if t.waiting), key=lambda t: t.nonce or 0)
        for place, ticket in enumerate(waiting):
            if self._now_s() - ticket.sent_at_s < self._profile.bump_after_s:
                continue
            if place == 0:
                await self._outbid(ticket, head)
            await self._broadcast(ticket, head)

    async def _outbid(self, ticket: Ticket, head: wire.Block) -> bool:
        fees = outbid(ticket.fees, head.base_fee_wei, await self._tip_wei(), self._profile.fee_max_wei)
        if fees is None or len(ticket.bids) >= BIDS_MAX:
            return False
        ticket.fees = fees
        self._bid(ticket)
        return True

    # -- mined to settled -------------------------------------------------------------------------------------------

    async def _settle(self, ticket: Ticket) -> None:
        assert ticket.receipt is not None
        found = await wire.receipt(self._rpc, ticket.receipt.transaction)
        if found is None or found.block_hash != ticket.receipt.block_hash:  # it moved to another block: count again
            ticket.receipt = found
            return
        error = "" if found.succeeded else await self._post_mortem(ticket, found)
        self._answer(ticket, CallSettled(ticket.tag, wire.hexed(found.transaction), found.gas_used, error), found)

    async def _post_mortem(self, ticket: Ticket, found: wire.Receipt) -> str:
        try:
            await self._rpc.request("eth_call", (self._message(ticket), hex(found.block_number)), str)
        except Refused as refusal:
            return _why(refusal)
        return "out of gas" if found.gas_used >= ticket.gas else "reverted"

    def _answer(self, ticket: Ticket, answer: CallSettled, found: wire.Receipt | None) -> None:
        ticket.settled = True
        if not answer.error:
            self._answers[ticket.tag] = answer
            while len(self._answers) > ANSWERS_MAX:
                del self._answers[next(iter(self._answers))]
        else:
            del self._tickets[ticket.tag]
        self._on_settled(answer, found)

    def _fail(self, ticket: Ticket, why: str) -> None:
        self._answer(ticket, CallSettled(ticket.tag, error=why), None)


_HARMLESS: Final = ("already known", "already imported", "known transaction", "already in", "nonce too low")
_TOO_CHEAP: Final = ("underpriced", "less than block base fee", "fee cap", "fee too low", "max fee per gas")


def _why(refusal: Refused) -> str:
    if refusal.reverted:
        return revert_reason(refusal.data) or refusal.message
    return refusal.message
