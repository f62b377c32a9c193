"""Many channels at once, and none in the way of another."""

import pytest
from tests.contracts.batches import batched, deploy_batch
from tests.contracts.evm import account
from tests.contracts.scene import USD, Channel, Scene

from thalweg.chain.artefacts import BATCH, entries
from thalweg.chain.calls import Invocation


def _spokes(scene: Scene, count: int) -> list[Channel]:
    return [scene.opened("hub", f"spoke {index}") for index in range(count)]


def _send(scene: Scene, calls: list[Invocation]) -> list[int]:
    """Send a batch; return the indices of what failed."""
    receipt = scene.evm.send(batched(deploy_batch(scene), calls), gas=20_000_000)
    failed = entries(BATCH)["Failed"].hash
    return [int.from_bytes(log.data[:32]) for log in receipt.logs if log.topics[0] == failed]


def test_a_hub_closes_its_channels_in_one_transaction(scene: Scene) -> None:
    spokes = _spokes(scene, 3)

    assert _send(scene, [one.invocation(one.closing(one.final((150 * USD, 50 * USD)))) for one in spokes]) == []

    assert scene.balance(account("hub").address) == 450 * USD
    assert [one.wallets()[1] for one in spokes] == [50 * USD] * 3


def test_somebody_who_was_faster_stops_none_of_the_others(scene: Scene) -> None:
    spokes = _spokes(scene, 3)
    finals = [one.final((150 * USD, 50 * USD)) for one in spokes]
    calls: list[Invocation] = [one.invocation(one.closing(final)) for one, final in zip(spokes, finals, strict=True)]
    spokes[1].do(spokes[1].closing(finals[1]), spokes[1].people[1])

    assert _send(scene, calls) == [1]

    assert scene.balance(account("hub").address) == 450 * USD


def test_answers_and_settlements_go_in_batches_too(scene: Scene) -> None:
    spokes = _spokes(scene, 2)
    for one in spokes:
        one.do(one.challenge(one.state(1, (0, 200 * USD)), seat=1))
    newest = [one.state(9, (130 * USD, 70 * USD)) for one in spokes]

    assert _send(scene, [one.invocation(one.answer(state)) for one, state in zip(spokes, newest, strict=True)]) == []
    spokes[1].wait()
    assert (
        _send(scene, [one.invocation(one.settlement(state)) for one, state in zip(spokes, newest, strict=True)]) == []
    )

    assert scene.balance(account("hub").address) == 260 * USD


@pytest.mark.parametrize(
    ("count", "size", "is_taken"), [(128, 4, True), (129, 4, False), (1, 1184, True), (1, 1185, False)]
)
def test_a_batch_is_of_128_calls_of_two_peoples_closings_at_most(
    scene: Scene, count: int, size: int, is_taken: bool
) -> None:
    call = batched(deploy_batch(scene), [Invocation(scene.token, bytes(size))] * count)

    assert (scene.evm.refusal(call) == "") == is_taken


def test_a_batch_tells_why_a_call_failed(scene: Scene) -> None:
    (one,) = _spokes(scene, 1)
    call = one.invocation(one.answer(one.state(9, (130 * USD, 70 * USD))))

    receipt = scene.evm.send(batched(deploy_batch(scene), [call]))

    assert b"adjudicator: wrong phase" in receipt.logs[0].data
