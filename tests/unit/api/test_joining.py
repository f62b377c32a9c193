"""What a node looks at before it joins a channel, and how much it leaves undecided in it."""

import asyncio
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.api import opening_methods
from thalweg.api.backend import Asset
from thalweg.api.joining import check_challenge_period, check_opening, check_room, objection, undecided_max
from thalweg.api.opening_methods import accept
from thalweg.api.params import Accept
from thalweg.api.views import proposal_view
from thalweg.app.strategy import Autopilot, Strategy
from thalweg.channel.effects import Notify, Topic
from thalweg.channel.events import AcceptRequested, DeclineRequested, Policy
from thalweg.channel.opening import Opening
from thalweg.channel.terms import CloseOut, Terms
from thalweg.errors import Reason, Unavailable, UserFault
from thalweg.units import Address, Amount, AssetIndex, ChannelId, Hash, Seat, UnixSeconds

ALICE, BOB, MALLORY = (Address(letter * 20) for letter in (b"a", b"b", b"m"))
ORACLE, USDC, ROCKS = (Address(letter * 20) for letter in (b"o", b"u", b"r"))
WETH = Address(b"w" * 20)
TERMS = Terms(
    participants=(ALICE, BOB),
    payouts=(ALICE, BOB),
    assets=(USDC,),
    settlement=AssetIndex(0),
    challenge_period_s=600,
    close_out=CloseOut.EXPIRY,
    exit_spread=0,
    oracle=ORACLE,
    risk_params_hash=Hash(bytes(32)),
    nonce=1,
)


def backend(room: int = 1) -> Any:
    """Bob's node."""
    identity = SimpleNamespace(payout=BOB, payer=BOB)
    return SimpleNamespace(
        engine=SimpleNamespace(node=SimpleNamespace(identity=identity, channels={}, openings={})),
        oracle=ORACLE,
        assets={USDC: Asset(USDC, "USDC", 6), WETH: Asset(WETH, "WETH", 18)},
        settlement=Asset(USDC, "USDC", 6),
        asset=lambda address: _known(address),
        challenge_period_s_min=600,
        room=lambda known: room - len(known),
    )


def _known(address: Address) -> Address:
    if address not in (USDC, WETH):
        raise UserFault(Reason.UNKNOWN_INSTRUMENT, "not one of this node's")
    return address


def opening(payers: tuple[Address, ...] = (ALICE, BOB), **changes: Any) -> Opening:
    terms = msgspec.structs.replace(TERMS, **changes)
    return Opening(
        id=ChannelId(b"c" * 32),
        separator=Hash(bytes(32)),
        terms=terms,
        seat=Seat(1),
        amounts=(Amount(0), Amount(10**9)) * len(terms.assets),
        payers=payers,
        peers=(b"alice", b"bob"),
        deadline=UnixSeconds(1_800_000_000),
        secret=Hash(bytes(32)),
        authorizations=(None, None),
    )


def test_a_channel_by_the_nodes_own_oracle_token_and_accounts_is_joined() -> None:
    check_opening(backend(), opening())
    check_opening(backend(), opening(assets=(WETH, USDC), settlement=AssetIndex(1), challenge_period_s=86_400))
    assert objection(backend(), opening()) == ""


@pytest.mark.parametrize(
    ("proposed", "reason", "said"),
    [
        (opening(payouts=(ALICE, MALLORY)), Reason.MALFORMED, "do not trust"),
        (opening(payers=(ALICE, MALLORY)), Reason.MALFORMED, "do not trust"),
        (opening(oracle=MALLORY), Reason.WRONG_CONTRACT, f"0x{MALLORY.hex()}"),
        (opening(assets=(ROCKS,)), Reason.UNKNOWN_INSTRUMENT, ""),
        (opening(assets=(USDC, ROCKS)), Reason.UNKNOWN_INSTRUMENT, ""),
        (opening(assets=(USDC, WETH), settlement=AssetIndex(1)), Reason.UNKNOWN_INSTRUMENT, "USDC"),
        (opening(challenge_period_s=599), Reason.MALFORMED, "600 s"),
        (opening(close_out=CloseOut.MARK), Reason.UNKNOWN_FEATURE, "mark"),
        (opening(risk_params_hash=Hash(b"r" * 32)), Reason.UNKNOWN_FEATURE, "collateral"),
        (opening(participants=(ALICE, BOB, MALLORY)), Reason.UNKNOWN_FEATURE, "two"),
    ],
)  # fmt: skip
def test_a_channel_that_could_cost_the_deposit_is_not_joined_and_its_view_says_why(
    proposed: Opening, reason: Reason, said: str
) -> None:
    with pytest.raises(UserFault) as refusal:
        check_opening(backend(), proposed)
    assert refusal.value.reason is reason
    assert said in refusal.value.detail
    assert objection(backend(), proposed) == str(refusal.value)


