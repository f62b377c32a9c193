"""Two participants with one asset may open and close in fixed sizes, which does what the general calls do."""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contracts.evm import account
from tests.contracts.scene import USD, Channel, Scene, State, tampered

from thalweg.chain.artefacts import ADJUDICATOR
from thalweg.channel.sheet import Holding
from thalweg.channel.terms import CloseOut
from thalweg.units import NATIVE, Amount

ALICE, BOB = account("alice").address, account("bob").address
FUNDINGS: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {
    "plain": ((70, 30), {}),
    "by permit": ((70, 30), {}),
    "one pays": ((0, 30), {}),
    "nobody pays": ((0, 0), {}),
    "at the mark": ((70, 30), {"terms": {"close_out": CloseOut.MARK, "exit_spread": 10**8 - 1}}),
    "no allowance": ((70, 30), {}),
    "swapped signatures": ((70, 30), {}),
    "coins too many": ((70, 30), {}),
    "too late": ((70, 30), {"call": {"deadline": 1}}),
    "too much": ((2**124, 30), {}),
    "too much for the other": ((70, 2**124), {}),
    "one twice": ((70, 30), {"terms": {"participants": (ALICE, ALICE)}}),
    "paid at nowhere": ((70, 30), {"terms": {"payouts": (NATIVE, BOB)}}),
    "the other paid at nowhere": ((70, 30), {"terms": {"payouts": (ALICE, NATIVE)}}),
    "all of the spread": ((70, 30), {"terms": {"exit_spread": 10**8}}),
    "other payers": ((70, 30), {"call": {"payers": (BOB, ALICE)}}),
}
ACCEPTED = ("plain", "by permit", "one pays", "nobody pays", "at the mark")
amounts = st.sampled_from((0, 1, 50 * USD, 100 * USD, 200 * USD, 2**128 - 1)) | st.integers(0, 2**128 - 1)
holdings = st.builds(lambda *four: Holding(*map(Amount, four)), amounts, amounts, amounts, amounts)


def _both(channel: Channel, state: State) -> list[tuple[str, tuple[int, ...], int, int]]:
    """Return how each of the two closings ends: refusal, wallets, custody, and the channel's word."""
    scene = channel.scene
    ends = []
    for call in (channel.invocation(channel.closing(state)), channel.plain_closing(state)):
        here = scene.evm.snapshot()
        refusal = scene.evm.refusal(call)
        if not refusal:
            scene.evm.send(call)
        word = scene.evm.ask(scene.adjudicator, ADJUDICATOR, "funding", channel.id)
        coins = tuple(scene.evm.coins(payout) for payout in channel.terms.payouts)
        ends.append(
            (
                refusal,
                channel.wallets() if any(channel.terms.assets[0]) else coins,
                scene.balance(scene.adjudicator),
                word,
            )
        )
        scene.evm.revert(here)
    return ends


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pair=st.tuples(holdings, holdings), is_disputed=st.booleans(), is_native=st.booleans())
def test_a_pair_is_closed_as_any_channel_is(
    scene: Scene, pair: tuple[Holding, Holding], is_disputed: bool, is_native: bool
) -> None:
    here = scene.evm.snapshot()
    scene.opened("carol", "dave")  # whose money is nobody else's
    channel = scene.opened(assets=(NATIVE if is_native else scene.token,), exit_spread=7, challenge_period_s=60)
    spent = [Holding(Amount(0), Amount(0), Amount(100 * USD), Amount(out * USD)) for out in (30, 20)]
    paid = channel.state(2, spent)
    channel.do(channel.withdrawal(paid))
    if is_disputed:
        channel.do(channel.challenge(paid))

    fixed, general = _both(channel, channel.final(pair))

    assert fixed == general
    assert fixed[0] == ""
    scene.evm.revert(here)


@pytest.mark.parametrize("is_native", [False, True])
@pytest.mark.parametrize("how", FUNDINGS)
def test_a_pair_is_opened_as_any_channel_is(scene: Scene, how: str, is_native: bool) -> None:
    """Whatever is wrong or odd about an opening, both refuse it for the same reason, or both do the same."""
    asset = NATIVE if is_native else scene.token
    amounts, changes = FUNDINGS[how]
    channel = scene.channel(assets=(asset,), amounts=amounts, **changes.get("terms", {}))
    if how != "no allowance":
        channel.prepare()
    scene.evm.give_coins(scene.evm.sender.address, 2**126)
    call = channel.opening(**changes.get("call", {}))
    if how == "by permit":
        until = scene.evm.now() + 600
        people = zip(channel.people, channel.amounts, strict=True)
        call = msgspec.structs.replace(call, pulls=tuple(scene.permit(one, amount, until) for one, amount in people))
    if how == "swapped signatures":
        call = msgspec.structs.replace(call, signatures=call.signatures[::-1])
    fixed = channel.invocation(call)
    general = msgspec.structs.replace(channel.plain_opening(call), value=fixed.value)
    if how == "coins too many":
        fixed, general = (msgspec.structs.replace(one, value=one.value + 1) for one in (fixed, general))
    assert fixed.data[:4] != general.data[:4]
    ends = []
    for one in (fixed, general):
        here = scene.evm.snapshot()
        refusal = scene.evm.refusal(one)
        logs = () if refusal else scene.evm.send(one).logs
        word = scene.evm.ask(scene.adjudicator, ADJUDICATOR, "funding", channel.id)
        again = scene.evm.refusal(one)
        ends.append((refusal, logs, word, channel.wallets(), scene.evm.coins(scene.adjudicator), again))
        scene.evm.revert(here)

    assert ends[0] == ends[1]
    assert (ends[0][0] == "") == (how in ACCEPTED or (is_native and how == "no allowance"))


@pytest.mark.parametrize("shown", ["swapped", "one signer", "no final", "other salt", "older totals", "closed"])
def test_a_pairs_closing_refuses_what_the_general_one_refuses(scene: Scene, shown: str) -> None:
    channel = scene.opened()
    state = channel.final((150 * USD, 50 * USD))
    if shown == "swapped":
        state = channel.state(2**40 - 1, (150 * USD, 50 * USD), signers=channel.people[::-1])
    elif shown == "one signer":
        state = channel.state(2**40 - 1, (150 * USD, 50 * USD), signers=channel.people[:1] * 2)
    elif shown == "no final":
        state = channel.state(2**40 - 2, (150 * USD, 50 * USD))
    elif shown == "older totals":
        alice = channel.people[0]
        scene.give(alice, 5)
        scene.allow(alice, 5)
        before = channel.view
        channel.do(channel.top_up(0, 5), alice)
        channel.view = before
    elif shown == "closed":
        channel.do(channel.closing(state))
    fixed, general = channel.invocation(channel.closing(state)), channel.plain_closing(state)
    if shown == "other salt":
        fixed, general = tampered(fixed, "close_pair", _3=bytes(32)), tampered(general, "close", _3=bytes(32))

    assert scene.evm.refusal(fixed) == scene.evm.refusal(general) != ""


def test_only_channels_of_two_with_one_asset_close_in_fixed_sizes(scene: Scene) -> None:
    pair, trio = scene.opened(), scene.opened("alice", "bob", "carol")
    both = scene.opened(assets=(scene.token, NATIVE), amounts=(1, 1, 1, 1))

    sent = [one.invocation(one.closing(one.final(one.amounts))).data[:4] for one in (pair, trio, both)]

    assert sent[0] != sent[1] == sent[2]
    unsigned = msgspec.structs.replace(pair.final((0, 0)), signatures=())
    assert pair.refusal(pair.closing(unsigned)) == "adjudicator: wrong signer"
