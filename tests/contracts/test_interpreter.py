"""Our loop and py-evm's, side by side: the same calls cost the same gas, log the same and are refused for the same."""

from typing import Any

import pytest
from eth.vm.forks.prague.computation import PragueComputation
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contracts import evm
from tests.contracts.claims import option, position
from tests.contracts.evm import Evm, Reverted
from tests.contracts.scene import USD, Scene

from thalweg.chain.calls import Invocation
from thalweg.units import SCALE, Address


class _Plain(evm.Evm):
    """The same chain on py-evm's own loop."""

    def __init__(self) -> None:
        super().__init__()
        self._state.computation_class = PragueComputation


def _story(machine: Evm) -> list[Any]:
    """Open, dispute and settle a channel with positions; return every receipt."""
    scene = Scene(machine)
    channel = scene.channel()
    channel.prepare()
    expiry = scene.expiry(100)
    claims = tuple(position(number, option(scene.oracle, 60_000 + number, expiry), 0.01) for number in range(1, 4))
    receipts: list[Any] = [channel.do(channel.opening())]
    state = channel.state(5, (90 * USD, 110 * USD), claims)
    receipts.append(channel.do(channel.challenge(state)))
    channel.wait()
    scene.speak(expiry, 60_900 * SCALE)
    receipts.append(channel.do(channel.settlement(state)))
    receipts += [channel.refusal(channel.settlement(state)), scene.balance(channel.people[0].address)]
    return receipts


def test_both_loops_tell_the_same_story() -> None:
    assert _story(Evm()) == _story(_Plain())


_TWO = st.lists(st.integers(0, 255), min_size=1, max_size=40)
_LIKELY = st.sampled_from([*range(0x01, 0x20), *range(0x50, 0x63), *range(0x80, 0x84), *range(0x90, 0x94), 0xF3, 0xFD])


@settings(max_examples=200, deadline=None)
@given(
    head=st.lists(st.integers(0, 2**256 - 1), min_size=2, max_size=6),
    tail=st.lists(_LIKELY, max_size=30),
    gas=st.sampled_from((30_000, 21_900, 21_700)),
)
def test_both_loops_run_any_code_alike(head: list[int], tail: list[int], gas: int) -> None:
    pushes = b"".join(b"\x7f" + (value % 64 if index % 2 else value).to_bytes(32) for index, value in enumerate(head))
    runtime = pushes + bytes(tail) + bytes.fromhex("5f5260205ff3")
    creation = b"\x61" + len(runtime).to_bytes(2) + bytes.fromhex("80600a5f395ff3") + runtime

    assert _outcome(Evm(), creation, gas) == _outcome(_Plain(), creation, gas)


def _outcome(machine: Evm, creation: bytes, gas: int) -> Any:
    call = Invocation(machine.create(creation), b"\1" * 40)
    try:
        receipt = machine.send(call, gas=gas)
    except Reverted as refused:
        return str(refused).partition(":")[0]
    return receipt, machine.view(call)


def test_a_jump_to_nowhere_is_refused_by_both() -> None:
    for code in ("5f5f600456", "5f5f600160075700", "605b5f600156"):
        with pytest.raises(Reverted):
            _create(Evm(), code)
        with pytest.raises(Reverted):
            _create(_Plain(), code)


def _create(machine: Evm, code: str) -> Address:
    return machine.create(bytes.fromhex(code))
