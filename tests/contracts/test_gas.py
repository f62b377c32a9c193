"""What each step costs, in receipts' gasUsed, in one setting: two participants, one ERC-20, payees that already hold
tokens, a contract that already holds another channel's. A figure may fall, never rise: after a change that lowers one,
`make gas` writes the snapshot again."""

import json
from pathlib import Path
from typing import Final

import pytest
from eth_abi import abi as codec
from tests.contracts.batches import batched
from tests.contracts.claims import option, position
from tests.contracts.compiled import creation_code
from tests.contracts.evm import account
from tests.contracts.family import Kid, lending
from tests.contracts.scene import USD, Channel, Scene

from thalweg.chain.artefacts import BATCH
from thalweg.chain.calls import Invocation
from thalweg.channel.sheet import Holding
from thalweg.crypto import keccak
from thalweg.units import Amount

SNAPSHOT: Final = Path(__file__).parent / "gas.snapshot"
DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "contracts.md"
CEILINGS: Final = {
    "open_permit_first": 160_000,
    "open_permit": 160_000,
    "open_authorization": 160_000,
    "open_approve": 195_000,  # with the two approvals
    "close": 85_000,
    "challenge": 80_000,
    "respond": 62_000,
    "settle": 65_000,
    "withdraw": 90_000,
    "topup": 60_000,
    "extra_party_close": 26_000,
    "position_each": 12_000,
    "batch_close_each": 45_000,
    "virtual_exit": 400_000,
    "mark_price": 12_000,
}


def measure(scene: Scene) -> dict[str, int]:
    """Return every figure."""
    scene.opened("carol", "dave")
    for name in ("alice", "bob", "erin", "frank"):
        scene.give(account(name), USD)
    return {
        "open_permit_first": _open_by_permit(scene),
        "open_permit": _open_by_permit(scene),
        "open_authorization": _open_by_authorization(scene),
        "open_approve": _open_by_approval(scene),
        "topup": _top_up(scene),
        "withdraw": _withdraw(scene),
        **_closings(scene),
        **_dispute(scene),
        "position": _positions(scene, 1),
        "position_each": (_positions(scene, 5) - _positions(scene, 1)) // 4,
        "batch_close_each": _batch_close(scene, 100) // 100,
        "virtual_exit": _virtual_exit(scene),
        "mark_price": _mark_price(scene),
    }


