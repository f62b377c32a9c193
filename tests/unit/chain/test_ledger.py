"""Views folded from logs: at the head, final, and through reorganisations."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.chain import abi
from thalweg.chain.artefacts import ADJUDICATOR, entries
from thalweg.chain.calls import Log
from thalweg.chain.ledger import RECENT_MAX, Ledger
from thalweg.chain.wire import Block, PlacedLog
from thalweg.channel.onchain import View
from thalweg.errors import InvariantBroken, Reason, Unavailable
from thalweg.units import Address, ChannelId, Hash, UnixSeconds

ALICES, BOBS = ChannelId(b"\x0a" * 32), ChannelId(b"\x0b" * 32)


def block(number: int, fork: int = 0) -> Block:
    here, before = (Hash(n.to_bytes(31) + bytes((fork,))) for n in (number, max(0, number - 1)))
    return Block(number, here, before, UnixSeconds(number), 0)


def log(number: int, event: str, channel: ChannelId, *members: Any) -> PlacedLog:
    entry = entries(ADJUDICATOR)[event]
    kinds = [kind for kind, indexed in zip(entry.inputs, entry.indexed, strict=True) if not indexed]
    said = Log(Address(bytes(20)), (entry.hash, channel), abi.encode(kinds, members))
    return PlacedLog(number, block(number).hash, 0, said)


def opened(*amounts: int) -> View:
    return View(opened=True, deposited=amounts, withdrawn=(0,) * len(amounts))  # type: ignore[arg-type]


def test_a_channel_nobody_opened_has_an_empty_view() -> None:
    assert Ledger().views(ALICES).head == Ledger().views(ALICES).final == View()


def test_a_log_counts_at_the_head_first_and_as_final_later() -> None:
    ledger = Ledger()
    ledger.settle(block(1), [])
    ledger.extend(block(2), [log(2, "Opened", ALICES, (5, 6))])
    assert (ledger.views(ALICES).head, ledger.views(ALICES).final) == (opened(5, 6), View())
    ledger.finalize(1)
    assert ledger.views(ALICES).final == View()
    ledger.finalize(2)
    assert ledger.views(ALICES).final == opened(5, 6)
    assert ledger.base == ledger.tip == block(2)


def test_a_dropped_block_takes_its_logs_with_it_and_marks_its_channels() -> None:
    ledger = Ledger()
    ledger.settle(block(1), [log(1, "Opened", ALICES, (5, 6))])
    ledger.extend(block(2), [log(2, "Deposited", ALICES, 0, 45)])
    ledger.dirty.clear()
    assert ledger.drop_tip()
    assert ledger.views(ALICES).head == opened(5, 6)
    assert ledger.dirty == {ALICES}
    assert not ledger.drop_tip()


def test_channels_do_not_mix() -> None:
    ledger = Ledger()
    ledger.settle(block(1), [log(1, "Opened", ALICES, (5, 0)), log(1, "Opened", BOBS, (6, 0))])
    ledger.extend(block(2), [log(2, "Deposited", BOBS, 0, 54)])
    assert ledger.views(ALICES).head == opened(5, 0)
    assert ledger.views(BOBS).head == opened(60, 0)


def test_reset_forgets_all_and_marks_all() -> None:
    ledger = Ledger()
    ledger.settle(block(1), [log(1, "Opened", ALICES, (5, 0))])
    ledger.extend(block(2), [log(2, "Opened", BOBS, (6, 0))])
    ledger.dirty.clear()
    ledger.reset()
    assert ledger.dirty == {ALICES, BOBS}
    assert ledger.tip is None
    assert ledger.views(ALICES).head == View()


def test_a_log_that_does_not_follow_is_refused() -> None:
    ledger = Ledger()
    with pytest.raises(InvariantBroken):
        ledger.extend(block(1), [log(1, "Deposited", ALICES, 0, 50)])


def test_a_ledger_begun_in_the_middle_leaves_out_channels_opened_before() -> None:
    ledger = Ledger(from_middle=True)
    ledger.settle(block(5), [log(5, "Deposited", BOBS, 0, 54), log(5, "Opened", ALICES, (5, 0))])
    ledger.extend(block(6), [log(6, "Deposited", BOBS, 0, 60), log(6, "Deposited", ALICES, 0, 7)])
    assert ledger.views(BOBS).head == View()
    assert ledger.views(ALICES).head == opened(12, 0)
    assert ledger.views(ALICES).final == opened(5, 0)


def test_a_ledger_begun_in_the_middle_refuses_a_gap_in_a_channel_it_is_to_know() -> None:
    ledger = Ledger(from_middle=True)
    ledger.expected.add(BOBS)
    with pytest.raises(InvariantBroken):
        ledger.settle(block(5), [log(5, "Deposited", BOBS, 0, 54)])


def test_finality_that_never_comes_is_refused() -> None:
    ledger = Ledger()
    for number in range(RECENT_MAX):
        ledger.extend(block(number), [])
    with pytest.raises(Unavailable) as refusal:
        ledger.extend(block(RECENT_MAX), [])
    assert refusal.value.reason is Reason.LIMIT


@given(st.lists(st.integers(1, 99), min_size=1, max_size=8), st.data())
def test_whatever_was_reorganised_the_views_are_those_of_the_canonical_logs(amounts: list[int], data: Any) -> None:
    ledger = Ledger()
    ledger.settle(block(0), [log(0, "Opened", ALICES, (0, 0))])
    for number, amount in enumerate(amounts, 1):
        ledger.extend(block(number), [log(number, "Deposited", ALICES, 0, amount)])
    kept = data.draw(st.integers(0, len(amounts)))
    for _ in range(len(amounts) - kept):
        assert ledger.drop_tip()
    final = data.draw(st.integers(0, kept))
    ledger.finalize(final)
    assert ledger.views(ALICES).head == opened(sum(amounts[:kept]), 0)
    assert ledger.views(ALICES).final == opened(sum(amounts[:final]), 0)
