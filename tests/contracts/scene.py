"""Contracts deployed, people with money, and channels between them: what every test of the contracts starts from.

Every call goes through `thalweg.chain.calls`, and every log is folded, so the two are tested along with the contracts.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from eth_abi import abi as codec
from tests.contracts.evm import Account, Evm, Receipt, account

from thalweg.chain.artefacts import ADJUDICATOR, PRICER, QUORUM_ORACLE, RESOLVER, SUBCHANNELS, TEST_TOKEN, entries
from thalweg.chain.calls import Invocation, encode, fold, pack, signatures_of, terms_of
from thalweg.channel.claims import Claim
from thalweg.channel.hashes import (
    balances_hash,
    challenge_digest,
    channel_id,
    claims_root,
    deposit_digest,
    leaf,
    open_digest,
    opening_nonce,
    resume_digest,
    state_digest,
)
from thalweg.channel.onchain import (
    Call,
    ChallengeState,
    CloseChannel,
    OpenChannel,
    PayWithdrawal,
    Progress,
    Pull,
    RegisterReport,
    RespondState,
    SettleClaims,
    Shown,
    TopUp,
    View,
)
from thalweg.channel.sheet import ChannelState, Holding
from thalweg.channel.terms import CloseOut, Terms
from thalweg.codec import Domain, digest, words
from thalweg.crypto import keccak, sign
from thalweg.instruments.report import GRID_S, Mark, Settlement, Slice, oracle_domain, report_digest
from thalweg.units import (
    VERSION_FINAL,
    ZERO_HASH,
    Address,
    Amount,
    AssetIndex,
    ChannelId,
    Hash,
    Price,
    Seat,
    Signature,
    UnixSeconds,
    Version,
)

USD: Final = 10**6
FEED: Final = Hash(keccak(b"BTC-USD"))
CHALLENGE_S: Final = 3600
_PULL_AUTHORIZATION: Final = 2
_NO_PULL: Final = (0, 0, (bytes(32), bytes(32)))
SALT: Final = Hash(keccak(b"salt"))
SECRET: Final = b"a secret the participants share"
ORACLES: Final = tuple(account(f"oracle {index}") for index in range(4))


class State(msgspec.Struct, frozen=True):
    """A state in full, with every signature."""

    state: ChannelState
    holdings: tuple[Holding, ...]
    claims: tuple[Claim, ...]
    mark_time: UnixSeconds
    signatures: tuple[Signature, ...]

    @property
    def shown(self) -> Shown:
        """Return what `challenge` and `respond` take."""
        return Shown(self.state, self.signatures)


class Scene:
    """One chain with everything deployed on it."""

    def __init__(self, evm: Evm | None = None) -> None:
        self.evm = evm or Evm()
        self.pricer = self.evm.deploy(PRICER)
        self.resolver = self.evm.deploy(RESOLVER, self.pricer)
        self.adjudicator = self.evm.deploy(ADJUDICATOR, self.resolver)
        self.subchannels = self.evm.deploy(SUBCHANNELS, self.adjudicator, self.resolver)
        self.token = self.evm.deploy(TEST_TOKEN)
        self.oracle = self.evm.deploy(QUORUM_ORACLE, tuple(one.address for one in ORACLES), 3)
        self.separator = Domain(self.evm.chain_id, self.adjudicator).separator()
        self.nonce = 0

    def call(self, contract: str, function: str, *arguments: Any) -> Invocation:
        """Return a call of the adjudicator, the resolver or the oracle."""
        homes = {ADJUDICATOR: self.adjudicator, RESOLVER: self.resolver, QUORUM_ORACLE: self.oracle}
        return invocation(homes[contract], contract, function, *arguments)

    def give(self, who: Account, amount: int, token: Address | None = None) -> None:
        """Mint test tokens."""
        self.evm.tell(token or self.token, TEST_TOKEN, "mint", who.address, amount)

    def allow(self, who: Account, amount: int, token: Address | None = None) -> Receipt:
        """Let the adjudicator take tokens."""
        return self.evm.tell(token or self.token, TEST_TOKEN, "approve", self.adjudicator, amount, sender=who)

    def balance(self, who: Address, token: Address | None = None) -> int:
        """Return an account's tokens."""
        return int(self.evm.ask(token or self.token, TEST_TOKEN, "balanceOf", who))

    def permit(self, who: Account, amount: int, deadline: int) -> Pull:
        """Sign an EIP-2612 permit for the adjudicator, with the owner's next nonce."""
        nonce = self.evm.ask(self.token, TEST_TOKEN, "nonces", who.address)
        kind = keccak(b"Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")
        members = (who.address, self.adjudicator, amount, nonce, deadline)
        return Pull(UnixSeconds(deadline), _token_signature(self, who, kind, members))

    def with_authorizations(self, channel: "Channel", over: "Channel | None" = None) -> Invocation:
        """Return an opening paid by EIP-3009 authorizations, which name what they pay for (or another opening)."""
        pulls = [self.authorization(channel, seat, amount, over) for seat, amount in enumerate(channel.amounts)]
        name = "open_pair" if len(pulls) == len(channel.people) == 2 else "open"
        return tampered(channel.invocation(channel.opening()), name, _5=pulls)

    def authorization(self, channel: "Channel", seat: int, amount: Amount, over: "Channel | None" = None) -> Any:
        """Return how a participant lets his tokens be taken by an EIP-3009 authorization, as `open` takes it."""
        named = (over or channel).opening()
        nonce = open_digest(self.separator, (over or channel).id, named.amounts, named.payers, named.deadline)
        return self.authorized(channel.people[seat], amount, nonce)

    def authorized(self, who: Account, amount: int, nonce: Hash) -> Any:
        """Return a `Pull` by an EIP-3009 authorization, as the contract takes it; `nonce` is what it pays for."""
        kind = keccak(
            b"ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,"
            b"bytes32 nonce)"
        )
        until = self.evm.now() + 600
        members = (who.address, self.adjudicator, amount, 0, until, nonce)
        signature = _token_signature(self, who, kind, members)
        return _PULL_AUTHORIZATION, until, (signature[:32], signature[32:])

    def register(
        self,
        time: int,
        price: int,
        *,
        is_void: bool = False,
        signers: Sequence[int] = (0, 1, 2),
        keys: Sequence[Account] = ORACLES,
        feed: Hash = FEED,
    ) -> RegisterReport:
        """Return the registration of a report signed by these signers."""
        report = Settlement(feed, UnixSeconds(time), Price(price), is_void)
        message = report_digest(oracle_domain(self.evm.chain_id, self.oracle).separator(), report)
        return RegisterReport(
            self.oracle,
            feed,
            report.time,
            price,
            is_void,
            tuple(signers),
            tuple(sign(keys[index].key, message) for index in signers),
        )

    def speak(self, time: int, price: int, *, is_void: bool = False) -> None:
        """Have the oracle speak."""
        self.evm.send(encode(self.register(time, price, is_void=is_void), self.adjudicator))

    def mark(self, time: int, price: int, slices: tuple[Slice, ...] = (), *, is_void: bool = False) -> Receipt:
        """Have the oracle's mark of a tick registered."""
        return self.evm.send(self.marking(Mark(FEED, UnixSeconds(time), Price(price), is_void, slices)))

    def marking(self, report: Mark, signers: Sequence[int] = (0, 2, 3)) -> Invocation:
        """Return the registration of a mark signed by these signers."""
        message = report_digest(oracle_domain(self.evm.chain_id, self.oracle).separator(), report)
        signatures = [sign(ORACLES[index].key, message) for index in signers]
        entry = entries(QUORUM_ORACLE)["register_mark"]
        arguments = (
            report.feed, report.time, report.price, report.is_void,
            [msgspec.structs.astuple(one) for one in report.slices], signers,
            [(signature[:32], signature[32:]) for signature in signatures],
        )  # fmt: skip
        return Invocation(self.oracle, entry.selector + codec.encode(entry.inputs, arguments))

    def tick(self) -> int:
        """Return the newest tick of the one-minute grid."""
        now = self.evm.now()
        return now - now % GRID_S

    def expiry(self, in_s: int) -> int:
        """Return the first point of the one-minute grid that is at least so many seconds away."""
        return -(-(self.evm.now() + in_s) // GRID_S) * GRID_S

    def terms(self, people: Sequence[Account], **changes: Any) -> Terms:
        """Return terms nobody used before."""
        self.nonce += 1
        terms = Terms(
            participants=tuple(one.address for one in people),
            payouts=tuple(one.address for one in people),
            assets=(self.token,),
            settlement=AssetIndex(0),
            challenge_period_s=CHALLENGE_S,
            close_out=CloseOut.EXPIRY,
            exit_spread=0,
            oracle=self.oracle,
            risk_params_hash=Hash(keccak(b"risk parameters")),
            nonce=opening_nonce(self.nonce, tuple(one.address for one in people)),
        )
        return msgspec.structs.replace(terms, **changes)

    def channel(self, *names: str, amounts: Sequence[int] = (), **changes: Any) -> "Channel":
        """Return a channel that is not open yet."""
        people = tuple(account(name) for name in names or ("alice", "bob"))
        terms = self.terms(people, **changes)
        cells = len(people) * len(terms.assets)
        return Channel(self, people, terms, tuple(map(Amount, amounts or (100 * USD,) * cells)))

    def opened(self, *names: str, amounts: Sequence[int] = (), **changes: Any) -> "Channel":
        """Return a channel that is open and funded by allowances."""
        channel = self.channel(*names, amounts=amounts, **changes)
        channel.prepare()
        channel.do(channel.opening())
        return channel


class Channel:
    """One channel: its people sign, its calls go through the chain, its view is folded from the logs."""

    def __init__(self, scene: Scene, people: tuple[Account, ...], terms: Terms, amounts: tuple[Amount, ...]) -> None:
        self.scene = scene
        self.evm = scene.evm
        self.people = people
        self.terms = terms
        self.amounts = amounts
        self.view = View()

    @property
    def id(self) -> ChannelId:
        """Return the channel's id."""
        return channel_id(self.scene.separator, self.terms)

    @property
    def deadline(self) -> UnixSeconds:
        """Return the dispute's deadline."""
        assert self.view.dispute is not None
        return self.view.dispute.deadline

    def prepare(self) -> None:
        """Give everybody the tokens he funds the channel with, and the adjudicator the allowances."""
        for cell, amount in enumerate(self.amounts):
            seat, asset = divmod(cell, len(self.terms.assets))
            token = self.terms.assets[asset]
            if any(token):
                self.scene.give(self.people[seat], amount, token)
                self.scene.allow(self.people[seat], amount, token)

    def invocation(self, call: Call) -> Invocation:
        """Return the transaction of a call."""
        return encode(call, self.scene.adjudicator, self.scene.resolver)

    def do(self, call: Call, sender: Account | None = None) -> Receipt:
        """Send a call and fold its logs."""
        return self.fold(self.evm.send(self.invocation(call), sender))

    def fold(self, receipt: Receipt) -> Receipt:
        """Fold a transaction's logs into the view."""
        for log in receipt.logs:
            if log.address == self.scene.adjudicator:
                self.view = fold(self.view, log)
        return receipt

    def fold_own(self, receipt: Receipt) -> Receipt:
        """Fold those of a transaction's logs that are about this channel."""
        for log in receipt.logs:
            if log.address == self.scene.adjudicator and log.topics[1:2] == (self.id,):
                self.view = fold(self.view, log)
        return receipt

    def resumption(self, version: int, signatures: Sequence[tuple[bytes, bytes]]) -> Invocation:
        """Return the call that calls a dispute off."""
        return invocation(self.scene.adjudicator, ADJUDICATOR, "resume", terms_of(self.terms), version, signatures)

    def tampered(self, call: Call, function: str, **changes: Any) -> Invocation:
        """Return a call with arguments replaced by their position: `_3=...`."""
        return tampered(self.invocation(call), function, **changes)

    def refusal(self, call: Call, sender: Account | None = None) -> str:
        """Return why a call would be refused now."""
        return self.evm.refusal(self.invocation(call), sender)

    def opening(self, **changes: Any) -> OpenChannel:
        """Return the call that opens the channel, signed by everybody."""
        payers = tuple(changes.pop("payers", [one.address for one in self.people]))
        deadline = UnixSeconds(changes.pop("deadline", self.evm.now() + 600))
        message = open_digest(self.scene.separator, self.id, self.amounts, payers, deadline)
        call = OpenChannel(
            self.terms,
            self.amounts,
            payers,
            deadline,
            tuple(sign(one.key, message) for one in self.people),
            tuple(Pull() for _ in self.amounts),
        )
        return msgspec.structs.replace(call, **changes)

    def top_up(self, seat: int, amount: int, asset: int = 0, **changes: Any) -> TopUp:
        """Return the call that adds to a participant's deposit."""
        total = self.view.deposited[seat * len(self.terms.assets) + asset] + amount
        deadline = UnixSeconds(self.evm.now() + 600)
        message = deposit_digest(self.scene.separator, self.id, seat, asset, total, deadline)
        call = TopUp(
            self.terms,
            self.view.deposited,
            self.view.withdrawn,
            Seat(seat),
            asset,
            Amount(amount),
            deadline,
            sign(self.people[seat].key, message),
            Pull(),
        )
        return msgspec.structs.replace(call, **changes)

    def state(
        self,
        version: int,
        balances: Sequence[int | Holding],
        claims: Sequence[Claim] = (),
        mark_time: int = 0,
        signers: Sequence[Account] | None = None,
    ) -> State:
        """Return a state everybody signed; plain balances count what the chain holds and leave all of it free."""
        holdings = tuple(
            one
            if isinstance(one, Holding)
            else Holding(Amount(one), Amount(one), self.view.deposited[cell], self.view.withdrawn[cell])
            for cell, one in enumerate(balances)
        )
        leaves = tuple(leaf(claim, SECRET) for claim in claims)
        state = ChannelState(
            self.id,
            Version(version),
            balances_hash(holdings, SALT),
            claims_root(leaves, UnixSeconds(mark_time)),
        )
        message = state_digest(self.scene.separator, state)
        signatures = tuple(sign(one.key, message) for one in (self.people if signers is None else signers))
        return State(state, holdings, tuple(claims), UnixSeconds(mark_time), signatures)

    def implicit(self) -> State:
        """Return version 0: everybody has what he deposited."""
        state = ChannelState(self.id, Version(0), ZERO_HASH, ZERO_HASH)
        return State(state, (Holding(),) * len(self.amounts), (), UnixSeconds(0), ())

    def final(self, balances: Sequence[int | Holding]) -> State:
        """Return a final state."""
        return self.state(VERSION_FINAL, balances)

    def withdrawal(self, state: State) -> PayWithdrawal:
        """Return the call that pays a state's withdrawals."""
        return PayWithdrawal(self.terms, self.view.deposited, self.view.withdrawn, state.shown, state.holdings, SALT)

    def closing(self, state: State) -> CloseChannel:
        """Return the call that closes by a final state."""
        return CloseChannel(self.terms, self.view.deposited, self.view.withdrawn, state.shown, state.holdings, SALT)

    def plain_opening(self, call: OpenChannel) -> Invocation:
        """Return the call that opens the channel as channels of any size do, which cheaper ones need not."""
        pulls = [
            (1, pull.deadline, (pull.signature[:32], pull.signature[32:])) if pull.signature else _NO_PULL
            for pull in call.pulls
        ]
        return invocation(
            self.scene.adjudicator, ADJUDICATOR, "open", terms_of(call.terms), call.amounts, call.payers,
            call.deadline, signatures_of(call.signatures), pulls,
        )  # fmt: skip

    def plain_closing(self, state: State) -> Invocation:
        """Return the call that closes by a final state as channels of any size do, which cheaper ones need not."""
        call = self.closing(state)
        holdings = [(pack(one.balance, one.free), pack(one.deposited, one.withdrawn)) for one in call.holdings]
        totals = [pack(*total) for total in zip(call.deposited, call.withdrawn, strict=True)]
        signed = signatures_of(call.shown.signatures)
        return invocation(
            self.scene.adjudicator, ADJUDICATOR, "close", terms_of(self.terms), totals, holdings, call.salt, signed
        )

    def challenge(self, state: State, seat: int = 0, signer: Account | None = None, **changes: Any) -> ChallengeState:
        """Return the call that starts a dispute."""
        valid_until = UnixSeconds(changes.pop("valid_until", self.evm.now() + 600))
        message = challenge_digest(self.scene.separator, self.id, state.state.version, valid_until)
        signature = sign((signer or self.people[seat]).key, message)
        call = ChallengeState(self.terms, state.shown, Seat(seat), valid_until, signature)
        return msgspec.structs.replace(call, **changes)

    def answer(self, state: State) -> RespondState:
        """Return the call that answers a dispute."""
        return RespondState(self.terms, state.shown)

    def settlement(self, state: State, upto: int | None = None) -> SettleClaims:
        """Return the call that settles up to a claim; all of them by default."""
        dispute = self.view.dispute
        return SettleClaims(
            self.terms,
            self.view.deposited,
            self.view.withdrawn,
            state.state,
            state.holdings,
            SALT,
            state.mark_time,
            state.claims,
            SECRET,
            dispute.progress if dispute else Progress(),
            len(state.claims) if upto is None else upto,
        )

    def resume_signatures(self, version: int, deadline: int) -> list[tuple[bytes, bytes]]:
        """Return everybody's signature over Resume, as the contract takes them."""
        message = resume_digest(self.scene.separator, self.id, Version(version), UnixSeconds(deadline))
        signatures = (sign(one.key, message) for one in self.people)
        return [(signature[:32], signature[32:]) for signature in signatures]

    def wait(self) -> None:
        """Let the dispute's deadline come."""
        self.evm.travel(max(self.deadline, self.evm.now() + 1))

    def wallets(self) -> tuple[int, ...]:
        """Return what everybody's payout address has of the first asset."""
        return tuple(self.scene.balance(payout) for payout in self.terms.payouts)


def invocation(to: Address, contract: str, function: str, *arguments: Any) -> Invocation:
    """Return a call of one of our contracts."""
    entry = entries(contract)[function]
    return Invocation(to, entry.selector + codec.encode(entry.inputs, arguments))


def tampered(invocation: Invocation, function: str, **changes: Any) -> Invocation:
    """Return a call of the adjudicator, or a `resolve`, with arguments replaced by their position: `_3=...`."""
    entry = entries(RESOLVER if function == "resolve" else ADJUDICATOR)[function]
    arguments = list(codec.decode(entry.inputs, invocation.data[4:]))
    for position, value in changes.items():
        arguments[int(position[1:])] = value
    data = entry.selector + codec.encode(entry.inputs, arguments)
    return msgspec.structs.replace(invocation, data=data)


def _token_signature(scene: Scene, who: Account, kind: Hash, members: Sequence[Any]) -> Signature:
    separator = scene.evm.ask(scene.token, TEST_TOKEN, "DOMAIN_SEPARATOR")
    return sign(who.key, digest(separator, keccak(words((kind, *members)))))
