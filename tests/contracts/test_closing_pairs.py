"""Two participants with one asset may close in fixed sizes, which does what the general closing does."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contracts.scene import USD, Channel, Scene, State, tampered

from thalweg.chain.artefacts import ADJUDICATOR
from thalweg.channel.sheet import Holding
from thalweg.units import NATIVE, Amount

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
    paid = channel.state(2, (Holding(Amount(0), Amount(0), Amount(100 * USD), Amount(30 * USD)), 100 * USD))
    channel.do(channel.withdrawal(paid))
    if is_disputed:
        channel.do(channel.challenge(paid))

    fixed, general = _both(channel, channel.final(pair))

    assert fixed == general
    assert fixed[0] == ""
    scene.evm.revert(here)


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