def test_what_is_not_joined_cannot_be_accepted_either() -> None:
    bob = backend()
    proposed = opening(payouts=(ALICE, MALLORY))
    bob.engine.node.openings = {proposed.id: proposed}
    with pytest.raises(UserFault, match="do not trust"):
        asyncio.run(accept(bob, Accept(proposed.id.hex()[:8])))


@pytest.mark.parametrize("tries", [1, 3, None])
def test_accepting_waits_until_the_oracles_quorum_is_read_but_not_for_ever(
    tries: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that has just started used to say that it cannot judge, and the proposal ran out. `tries` None: never."""
    monkeypatch.setattr(opening_methods, "QUORUM_POLL_S", 0)
    bob, proposed = backend(), opening()
    bob.engine.node.openings = {proposed.id: proposed}
    bob.now = lambda: UnixSeconds(1)
    asked, accepted = [], []

    def policy(terms: Terms, amounts: tuple[Amount, ...], limit: Amount | None) -> Policy:
        asked.append(limit)
        if tries is None or len(asked) < tries:
            raise Unavailable(Reason.UNREACHABLE, "the quorum is not read yet")
        return Policy(undecided_max(terms, amounts, limit))

    async def settle(ask: Any, judge: Any, wait_s: float) -> None:
        accepted.append(ask())

    bob.policy, bob.request, bob.outcomes = policy, lambda event: event, SimpleNamespace(settle=settle)
    with pytest.raises(Unavailable):  # nothing settles the opening here
        asyncio.run(accept(bob, Accept(proposed.id.hex()[:8])))
    assert len(asked) == (tries or opening_methods.QUORUM_POLLS + 1)
    assert [type(event) for event in accepted] == ([AcceptRequested] if tries else [])


@pytest.mark.parametrize(("oracle", "decision"), [(ORACLE, AcceptRequested), (MALLORY, DeclineRequested)])
def test_the_autopilot_accepts_what_the_node_joins_and_declines_the_rest(oracle: Address, decision: type) -> None:
    bob, proposed = backend(), opening(oracle=oracle)
    bob.engine.node.openings = {proposed.id: proposed}
    bob.now = lambda: UnixSeconds(1)
    bob.policy = lambda terms, amounts, asked: Policy(undecided_max(terms, amounts, asked))
    notice = Notify(Topic.OPENING_PROPOSED, proposed.id)

    async def judge(limit: int) -> Any:
        return Autopilot(Strategy(channels_max=Amount(limit)), bob, lambda error: None)._judge_opening(notice)

    assert isinstance(asyncio.run(judge(10**9)), decision)
    if decision is AcceptRequested:
        assert asyncio.run(judge(10**9 - 1)) is None


def test_a_proposal_shows_all_that_a_user_has_to_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thalweg.api.views.PeerId", lambda raw: raw.decode())
    view = proposal_view(backend(), opening(payouts=(ALICE, MALLORY), challenge_period_s=1, oracle=ROCKS))
    assert view.payouts[view.seat] == f"0x{MALLORY.hex()}"
    assert view.payers == (f"0x{ALICE.hex()}", f"0x{BOB.hex()}")
    assert (view.oracle, view.challenge_period_s) == (f"0x{ROCKS.hex()}", 1)
    assert (view.settlement, view.close_out, view.own) == ("USDC", "expiry", ("1000",))
    assert view.objection.startswith(Reason.WRONG_CONTRACT)


def test_the_nodes_own_proposals_leave_time_to_answer_too() -> None:
    check_challenge_period(backend(), 600)
    with pytest.raises(UserFault, match="--challenge-period-min"):
        check_challenge_period(backend(), 1)


def test_a_key_that_can_sign_for_no_more_channels_is_told_at_the_opening() -> None:
    full = backend(room=2)
    full.engine.node.channels = {b"one": None}
    check_room(full)
    full.engine.node.openings = {b"two": None}
    with pytest.raises(UserFault) as refusal:
        check_room(full)
    assert refusal.value.reason is Reason.LIMIT


def test_a_proposal_counts_as_itself_when_it_is_accepted() -> None:
    full = backend(room=1)
    full.engine.node.openings = {b"this": None}
    check_room(full, ChannelId(b"this"))


@given(st.lists(st.integers(0, 2**100), min_size=4, max_size=4))
def test_a_tenth_of_what_was_deposited_may_be_undecided_unless_the_user_says_otherwise(deposits: list[int]) -> None:
    terms = msgspec.structs.replace(TERMS, assets=(WETH, USDC), settlement=AssetIndex(1))
    amounts = tuple(Amount(amount) for amount in deposits)
    tenths = tuple(max(1, (deposits[asset] + deposits[asset + 2]) // 10) for asset in range(2))
    assert undecided_max(terms, amounts, None) == tenths
    assert undecided_max(terms, amounts, Amount(7)) == (tenths[0], 7)
