import pytest
from tests.contracts.claims import option, position
from tests.contracts.evm import account
from tests.contracts.scene import USD, Scene

from thalweg.chain.calls import CHANNEL_TOPICS, Log, channel_of, encode, fold
from thalweg.channel.onchain import View
from thalweg.channel.sheet import Holding
from thalweg.errors import InvariantBroken
from thalweg.units import Address, Amount


def test_every_log_of_a_channel_names_it(scene: Scene) -> None:
    channel = scene.channel()
    channel.prepare()

    receipt = channel.do(channel.opening())

    ours = [log for log in receipt.logs if log.topics[0] in CHANNEL_TOPICS]
    assert [channel_of(log) for log in ours] == [channel.id]
    assert len(CHANNEL_TOPICS) == len(set(CHANNEL_TOPICS)) == 8


def test_a_log_that_is_not_a_channels_changes_nothing(scene: Scene) -> None:
    view = scene.opened().view
    stranger = Log(Address(bytes(20)), (b"\x77" * 32,), b"")

    assert fold(view, stranger) == view
    assert fold(View(), Log(Address(bytes(20)), (), b"")) == View()


def test_a_missed_log_is_noticed(scene: Scene) -> None:
    channel = scene.channel()
    channel.prepare()
    (opened,) = (log for log in channel.do(channel.opening()).logs if log.topics[0] in CHANNEL_TOPICS)
    before = channel.view
    (answered,) = _answer(scene)

    with pytest.raises(InvariantBroken, match="folded before"):
        fold(before, opened)
    with pytest.raises(InvariantBroken, match="missed"):
        fold(View(), answered)
    with pytest.raises(InvariantBroken, match="challenge was missed"):
        fold(before, answered)


def _answer(scene: Scene) -> tuple[Log, ...]:
    channel = scene.opened()
    channel.do(channel.challenge(channel.implicit()))
    return channel.do(channel.answer(channel.state(2, (100 * USD, 100 * USD)))).logs


def test_a_call_for_another_contract_than_the_adjudicator_goes_there(scene: Scene) -> None:
    report = scene.register(scene.evm.now(), 5)

    assert encode(report, scene.adjudicator).to == scene.oracle


def test_a_view_folded_from_logs_settles_what_a_stranger_settled_in_part(scene: Scene) -> None:
    channel = scene.opened()
    expiry = scene.expiry(100)
    claims = tuple(position(number, option(scene.oracle, 60_000, expiry), 0.01) for number in (1, 2, 3))
    held = (Holding(Amount(100 * USD), Amount(0), Amount(100 * USD)),) * 2
    state = channel.state(3, held, claims)
    channel.do(channel.challenge(state))
    channel.wait()
    scene.speak(expiry, 60_700 * 10**8)

    for upto in (1, 2, 3):
        channel.do(channel.settlement(state, upto), account("stranger"))

    assert channel.view.closed
    assert channel.wallets() == (121 * USD, 79 * USD)