def _mark_price(scene: Scene) -> int:
    """Return what the model price of an option between two slices costs, without the call."""
    one = (4 * 10**6, 10**7, -3 * 10**7, 10**6, 10**7)
    smile = (60_000 * 10**8, 2 * 2**64 // 3, 2**64 // 3, one, one)
    parameters = "(int256,uint256,int256,int256,uint256)"
    inputs = (f"(uint256,uint256,uint256,{parameters},{parameters})", "uint256")
    data = keccak(f"call_value({','.join(inputs)})".encode())[:4] + codec.encode(inputs, (smile, 65_000 * 10**8))
    answer = scene.evm.view(Invocation(scene.evm.create(creation_code("Marks")), data))
    _, gas = codec.decode(("uint256", "uint256"), answer)
    return int(gas)


def _batch_close(scene: Scene, count: int) -> int:
    """Close this many channels of a hub in one transaction."""
    channels = [scene.opened("hub", f"spoke {index}") for index in range(count)]
    for channel in channels:
        scene.give(channel.people[1], USD)
    scene.give(account("hub"), USD)
    closings = [channel.invocation(channel.closing(channel.final((120 * USD, 80 * USD)))) for channel in channels]
    return scene.evm.send(batched(scene.evm.deploy(BATCH), closings), gas=20_000_000).gas_used


def _virtual_exit(scene: Scene) -> int:
    """Everything one side of a virtual channel does to be paid: parent and child disputed, then settled."""
    parent = scene.opened("alice", "hal")
    kid = Kid(scene, ("alice", "bob"), (30 * USD, 20 * USD), scene.evm.now() + 86_400, [parent])
    scene.give(account("hal"), USD)
    state = lending(parent, (30 * USD, 20 * USD), [kid.claim(1, (0, 1), (30 * USD, 20 * USD))])
    newest = kid.state(9, (45 * USD, 5 * USD))
    gas = parent.do(parent.challenge(state)).gas_used + kid.do(kid.challenge(newest, parent)).gas_used
    kid.wait()
    return gas + kid.do(kid.settlement(newest)).gas_used + parent.do(parent.settlement(state)).gas_used


def _open_by_permit(scene: Scene) -> int:
    channel = scene.channel()
    _fund(channel)
    until = scene.evm.now() + 600
    people = zip(channel.people, channel.amounts, strict=True)
    pulls = tuple(scene.permit(person, amount, until) for person, amount in people)
    return channel.do(channel.opening(pulls=pulls)).gas_used


def _open_by_authorization(scene: Scene) -> int:
    channel = scene.channel()
    _fund(channel)
    return scene.evm.send(scene.with_authorizations(channel)).gas_used


def _open_by_approval(scene: Scene) -> int:
    channel = scene.channel()
    _fund(channel)
    people = zip(channel.people, channel.amounts, strict=True)
    approvals = sum(scene.allow(person, amount).gas_used for person, amount in people)
    return approvals + channel.do(channel.opening()).gas_used


def _fund(channel: Channel) -> None:
    for person, amount in zip(channel.people, channel.amounts, strict=True):
        channel.scene.give(person, amount)


def _top_up(scene: Scene) -> int:
    channel = scene.opened()
    alice = channel.people[0]
    scene.give(alice, 10 * USD)
    scene.allow(alice, 10 * USD)
    return channel.do(channel.top_up(0, 10 * USD), alice).gas_used


def _withdraw(scene: Scene) -> int:
    channel = scene.opened()
    spent = Holding(Amount(90 * USD), Amount(0), Amount(100 * USD), Amount(10 * USD))
    return channel.do(channel.withdrawal(channel.state(3, (spent, 100 * USD)))).gas_used


def _closings(scene: Scene) -> dict[str, int]:
    """Return what closing costs two, and what a third and a fourth add; two have a shorter call of their own."""
    people = ("alice", "bob", "erin", "frank")
    two, three, four = (_close(scene, *people[:count]) for count in (2, 3, 4))
    return {"close": two, "third_party_close": three - two, "extra_party_close": four - three}


def _close(scene: Scene, *names: str) -> int:
    channel = scene.opened(*names)
    balances = (120 * USD, 80 * USD, 100 * USD, 100 * USD)[: len(names)]
    return channel.do(channel.closing(channel.final(balances))).gas_used


def _dispute(scene: Scene) -> dict[str, int]:
    channel = scene.opened()
    challenge = channel.do(channel.challenge(channel.state(5, (120 * USD, 80 * USD)))).gas_used
    newer = channel.state(7, (90 * USD, 110 * USD))
    respond = channel.do(channel.answer(newer)).gas_used
    channel.wait()
    settle = channel.do(channel.settlement(newer)).gas_used
    return {"challenge": challenge, "respond": respond, "settle": settle}


def _positions(scene: Scene, count: int) -> int:
    channel = scene.opened()
    expiry = scene.expiry(100)
    claims = tuple(
        position(number, option(scene.oracle, 60_000 + 100 * number, expiry), 0.01, number % 2, 1 - number % 2)
        for number in range(1, count + 1)
    )
    held = (Holding(Amount(100 * USD), Amount(0), Amount(100 * USD)),) * 2
    state = channel.state(5, held, claims, mark_time=expiry - 60)
    channel.do(channel.challenge(state))
    channel.wait()
    scene.speak(expiry, 60_900 * 10**8)
    return channel.do(channel.settlement(state)).gas_used


@pytest.fixture(scope="module")
def figures() -> dict[str, int]:
    return measure(Scene())


def test_no_figure_grows(figures: dict[str, int]) -> None:
    snapshot = json.loads(SNAPSHOT.read_text())
    assert figures.keys() == snapshot.keys()
    grown = {name: (snapshot[name], gas) for name, gas in figures.items() if gas > snapshot[name]}
    assert not grown


def test_the_document_states_every_figure() -> None:
    text = DOCUMENT.read_text()
    missing = [name for name, gas in json.loads(SNAPSHOT.read_text()).items() if f"| {gas:,} |" not in text]
    assert not missing


@pytest.mark.parametrize("step", CEILINGS)
def test_every_step_stays_below_its_ceiling(figures: dict[str, int], step: str) -> None:
    assert figures[step] <= CEILINGS[step]
